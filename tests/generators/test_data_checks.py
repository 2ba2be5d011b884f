import types

import keras
import numpy as np
import pytest

from keras_reprogram import black_box
from keras_reprogram import methods
from keras_reprogram.generators import ConditionalGenerator
from keras_reprogram.generators import ProjectionDiscriminator
from keras_reprogram.generators import data_checks
from keras_reprogram.outputs.targets import ClassTargets

X = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 2)).astype("float32")
Y = np.arange(8) % 2


def generating(low=-1.0, high=1.0, shape=(2,)):
    """Stands for a generator of samples in this range."""
    return types.SimpleNamespace(
        targets=ClassTargets(2),
        num_classes=2,
        sample_shape=shape,
        generate=lambda labels: np.linspace(low, high, 2 * len(labels)),
    )


def test_arrays_are_taken_out_of_lists_dictionaries_and_tables():
    pandas = pytest.importorskip("pandas")
    for x, y in (
        (X, Y),
        ([X], [Y]),
        ({"x": X}, {"y": Y}),
        (pandas.DataFrame(X), pandas.Series(Y)),
        (keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y)),
    ):
        samples, labels = data_checks.checked(generating(), x, y)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(samples), X)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(labels), Y)


NOT_VALID = {
    "two inputs": ({"a": X, "b": X}, Y, None),
    "nothing": (None, None, None),
    "labels alone": (None, Y, None),
    "a list of samples": (list(X), Y, None),
    "no samples": (X[:0], Y[:0], None),
    "strings": (X.astype(str), Y, None),
    "names of classes": (X, Y.astype(str), None),
    "a list of labels": (X, Y.tolist(), None),
    "fewer labels": (X, Y[1:], None),
    "fewer weights": (X, Y, np.ones(7)),
    "weights of NaN": (X, Y, np.full(8, np.nan)),
}


@pytest.mark.parametrize("name", NOT_VALID)
def test_what_is_no_array_of_samples_with_classes_is_a_value_error(name):
    with pytest.raises(ValueError, match="Received"):
        data_checks.checked(generating(), *NOT_VALID[name])


def test_the_first_batch_of_a_data_set_is_checked_and_kept():
    batches = data_checks.with_checked_start(
        generating(), iter([(X, Y), (X, Y)])
    )
    assert len(list(batches)) == 2
    with pytest.raises(ValueError, match="convert class names"):
        data_checks.with_checked_start(generating(), iter([(X, Y.astype(str))]))
    with pytest.warns(UserWarning, match="range of generated ones"):
        data_checks.with_checked_start(
            generating(), iter([((100 * X + 100).astype("uint8"), Y)])
        )


def test_pixels_from_0_for_a_generator_of_both_signs_are_warned_of():
    with pytest.warns(UserWarning, match="range of generated ones"):
        data_checks.warn_of_range(generating(), np.abs(X))


@pytest.mark.filterwarnings("error")
def test_samples_in_the_range_of_generated_ones_are_not_warned_of():
    data_checks.warn_of_range(generating(), X)
    data_checks.warn_of_range(generating(0.0), np.abs(X))
    data_checks.warn_of_range(generating(-0.1), np.abs(X))


def test_a_class_without_samples_is_warned_of():
    with pytest.warns(UserWarning, match="1 of 3 classes, the first 2"):
        data_checks.warn_of_missing_classes(Y[:, None], 3)


def test_class_weights_are_a_dictionary_of_classes():
    data_checks.check_class_weight({0: 1.0, 1: 2.0}, ClassTargets(2))
    for weights in ("balanced", {2: 1.0}, {0: -1.0}):
        with pytest.raises(ValueError, match="Received"):
            data_checks.check_class_weight(weights, ClassTargets(2))


# === The generator ===


def dense(size: int, outputs: int = 2) -> keras.Model:
    inputs = keras.Input((size,))
    return keras.Model(inputs, keras.layers.Dense(outputs)(inputs))


@pytest.mark.parametrize("classes, noise_dim", [(3, 3), (2, 2)])
def test_other_classes_and_noise_than_the_layer_s_are_a_value_error(
    classes, noise_dim
):
    generator = methods.inrep_plus(dense(4), 2, dense(2), num_blocks=0)
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        ConditionalGenerator(
            generator.generator,
            ProjectionDiscriminator(dense(2), classes),
            noise_dim,
        )


@pytest.mark.parametrize("generator", ["generator", dense(3)])
def test_what_takes_no_labels_and_noise_is_a_value_error(generator):
    with pytest.raises(ValueError, match="`generator` must be"):
        ConditionalGenerator(generator, ProjectionDiscriminator(dense(2), 2), 3)


def test_a_source_that_is_queried_is_a_value_error():
    source = black_box.QueriedSource(lambda noise: noise[:, :2], (4,), 2)
    with pytest.raises(ValueError, match="queried"):
        methods.inrep_plus(source, 2, dense(2))
