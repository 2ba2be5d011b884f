import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs import FeatureMosaic


def outputs_of(layer, samples):
    return ops.convert_to_numpy(layer(samples))


def test_a_vector_is_laid_out_in_rows_of_tiles():
    layer = InputReprogrammer(
        (5,),
        (8, 8, 3),
        placement=FeatureMosaic(inner_size=(4, 6)),
        pattern=None,
        value_range=(0, 1),
    )
    samples = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]], "float32")
    canvas = outputs_of(layer, samples)[0, ..., 1]
    expected = np.zeros((8, 8))
    tiles = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.0]])
    expected[2:6, 1:7] = np.kron(tiles, np.ones((2, 2)))
    np.testing.assert_allclose(canvas, expected, rtol=1e-6)


def test_a_matrix_keeps_its_form():
    matrix = np.random.default_rng(0).random((1, 4, 6), "float32")
    layer = InputReprogrammer(
        (4, 6),
        (8, 8, 3),
        placement=FeatureMosaic(),
        pattern="outside",
        value_range=(0, 1),
    )
    canvas = outputs_of(layer, matrix)[0, ..., 0]
    np.testing.assert_allclose(canvas[2:6, 1:7], matrix[0], rtol=1e-6)
    assert layer.pattern.theta.shape == (3 * (64 - 24),)


@pytest.mark.parametrize("shape", [(8, 8, 1), (None,), (2, 3, 4, 5)])
def test_a_mosaic_takes_vectors_and_matrices_alone(shape):
    layer = InputReprogrammer(shape, (16, 16, 3), placement=FeatureMosaic())
    with pytest.raises(ValueError, match="vectors"):
        layer.build((None, *shape))


def test_a_config_makes_the_same_mosaic():
    mosaic = FeatureMosaic(inner_size=8, columns=3)
    assert FeatureMosaic.from_config(mosaic.get_config()) == mosaic


@pytest.mark.parametrize(
    "make",
    [
        lambda: FeatureMosaic(columns=0),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
