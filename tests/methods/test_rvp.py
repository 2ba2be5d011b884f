import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.methods.rvp import ResidualAttributeMapper
from keras_reprogram.methods.rvp import TwoRates

ATTRIBUTES = [[0, 4], [1, 3], [2, 5]]


@pytest.fixture
def similarities() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def mapper_of(attribute_weights=None, residual=None):
    mapper = ResidualAttributeMapper(3, ATTRIBUTES)
    mapper.build((None, 6))
    if attribute_weights is not None:
        mapper.attribute_weights.assign(attribute_weights)
        mapper.residual.assign(residual)
    return mapper


def test_training_starts_from_the_mean_of_a_class_s_attributes(similarities):
    outputs = ops.convert_to_numpy(mapper_of()(similarities))
    means = similarities[:, ATTRIBUTES].mean(axis=-1)
    np.testing.assert_allclose(outputs, means, rtol=1e-5)


def test_attributes_are_weighed_and_classes_mixed(similarities):
    generator = np.random.default_rng(1)
    weights, residual = generator.normal(size=(3, 2)), generator.normal(size=9)
    residual = residual.reshape(3, 3)
    mapper = mapper_of(weights, residual)
    shares = np.exp(weights) / np.exp(weights).sum(axis=1, keepdims=True)
    scores = (similarities[:, ATTRIBUTES] * shares).sum(axis=-1)
    expected = scores + scores @ residual
    outputs = ops.convert_to_numpy(mapper(similarities))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)
    matrix = ops.convert_to_numpy(mapper.matrix)
    np.testing.assert_allclose(
        similarities @ matrix, expected, rtol=1e-4, atol=1e-6
    )


def test_classes_of_different_numbers_of_attributes_are_a_value_error():
    mapper = ResidualAttributeMapper(2, [[0, 1], [2]])
    with pytest.raises(ValueError, match="as many attributes"):
        mapper.build((None, 3))


def test_the_map_has_a_rate_of_its_own():
    border = keras.Variable(np.zeros(2), name="theta")
    residual = keras.Variable(np.zeros(2), name="residual")
    optimizer = TwoRates(40.0, momentum=0.9)
    gradient = ops.ones((2,))
    for _ in range(2):
        optimizer.apply([gradient, gradient], [border, residual])
    steps = 1 + (0.9 + 1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(border.value), -40 * steps, rtol=1e-5
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(residual.value), -1e-3 * steps, rtol=1e-5
    )
