"""Probabilities become the logits that they come from."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import probabilities

LOGITS = np.array([[-9.0, -1.0, 0.5, 8.0]], "float32")


@pytest.mark.parametrize(
    "activation, given",
    [
        ("linear", LOGITS),
        ("sigmoid", 1 / (1 + np.exp(-LOGITS))),
        ("softmax", np.exp(LOGITS)),
    ],
)
def test_features_are_the_logits_of_tensors_and_of_arrays(activation, given):
    found = probabilities.as_features(given, activation, np)
    np.testing.assert_allclose(found, LOGITS, rtol=1e-3)
    tensor = probabilities.as_features(ops.convert_to_tensor(given), activation)
    np.testing.assert_allclose(ops.convert_to_numpy(tensor), found, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_precision_is_full_from_float32_on(dtype):
    assert probabilities.full_dtype(dtype) == "float32"
    assert probabilities.full_dtype("float64") == "float64"
    found = probabilities.full_precision(ops.cast([0.5], dtype))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
