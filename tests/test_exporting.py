import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel

BACKEND = keras.config.backend()


@pytest.mark.skipif(BACKEND == "jax", reason="Keras exports no ONNX from JAX")
def test_what_onnx_does_not_have_names_another_format(tmp_path):
    pytest.importorskip("onnxscript" if BACKEND == "torch" else "tf2onnx")
    inputs = keras.Input((8,))
    # As of the front ends of forecasters.
    real, imaginary = keras.ops.rfft(inputs)
    source = keras.Model(inputs, keras.ops.add(real, imaginary))
    model = ReprogrammedModel(
        source,
        InputReprogrammer((8,), value_range=None),
        LabelMapper(5, "identity"),
    )
    x = np.ones((2, 8), "float32")
    assert model.predict_on_batch(x).shape == (2, 5)
    with pytest.raises(ValueError, match="tf_saved_model.*Received: .*onnx"):
        model.export(str(tmp_path / "model.onnx"), "onnx", False)
