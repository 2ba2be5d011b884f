"""What a data set yields that is not valid is told at the end."""

import keras
import keras_hub
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import TokenPatches
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.models.batches import to_numpy
from keras_reprogram.sources import TextSource

IMAGES = np.full((4, 4, 4, 1), 100, "uint8")
TOKENS = np.arange(20).reshape(4, 5) % 9
LABELS = np.arange(4) % 3


class Batches(keras.utils.PyDataset):
    """Three batches, of which the second is not valid."""

    def __init__(self, samples, labels, wrong=None, wrong_labels=None):
        super().__init__()
        wrong = samples if wrong is None else wrong
        wrong_labels = labels if wrong_labels is None else wrong_labels
        self.batches = [
            (samples, labels),
            (wrong, wrong_labels),
            (samples, labels),
        ]

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.batches[index]


def compiled(source, end, **settings):
    keras.utils.set_random_seed(0)
    model = ReprogrammedModel(source, end, LabelMapper(3, "linear"))
    loss = keras.losses.SparseCategoricalCrossentropy(True, **settings)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def text_model():
    backbone = keras_hub.models.BertBackbone(24, 1, 2, 8, 16)
    end = TokenReprogrammer(DenseCombination(9), padding_token=None)
    return compiled(TextSource(backbone), end)


def flat_source():
    samples = keras.Input((8, 8, 3))
    return keras.Model(
        samples, keras.layers.Dense(6)(keras.layers.Flatten()(samples))
    )


@pytest.fixture(scope="module")
def of_images():
    model = compiled(flat_source(), InputReprogrammer((4, 4, 1)))
    model.fit(Batches(IMAGES, LABELS), verbose=0)
    return model


@pytest.fixture(scope="module")
def of_tokens():
    model = text_model()
    model.fit(Batches(TOKENS, LABELS), verbose=0)
    return model


@pytest.mark.parametrize("label", [-1, 3, 2**20])
def test_labels_that_are_no_classes(of_images, label):
    wrong = np.array([0, 1, label, 2])
    data = Batches(IMAGES, LABELS, wrong_labels=wrong)
    message = "integers from 0 to 2.*Received: 0 samples and 1 labels"
    for call in (of_images.fit, of_images.evaluate):
        with pytest.raises(ValueError, match=message):
            call(data, verbose=0)
    # It is told once.
    valid = Batches(IMAGES, LABELS)
    assert np.isfinite(of_images.evaluate(valid, verbose=0)).all()
    logs = of_images.fit(valid, validation_data=valid, verbose=0).history
    assert not any("invalid" in name for name in logs)


def test_labels_of_validation(of_images):
    wrong = Batches(IMAGES, LABELS, wrong_labels=LABELS + 1)
    with pytest.raises(ValueError, match="1 labels that are not valid"):
        of_images.fit(IMAGES, LABELS, validation_data=wrong, verbose=0)
    # What training has counted is not taken for validation's, or lost.
    with pytest.raises(ValueError, match="1 labels that are not valid"):
        of_images.fit(wrong, validation_data=(IMAGES, LABELS), verbose=0)


def test_labels_that_the_loss_ignores_are_valid():
    end = InputReprogrammer((4, 4, 1))
    model = compiled(flat_source(), end, ignore_class=255)
    ignored = np.array([0, 1, 255, 2], "uint8")
    data = Batches(IMAGES, LABELS.astype("uint8"), wrong_labels=ignored)
    model.fit(data, verbose=0)


@pytest.mark.parametrize("token", [-1, 9, 10**6])
def test_tokens_that_are_not_in_the_vocabulary(of_tokens, token):
    wrong = TOKENS.copy()
    wrong[2, 3] = token
    data = Batches(TOKENS, LABELS, wrong)
    for call in (of_tokens.fit, of_tokens.evaluate):
        with pytest.raises(
            ValueError, match="tokens from 0 to 8.*Received: 1 samples"
        ):
            call(data, verbose=0)
    for call in (of_tokens.predict, of_tokens.predict_source):
        with pytest.raises(ValueError, match="Tokens must be from 0 to 8"):
            call(data, verbose=0)
    stream = (batch for batch in data.batches)
    with pytest.raises(ValueError, match="tokens from 0 to 8.*sample 6"):
        of_tokens.predict(stream, verbose=0)
    valid = Batches(TOKENS, LABELS)
    assert np.isfinite(of_tokens.predict(valid, verbose=0)).all()


