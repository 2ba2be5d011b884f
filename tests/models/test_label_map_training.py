import keras
import numpy as np
import pytest
from tiny import learned
from tiny import probe

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel


def test_the_result_is_that_of_fit(twelve_classes, bright_quadrants):
    one, other = probe(twelve_classes), probe(twelve_classes)
    settings = dict(batch_size=10, epochs=4, shuffle=False, verbose=0)
    wanted = one.fit(
        *bright_quadrants, validation_data=bright_quadrants, **settings
    )
    found = other.fit_label_map(
        *bright_quadrants, validation_data=bright_quadrants, **settings
    )
    for a, b in zip(learned(one), learned(other)):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert set(found.history) == set(wanted.history)
    np.testing.assert_allclose(
        found.history["val_loss"], wanted.history["val_loss"], rtol=1e-3
    )
    np.testing.assert_allclose(
        one.evaluate(*bright_quadrants, verbose=0),
        other.evaluate(*bright_quadrants, verbose=0),
        rtol=1e-3,
    )


def test_training_goes_on_with_fit(twelve_classes, bright_quadrants):
    one, other = probe(twelve_classes), probe(twelve_classes)
    settings = dict(batch_size=16, shuffle=False, verbose=0)
    one.fit(*bright_quadrants, epochs=4, **settings)
    other.fit_label_map(*bright_quadrants, epochs=2, **settings)
    other.fit(*bright_quadrants, epochs=2, **settings)
    for a, b in zip(learned(one), learned(other)):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_program_may_stand_still(twelve_classes, bright_quadrants):
    model = probe(twelve_classes, pattern="everywhere", compiled=False)
    model.input_reprogrammer.pattern.theta.assign(
        np.random.default_rng(0).normal(0, 0.1, 16 * 16 * 3)
    )
    model.input_reprogrammer.trainable = False
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    before = learned(model)
    model.fit_label_map(*bright_quadrants, epochs=2, verbose=0)
    np.testing.assert_array_equal(before[0], learned(model)[0])
    assert np.abs(before[1] - learned(model)[1]).max() > 1e-4


def test_data_sets_of_batches(twelve_classes, bright_quadrants):
    one, other = probe(twelve_classes), probe(twelve_classes)
    x, y = bright_quadrants

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            rows = slice(16 * index, 16 * index + 16)
            return x[rows], y[rows]

    settings = dict(batch_size=16, epochs=2, shuffle=False, verbose=0)
    one.fit_label_map(x, y, **settings)
    other.fit_label_map(Batches(), validation_data=Batches(), **settings)
    for a, b in zip(learned(one), learned(other)):
        np.testing.assert_allclose(a, b, atol=1e-6)


class Weighted(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(8 * index, 8 * index + 8)
        return tuple(array[rows] for array in self.arrays)


def weighted_model(source):
    end = InputReprogrammer((4, 4, 1), placement="pad", pattern=None)
    model = ReprogrammedModel(source, end, LabelMapper(3))
    model.compile(
        keras.optimizers.SGD(0.5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


WEIGHTS = np.linspace(0, 3, 24).astype("float32")


@pytest.mark.parametrize("kind", ["array", "data set"])
def test_sample_weights_count_as_in_fit(source, images, labels, kind):
    arrays = images, labels, WEIGHTS
    biases = []
    for method in ("fit", "fit_label_map"):
        keras.utils.set_random_seed(0)
        model = weighted_model(source)
        model.adapt(images, labels, verbose=0)
        data, rest = Weighted(*arrays), {}
        if kind == "array":
            data, rest = images, {"y": labels, "sample_weight": WEIGHTS}
        if kind == "array" or method == "fit_label_map":
            rest["batch_size"] = 8
        history = getattr(model, method)(
            data,
            **rest,
            validation_data=Weighted(*arrays),
            shuffle=False,
            verbose=0,
        ).history
        bias = keras.ops.convert_to_numpy(model.label_mapper.bias)
        biases.append([*bias, *history["loss"], *history["val_loss"]])
    np.testing.assert_allclose(*biases, rtol=1e-4, atol=1e-5)


def test_endless_data_are_read_for_as_many_steps_as_an_epoch_has(
    source, images, labels
):
    read = []

    class Endless:
        def __iter__(self):
            while True:
                read.append(0)
                yield images[:8], labels[:8]

    model = weighted_model(source)
    model.fit_label_map(Endless(), steps_per_epoch=2, verbose=0)
    assert len(read) <= 5


@pytest.mark.numpy_alone
def test_samples_are_not_split_off(source, images, labels):
    model = probe(source)
    with pytest.raises(ValueError, match="as `validation_data`"):
        model.fit_label_map(images, labels, validation_split=0.5, verbose=0)
