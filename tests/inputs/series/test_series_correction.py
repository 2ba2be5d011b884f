import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import SeriesCorrection
from keras_reprogram.outputs import SourceNumbers


def regressor(shape=(8, 2)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.GlobalMaxPooling1D()(inputs))


SAMPLES = np.random.default_rng(0).normal(size=(3, 8, 2)).astype("float32")


def test_a_model_starts_as_its_source():
    model = ReprogrammedModel(
        regressor(), SeriesCorrection((8, 2)), SourceNumbers(), compile=False
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(SAMPLES)), SAMPLES.max(axis=1), rtol=1e-6
    )


def test_the_correction_is_two_convolutions():
    layer = SeriesCorrection((8, 2), hidden_channels=1, kernel_size=1)
    layer(SAMPLES)
    layer.hidden.kernel.assign([[[1.0], [-1.0]]])
    layer.correction.kernel.assign([[[2.0, 3.0]]])
    layer.correction.bias.assign([0.0, 1.0])
    hidden = np.maximum(SAMPLES[..., :1] - SAMPLES[..., 1:], 0.0)
    expected = SAMPLES + hidden * [2.0, 3.0] + [0.0, 1.0]
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(SAMPLES)), expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.numpy_alone
def test_a_source_of_another_shape_is_refused():
    for shape in ((9, 2), (8, 1)):
        with pytest.raises(ValueError, match="keeps the shape"):
            ReprogrammedModel(
                regressor(shape), SeriesCorrection((8, 2)), SourceNumbers()
            )
    with pytest.raises(ValueError, match="target_shape"):
        SeriesCorrection((8,))


@pytest.mark.numpy_alone
def test_a_config_makes_the_same_layer():
    layer = SeriesCorrection((8, 2), 4, 3, seed=1)
    copy = SeriesCorrection.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
