import warnings

import keras
import numpy as np
import pytest
from keras import ops
from tiny import Sequence
from tiny import reprogrammed

import keras_reprogram
from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Pad

NAN = np.full((24, 4, 4, 1), np.nan)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, x, y: m.fit(x[..., 0, 0], y), "target_shape"),
        (lambda m, x, y: m.fit(np.ones((24, 5, 4, 1)), y), "target_shape"),
        (lambda m, x, y: m.fit(NAN, y), "finite"),
        (lambda m, x, y: m.predict(NAN), "finite"),
        (lambda m, x, y: m.evaluate(NAN, y), "finite"),
        (lambda m, x, y: m.adapt(NAN, y), "finite"),
        (lambda m, x, y: m.predict_source(NAN), "finite"),
        (lambda m, x, y: m.fit(x, y + 1), "from 0 to 2"),
        (lambda m, x, y: m.fit(x, y - 1), "from 0 to 2"),
        (lambda m, x, y: m.fit(x, y + 0.5), "integers"),
        (lambda m, x, y: m.fit(x, np.eye(3)[y]), "one integer label"),
        (lambda m, x, y: m.adapt(x, np.eye(3)[y]), "one integer label"),
        (lambda m, x, y: m.adapt(x), "without labels"),
        (lambda m, x, y: m.adapt(x[:0], y[:0]), "no batches"),
        (lambda m, x, y: m.fit(x.astype(str), y), "numbers"),
        (lambda m, x, y: m.fit(x, y.astype(str)), "integers"),
        (lambda m, x, y: m.fit(x, y[:10]), "as many"),
        (lambda m, x, y: m.adapt(x, y[:10]), "as many"),
        (
            lambda m, x, y: m.fit(x, y, validation_data=(x, y + 3)),
            "from 0 to 2",
        ),
        (
            lambda m, x, y: m.fit(Sequence(x, np.eye(3)[y]), verbose=0),
            "one integer label",
        ),
        (
            lambda m, x, y: m.adapt(Sequence(x, y + 1), verbose=0),
            "from 0 to 2",
        ),
    ],
)
@pytest.mark.parametrize("mapping", ["linear", "iterative"])
def test_bad_data_is_a_value_error(
    source, images, labels, call, message, mapping
):
    model = reprogrammed(source, mapping)
    with pytest.raises(ValueError, match=message) as error:
        call(model, images, labels)
    assert "Received: " in str(error.value)


def test_one_hot_batches_of_a_fixed_map_are_a_value_error(
    source, images, labels
):
    model = reprogrammed(source, "random")
    with pytest.raises(ValueError, match="one integer label"):
        model.fit(Sequence(images, np.eye(3)[labels]), verbose=0)


def test_a_loss_in_a_list_expects_integers_as_well(source, images, labels):
    model = reprogrammed(source, "random")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", [loss])
    with pytest.raises(ValueError, match="from 0 to 2"):
        model.fit(images, labels + 1, verbose=0)


@pytest.mark.parametrize("mapping", ["random", "linear"])
def test_nan_in_a_data_set_ends_training_with_its_epoch(
    source, labels, mapping
):
    model = reprogrammed(source, mapping)
    model.label_mapper.solved_flag.assign(1)
    with pytest.raises(ValueError, match="not finite"):
        model.fit(Sequence(NAN, labels), epochs=2, verbose=0)


def test_bfloat16_samples(source, images, labels):
    model = reprogrammed(source, "linear")
    samples = ops.cast(images, "bfloat16")
    model.fit(samples, labels, verbose=0)
    assert model.predict(samples, verbose=0).shape == (24, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: ReprogrammedModel(
            s, InputReprogrammer((9, 9, 1), placement="pad")
        ),
        lambda s: ReprogrammedModel(
            s, InputReprogrammer((4, 4, 1), placement=Pad(inner_size=9))
        ),
        lambda s: ReprogrammedModel(s, InputReprogrammer((4, 4, 1), (9, 9, 3))),
        lambda s: ReprogrammedModel(s, InputReprogrammer((4, 4))),
        lambda s: ReprogrammedModel(
            s, label_mapper=LabelMapper(7, "iterative")
        ),
        lambda s: ReprogrammedModel(
            s, label_mapper=LabelMapper(3, np.ones((3, 6)))
        ),
        lambda s: ReprogrammedModel(None),
    ],
)
def test_ends_that_do_not_fit_the_source_are_a_value_error(source, make):
    with pytest.raises(ValueError, match="Received: "):
        make(source)