def test_a_sample_with_an_unknown_token_is_no_number_where_nobody_looks():
    model = text_model()
    model.label_mapper.adapt([(np.random.rand(4, 8), LABELS)])
    wrong = TOKENS.copy()
    wrong[2, 3] = -1
    outputs = keras.ops.convert_to_numpy(model(wrong))
    assert np.isnan(outputs[2]).all()
    assert np.isfinite(np.delete(outputs, 2, axis=0)).all()


def test_patches_of_unknown_tokens():
    placement = TokenPatches(9, patch_size=2)
    end = InputReprogrammer((5,), placement=placement, pattern=None)
    model = compiled(flat_source(), end)
    data = Batches(TOKENS, LABELS, TOKENS - 1)
    with pytest.raises(ValueError, match="from 0 to 8"):
        model.fit(data, verbose=0)


def test_samples_that_are_not_finite(of_images):
    images = IMAGES.astype("float32")
    wrong = images.copy()
    wrong[1, 0, 0] = np.nan
    data = Batches(images, LABELS, wrong)
    with pytest.raises(ValueError, match="Samples must be finite"):
        of_images.evaluate(data, verbose=0)
    with pytest.raises(ValueError, match="`x` must be finite"):
        of_images.predict(data, verbose=0)
    with pytest.raises(ValueError, match="Samples must be finite"):
        of_images.fit(data, verbose=0)


def test_outputs_that_overflow_in_the_source_are_what_they_are():
    samples = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(samples)
    source = keras.Model(samples, x * 1e30 * 1e30)
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1)), LabelMapper(3, "identity")
    )
    with pytest.warns(UserWarning, match="not finite"):
        outputs = model.predict(Batches(IMAGES, LABELS), verbose=0)
    assert not np.isfinite(outputs).any()


def test_labels_of_outputs_that_are_cached(of_images):
    model = compiled(flat_source(), InputReprogrammer((4, 4, 1), pattern=None))
    data = Batches(IMAGES, LABELS, wrong_labels=LABELS + 1)
    model.adapt(IMAGES, LABELS, verbose=0)
    with pytest.raises(ValueError, match="from 0 to 2"):
        model.fit_label_map(data, verbose=0)


def test_counts_stay_on_the_device_during_an_epoch(of_images, monkeypatch):
    read = []
    counts = of_images.invalid_data.counts
    original = keras.ops.convert_to_numpy
    monkeypatch.setattr(
        keras.ops,
        "convert_to_numpy",
        lambda x: read.append(tuple(x.shape)) or original(x),
    )
    of_images.fit(Batches(IMAGES, LABELS), verbose=0, epochs=2)
    assert read.count(tuple(counts.shape)) <= 2
    assert to_numpy(counts.value) is not None


@pytest.mark.skipif(
    keras.config.backend() == "jax", reason="JAX has no 64 bits by default"
)
def test_integers_that_would_wrap_are_not_valid(of_images, of_tokens):
    wrong = np.array([0, 1, 2**40, 2])
    data = Batches(IMAGES, LABELS.astype("int64"), wrong_labels=wrong)
    with pytest.raises(ValueError, match="1 labels that are not valid"):
        of_images.evaluate(data, verbose=0)
    wrong = TOKENS.astype("int64")
    wrong[2, 3] = 2**32 + 3
    data = Batches(TOKENS.astype("int64"), LABELS, wrong)
    with pytest.raises(ValueError, match="1 samples"):
        of_tokens.evaluate(data, verbose=0)
    with pytest.raises(ValueError, match="Tokens must be from 0 to 8"):
        of_tokens.predict(data, verbose=0)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "uint64"])
def test_arrays_of_tokens_of_any_integer_dtype(of_tokens, dtype):
    wanted = of_tokens.predict(TOKENS, verbose=0)
    if dtype != "uint64":  # which PyTorch does not compute with
        found = of_tokens.predict(TOKENS.astype(dtype), verbose=0)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    wrong = TOKENS.astype(dtype)
    wrong[2, 3] = np.iinfo(dtype).max
    with pytest.raises(ValueError, match="Tokens must be from 0 to 8"):
        of_tokens.predict(wrong, verbose=0)
