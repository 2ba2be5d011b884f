"""A layer that runs a pretrained model with frozen weights."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram import keras_internals
from keras_reprogram.acceleration.fast_layers import with_fast_layers
from keras_reprogram.configurable import serializable
from keras_reprogram.sources.trainable_source_layers import names_of_layers
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class FrozenSource(keras.layers.Layer):
    """Runs a pretrained model with frozen weights, always in inference mode.

    Only the layers in `trainable_source_layers` are trained. For this the
    constructor sets `trainable` of the source's layers and variables; nothing
    else of the source is changed. `trainable = True` of this layer or of a
    model around it does not train the rest of the source. If `trainable =
    True` is set on the source itself, it is frozen again before the next step
    of training.

    Batch normalization uses its moving statistics, which do not change, and
    dropout is off, also during training.

    Parts of a layer in `trainable_source_layers` remain frozen if they have
    `trainable = False` while others are trainable: sublayers and variables
    that were frozen by hand, and the base of a layer with LoRA.

    Example:

    ```python
    source = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    frozen = keras_reprogram.sources.FrozenSource(source)
    frozen.trainable_weights  # []
    ```

    Args:
        source: `keras.Model`. A built model with one input and one output.
        trainable_source_layers: List of strings or integer. The names of the
            layers that are trained, or the number of the last layers of
            `source.layers` with weights. A name stands for all layers of that
            name, a model for all its layers. Defaults to `()`, no layers.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, *source_shape)`. Inputs of the source.

    Returns:
        The source's output.

    Raises:
        ValueError: If `trainable_source_layers` is not a valid number, or
            contains a name that no layer with weights has.

    References:
        - [Neural model reprogramming with similarity based mapping](https://arxiv.org/abs/2110.03894):
          reprogramming together with fine-tuning.
    """

    def __init__(
        self,
        source: keras.Model,
        trainable_source_layers: int | Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.trainable_source_layers = names_of_layers(
            source, trainable_source_layers
        )
        self.kept_frozen: frozenset[int] = frozenset()
        # The source is no sublayer: `trainable`, losses and metrics of an
        # outer model do not reach it, and layers of it that are never called,
        # such as a preprocessor, do not make that model unbuilt.
        keras_internals.set_without_tracking(self, "source", source)
        self.supports_jit = all(
            layer.supports_jit
            for layer in keras_internals.flatten_layers(source)
        )
        self.freeze()

    def freeze(self) -> None:
        """Sets `trainable` of all layers and variables of the source."""
        self.kept_frozen = self._frozen_by_hand()
        trained = {id(variable) for variable in self.trainable_variables}
        # On each layer: TensorFlow ignores `trainable = False` on a model
        # whose own `trainable` is false while its layers are trainable.
        for layer in keras_internals.flatten_layers(self.source):
            layer.trainable = False
        for variable in self.source.weights:
            variable.trainable = False
        for layer in self._unfrozen_leaves():
            variables = keras_internals.own_trainable_variables(layer)
            if any(id(variable) in trained for variable in variables):
                layer.trainable = True
            for variable in variables:
                variable.trainable = id(variable) in trained

    def freeze_again(self) -> None:
        """Freezes the source again if its `trainable` was changed."""
        if self._needs_freezing():
            self.freeze()

    def _needs_freezing(self) -> bool:
        """Whether `trainable` of some variable is not as `freeze` sets it."""
        trained = {id(variable) for variable in self.trainable_variables}
        return any(
            variable.trainable != (id(variable) in trained)
            for layer in keras_internals.flatten_layers(self.source)
            for variable in keras_internals.own_trainable_variables(layer)
        )

    def _frozen_by_hand(self) -> frozenset[int]:
        """Variables of unfrozen layers that are not trained, by their `id`.

        A layer without any trainable variable was frozen together with the
        source. Its earlier state is kept.
        """
        known = set(self.kept_frozen)
        for name in self.trainable_source_layers:
            variables = [
                variable
                for layer in keras_internals.flatten_layers(self.source)
                if layer.name == name
                for leaf in keras_internals.flatten_layers(layer)
                for variable in keras_internals.own_trainable_variables(leaf)
            ]
            if any(variable.trainable for variable in variables):
                for variable in variables:
                    if variable.trainable:
                        known.discard(id(variable))
                    else:
                        known.add(id(variable))
        return frozenset(known)

    def candidates(self) -> list[keras.Variable]:
        """Returns the variables of the unfrozen layers that can be trained."""
        found = {
            id(variable): variable
            for leaf in self._unfrozen_leaves()
            for variable in keras_internals.own_trainable_variables(leaf)
            if not is_base_of_lora(leaf, variable)
        }
        return list(found.values())

    @property
    def frozen_parts(self) -> list[int]:
        """The indices of the `candidates` that are not trained."""
        frozen = self._frozen_by_hand()
        return [
            index
            for index, variable in enumerate(self.candidates())
            if id(variable) in frozen
        ]

    @frozen_parts.setter
    def frozen_parts(self, indices: Sequence[int]) -> None:
        candidates = self.candidates()
        for index in indices:
            candidates[index].trainable = False
        self.freeze()

    def _unfrozen_leaves(self) -> list[keras.layers.Layer]:
        if not self.trainable_source_layers:
            return []
        return [
            leaf
            for layer in keras_internals.flatten_layers(self.source)
            if layer.name in self.trainable_source_layers
            for leaf in keras_internals.flatten_layers(layer)
        ]

    @property
    def unfrozen_variables(self) -> list[keras.Variable]:
        """The variables of the source that are trained."""
        frozen = self._frozen_by_hand()
        return [
            variable
            for variable in self.candidates()
            if id(variable) not in frozen
        ]

    @property
    def variables(self) -> list[keras.Variable]:
        return list(self.source.variables)

    @property
    def weights(self) -> list[keras.Variable]:
        return list(self.source.weights)

    @property
    def trainable(self) -> bool:
        """Whether the layers in `trainable_source_layers` are trained."""
        return bool(self.trainable_source_layers) and bool(super().trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)
        self.freeze()

    # These follow `trainable_source_layers`, since users may change
    # `trainable` of the source's variables.

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        return self.unfrozen_variables if self.trainable else []

    @property
    def trainable_weights(self) -> list[keras.Variable]:
        return self.trainable_variables

    @property
    def non_trainable_variables(self) -> list[keras.Variable]:
        return without(self.variables, self.trainable_variables)

    @property
    def non_trainable_weights(self) -> list[keras.Variable]:
        return without(self.weights, self.trainable_variables)

    # A layer that is not built is built before training, which freezes it.

    @property
    def built(self) -> bool:
        """Whether the layer was built and the source is still frozen."""
        return self.was_built and not self._needs_freezing()

    @built.setter
    def built(self, value: bool) -> None:
        self.was_built = value

    def build(self, input_shape: Shape) -> None:
        self.freeze()

    def call(self, inputs: Tensor) -> Tensor:
        return run_frozen(self.source, inputs)

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        # Use the source's symbolic output: the default calls the source, on
        # PyTorch with a length that some sources do not support.
        batch = keras.tree.flatten(inputs)[0].shape[0]
        output = self.source.outputs[0]
        return keras.KerasTensor((batch, *output.shape[1:]), output.dtype)

    def get_config(self) -> dict[str, Any]:
        source = keras.saving.serialize_keras_object(self.source)
        return {
            **super().get_config(),
            "source": source,
            "trainable_source_layers": self.trainable_source_layers,
            "frozen_parts": self.frozen_parts,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FrozenSource":
        source = keras.saving.deserialize_keras_object(config.pop("source"))
        frozen_parts = config.pop("frozen_parts", ())
        layer = cls(source, **config)
        layer.frozen_parts = frozen_parts
        return layer


def run_frozen(source: keras.Model, inputs: Tensor) -> Tensor:
    """Returns a source's output in inference, for inputs of any dtype."""
    # `training=False` is passed here and not in a functional graph, where the
    # outer model's `training=True` would override it.
    outputs = with_fast_layers(source)(
        converted(source, inputs), training=False
    )
    # Losses that the source's layers add belong to its own training.
    keras_internals.clear_losses(source)
    # The output may be a dictionary or list of one tensor.
    return keras.tree.flatten(outputs)[0]


def converted(source: keras.Model, inputs: Tensor) -> Tensor:
    """Converts inputs to the structure and dtype of a source's inputs."""
    values = [
        converted_values(value, tensor.dtype)
        for value, tensor in zip(
            keras.tree.flatten(inputs), source.inputs, strict=True
        )
    ]
    return keras.tree.pack_sequence_as(
        keras_internals.graph_of(source).input, values
    )


def converted_values(values: Tensor, dtype: object) -> Tensor:
    """Returns values as an input takes them: rounded for integers."""
    name = keras.backend.standardize_dtype(dtype)
    if not keras.backend.is_int_dtype(name) or name == (
        keras.backend.standardize_dtype(values.dtype)
    ):
        return values
    # Without clipping, a cast wraps values out of range around.
    bounds = np.iinfo(name)
    values = ops.clip(ops.round(values), bounds.min, bounds.max)
    return ops.cast(values, name)


def is_base_of_lora(
    layer: keras.layers.Layer, variable: keras.Variable
) -> bool:
    """Whether a variable is the frozen base of a layer with LoRA."""
    return getattr(layer, "lora_enabled", False) and any(
        variable is base
        for base in keras_internals.base_variables(layer).values()
    )


def without(
    variables: Sequence[keras.Variable], excluded: Sequence[keras.Variable]
) -> list[keras.Variable]:
    ids = set(map(id, excluded))
    return [variable for variable in variables if id(variable) not in ids]
