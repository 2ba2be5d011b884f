"""The pretrained model in the middle, which never learns."""

from typing import Any

import keras

from keras_reprogram.configurable import serializable


@serializable
class FrozenSource(keras.layers.Layer):
    """Runs a pretrained model with fixed weights, always in inference mode.

    Nothing in the source is trained, whatever is set on it or around it
    later; batch normalisation uses its moving statistics and dropout is off,
    also while the program is trained.

    Example:

    ```python
    source = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    frozen = keras_reprogram.sources.FrozenSource(source)
    frozen.trainable_weights  # []
    ```

    Args:
        source: A built `keras.Model` with one input and one output.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Inputs of the source, of shape `(batch, *source_shape)`.

    Returns:
        The source's output.
    """

    def __init__(self, source: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.freeze()

    def freeze(self) -> None:
        # On every leaf: TensorFlow ignores `trainable = False` on a model
        # that reads false already while its layers do not.
        for layer in self.source._flatten_layers():
            layer.trainable = False
        for variable in self.source.weights:
            variable.trainable = False

    # Whoever asks an outer model what it trains asks here for the source's
    # part: someone may have thawed the source in the meantime.

    @property
    def variables(self) -> list[keras.Variable]:
        self.freeze_again()
        return super().variables

    @property
    def weights(self) -> list[keras.Variable]:
        self.freeze_again()
        return super().weights

    def freeze_again(self) -> None:
        if any(variable.trainable for variable in self.source.weights):
            self.freeze()

    @property
    def trainable(self) -> bool:
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        # A model sets this on all its layers; a source stays frozen.
        if hasattr(self, "source"):
            self.freeze()

    @property
    def metrics(self) -> list[keras.Metric]:
        # A compiled source has metrics of its own task.
        return []

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.built = True

    def call(self, inputs: Any) -> Any:
        # Said here and not in a functional graph, where the outer model's
        # `training=True` would take its place.
        outputs = self.source(inputs, training=False)
        # Penalties of the source's own training are not the program's.
        self.source._clear_losses()
        return outputs

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        # The source says it: PyTorch would try a sequence of unknown length
        # with one that is too long for some sources.
        batch = keras.tree.flatten(inputs)[0].shape[0]
        output = self.source.outputs[0]
        return keras.KerasTensor((batch, *output.shape[1:]), output.dtype)

    def get_config(self) -> dict[str, Any]:
        source = keras.saving.serialize_keras_object(self.source)
        return {**super().get_config(), "source": source}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FrozenSource":
        source = keras.saving.deserialize_keras_object(config.pop("source"))
        return cls(source, **config)