NAMES = np.array(["a", "b", "c"])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, x, y: m.fit({"a": x, "b": x}, y), "one array.*'a', 'b'"),
        (lambda m, x, y: m.fit([x, x], y), "one array.*a list of 2"),
        (lambda m, x, y: m.fit(["a", "b"], y[:2]), "one array.*str"),
        (lambda m, x, y: m.predict("a path"), "one array"),
        (lambda m, x, y: m.fit(x, list(y)), "np.asarray"),
        (
            lambda m, x, y: m.fit(x, NAMES[y]),
            "return_inverse",
        ),
        (lambda m, x, y: m.fit(x, np.where(y > 1, np.nan, y)), "multi_label"),
        (lambda m, x, y: m.fit(x, y, sample_weight=np.ones(5)), "as many"),
        (lambda m, x, y: m.evaluate({"a": x, "b": x}, y), "one array"),
        (
            lambda m, x, y: m.fit(Sequence(x, NAMES[y])),
            "return_inverse",
        ),
        (
            lambda m, x, y: m.fit(x, y, validation_data=([x, x], y)),
            "one array",
        ),
    ],
)
@pytest.mark.parametrize("mapping", ["linear", "random"])
def test_words_say_what_is_expected(
    source, images, labels, call, message, mapping
):
    model = reprogrammed(source, mapping)
    with pytest.raises(ValueError, match=message) as error:
        call(model, images, labels)
    assert "Received: " in str(error.value)


def test_one_hot_labels_are_expected_by_a_categorical_loss(
    source, images, labels
):
    model = reprogrammed(source, "random")
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="one-hot.*Sparse.*Received"):
        model.fit(images, labels, verbose=0)


def test_masks_of_another_size_are_told_of_that_of_the_output():
    inputs = keras.Input((16, 16, 3))
    segmenter = keras.Model(inputs, keras.layers.Conv2D(5, 1)(inputs))
    model = keras_reprogram.ReprogrammedModel(
        segmenter,
        keras_reprogram.InputReprogrammer((10, 10, 3)),
        keras_reprogram.LabelMapper(2, "identity"),
    )
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x = np.zeros((4, 10, 10, 3), "uint8")
    with pytest.raises(ValueError, match="samples, 16, 16.*resize masks"):
        model.fit(x, np.zeros((4, 10, 10), int), verbose=0)
    with pytest.raises(ValueError, match="stage_features"):
        model.fit(x, np.zeros(4, int), verbose=0)


def test_a_label_map_that_no_memory_holds_is_refused():
    with pytest.raises(ValueError, match="200000.*Received"):
        keras_reprogram.LabelMapper(200_000).build((None, 200_000))


@pytest.mark.parametrize("data", ["array", "data set"])
def test_outputs_that_overflow_in_the_source_are_warned_of(
    images, labels, data
):
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    logits = keras.layers.Dense(6, kernel_initializer="ones")(pooled)
    source = keras.Model(inputs, keras.layers.Rescaling(1e14)(logits) ** 2)
    model = reprogrammed(source, "identity", value_range=None)
    samples = images.astype("float32")
    samples[5] *= 1e10
    x = {"array": samples, "data set": Sequence(samples, labels)}[data]
    message = "not finite.*1 outputs of 24.*sample 5"
    with pytest.warns(UserWarning, match=message):
        outputs = model.predict(x, verbose=0)
    assert not np.isfinite(outputs[5]).any()
    assert np.isfinite(np.delete(outputs, 5, axis=0)).all()


@pytest.mark.parametrize(
    "rows, warned",
    [
        ([[1, 0], [0, 1]], False),
        ([[0.1, 0.9], [0.5, 0.5]], False),
        ([[1, 0], [0, 0]], False),
        ([[1, 1], [0, 1]], True),
        ([[0.3, 0.1], [0.2, 0.8]], True),
        ([[1.5, -0.5], [0.2, 0.8]], True),
    ],
)
def test_rows_that_are_no_probabilities_are_warned_of(rows, warned):
    inputs = keras.Input((4,))
    model = ReprogrammedModel(
        keras.Model(inputs, keras.layers.Dense(3)(inputs)),
        InputReprogrammer((4,), value_range=None),
        LabelMapper(2),
    )
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    labels = np.array(rows, "float32")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(np.ones((2, 4)), labels, epochs=2, verbose=0)
    messages = [str(each.message) for each in caught]
    found = [each for each in messages if "add up to 1" in each]
    assert bool(found) == warned
