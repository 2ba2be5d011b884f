import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram.outputs import LinearMapping


def mapped(mapper, inputs, **kwargs):
    return ops.convert_to_numpy(mapper(inputs, **kwargs))


def test_linear_map_starts_from_logistic_regression(
    golden_logits, golden_labels
):
    mapper = LabelMapper(3, LinearMapping(regularization=1e-3))
    mapper.build((None, 6))
    mapper.adapt([(golden_logits, golden_labels)])
    accuracy = (
        mapped(mapper, golden_logits).argmax(axis=1) == golden_labels
    ).mean()
    assert accuracy > 0.8


@pytest.mark.parametrize("start", ["frequency", "bayesian", "random"])
def test_linear_map_starts_from_other_maps(start, golden_logits, golden_labels):
    fixed, linear = LabelMapper(3, start), LabelMapper(3, LinearMapping(start))
    for mapper in (fixed, linear):
        mapper.build((None, 6))
        mapper.adapt([(golden_logits, golden_labels)])
    np.testing.assert_allclose(
        mapped(linear, golden_logits), mapped(fixed, golden_logits), rtol=1e-5
    )


def test_linear_map_of_probabilities_equals_that_of_logits(
    golden_logits, golden_labels
):
    log_probabilities = np.asarray(
        ops.convert_to_numpy(ops.log_softmax(golden_logits))
    )
    probabilities = np.exp(log_probabilities)
    ones = LabelMapper(3), LabelMapper(3, from_logits=False)
    for mapper, outputs in zip(ones, (log_probabilities, probabilities)):
        mapper.build((None, 6))
        mapper.adapt([(outputs, golden_labels)])
    np.testing.assert_allclose(
        mapped(ones[0], log_probabilities),
        mapped(ones[1], probabilities),
        atol=1e-3,
    )
