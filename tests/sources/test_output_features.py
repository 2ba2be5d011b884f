"""A part's outputs become features in float32 at least."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.probabilities import as_features
from keras_reprogram.sources.output_features import OutputFeatures


@pytest.mark.parametrize("activation", ["linear", "softmax", "sigmoid"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "int32"])
def test_the_layer_returns_what_its_specification_says(activation, dtype):
    outputs = ops.cast([[0.0, 1.0, 0.25]], dtype)
    layer = OutputFeatures(activation, dtype="mixed_bfloat16")
    found = layer(outputs)
    wanted = as_features(outputs, activation)
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), ops.convert_to_numpy(wanted)
    )
    inputs = keras.KerasTensor((None, 3), dtype)
    specification = layer.compute_output_spec(inputs)
    assert specification.dtype == "float32"
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert specification.shape == (None, 3)
    copy = OutputFeatures.from_config(layer.get_config())
    assert copy.activation == activation
