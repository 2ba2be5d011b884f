import keras
import numpy as np
import pytest
from tiny import Sequence

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.losses import MaskedBinaryCrossentropy


@pytest.fixture
def binary_labels(images):
    """Brighter than usual above, to the left, and at random."""
    labels = np.stack(
        [
            images[:, :2].mean(axis=(1, 2, 3)) > 127,
            images[:, :, :2].mean(axis=(1, 2, 3)) > 127,
            np.arange(24) % 2,
        ],
        axis=1,
    ).astype("float32")
    labels[0, 1] = np.nan
    return labels


def several(source, mapping="linear", num_classes=3):
    model = ReprogrammedModel(
        source,
        InputReprogrammer((4, 4, 1)),
        LabelMapper(num_classes, mapping, multi_label=True),
    )
    model.compile(keras.optimizers.Adam(0.05), MaskedBinaryCrossentropy())
    return model


@pytest.mark.parametrize("mapping", ["linear", "frequency", "bayesian_plus"])
def test_one_program_learns_several_binary_targets(
    source, images, binary_labels, mapping
):
    model = several(source, mapping)
    history = model.fit(
        images,
        binary_labels,
        batch_size=8,
        epochs=4,
        verbose=0,
        validation_data=(images, binary_labels),
    ).history
    if mapping == "linear":
        assert history["loss"][-1] < history["loss"][0]
    assert np.isfinite(history["val_loss"]).all()
    assert model.predict(images, verbose=0).shape == (24, 3)


def test_a_data_set_of_binary_targets(source, images, binary_labels):
    model = several(source, "iterative")
    model.fit(Sequence(images, binary_labels), epochs=2, verbose=0)
    expected = several(source, "iterative")
    expected.adapt(images, binary_labels, verbose=0)
    assert model.label_mapper.solved and expected.label_mapper.solved


def test_one_binary_target(source, images, binary_labels):
    model = several(source, num_classes=1)
    model.fit(images, binary_labels[:, :1], verbose=0)
    assert model.predict(images, verbose=0).shape == (24, 1)


def test_binary_targets_survive_a_program_file(
    source, images, binary_labels, tmp_path
):
    model = several(source)
    model.fit(images, binary_labels, verbose=0)
    model.save_program(tmp_path / "a.program")
    copy = ReprogrammedModel.load_program(tmp_path / "a.program", source)
    assert copy.label_mapper.multi_label
    np.testing.assert_array_equal(
        copy.predict(images, verbose=0), model.predict(images, verbose=0)
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda m, x, y: m.fit(x, y[:, 0]),
        lambda m, x, y: m.fit(x, y[:, :2]),
        lambda m, x, y: m.fit(x, y + 1),
        lambda m, x, y: m.fit(Sequence(x, y[:, :2]), verbose=0),
        lambda m, x, y: m.adapt(x, np.arange(24)),
    ],
)
def test_labels_that_are_not_binary_are_a_value_error(
    source, images, binary_labels, make
):
    with pytest.raises(ValueError, match="Received: "):
        make(several(source), images, binary_labels)
