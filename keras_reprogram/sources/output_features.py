"""The layer that converts the outputs of a part of a joined source."""

from typing import Any

import keras

from keras_reprogram.configurable import serializable
from keras_reprogram.probabilities import as_features
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.typing import Tensor


@serializable
class OutputFeatures(keras.layers.Layer):
    """Converts a source's outputs to features, in float32 at least.

    Args:
        activation: String. The source's activation: `"linear"`, `"softmax"` or
            `"sigmoid"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, activation: str, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.activation = activation

    def call(self, inputs: Tensor) -> Tensor:
        return as_features(inputs, self.activation)

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if not keras.backend.is_float_dtype(dtype):
            dtype = keras.config.floatx()
        return keras.KerasTensor(inputs.shape, full_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}
