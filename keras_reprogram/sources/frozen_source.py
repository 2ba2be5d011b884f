"""The pretrained model in the middle, which never learns unasked."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.acceleration.slow_layers import rewrite_slow_layers
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import serializable


@serializable
class FrozenSource(keras.layers.Layer):
    """Runs a pretrained model with fixed weights, always in inference mode.

    Nothing in the source is trained, whatever is set on it or around it
    later, except for the layers in `trainable_source_layers`. Batch
    normalization uses its moving statistics, which stay as they are, and
    dropout is off, also while the program and those layers are trained.

    Of an unfrozen layer that is trained in part, what has `trainable = False`
    stays frozen: sublayers or variables that were frozen by hand, and the base
    of a layer with LoRA.

    Example:

    ```python
    source = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    frozen = keras_reprogram.sources.FrozenSource(source)
    frozen.trainable_weights  # []
    ```

    Args:
        source: A built `keras.Model` with one input and one output.
        trainable_source_layers: Names of the layers that are trained, or the
            number of the last layers of `source.layers` with weights. A name
            stands for every layer of that name, a model for all its layers.
            Nothing by default.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Inputs of the source, of shape `(batch, *source_shape)`.

    Returns:
        The source's output.

    Raises:
        ValueError: If `trainable_source_layers` names what is not a layer with
            weights.

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
        self.source = source
        self.trainable_source_layers = names_of_layers(
            source, trainable_source_layers
        )
        self.kept_frozen: set[int] = set()
        self.forget_penalties = forgetting(source)
        rewrite_slow_layers(source)
        self.freeze()
        # A preprocessor, say, with nothing to build: Keras on JAX calls a model
        # eagerly for every batch while one of its layers is not built.
        for layer in source._flatten_layers():
            if type(layer).build is keras.layers.Layer.build:
                layer.built = True

    def freeze(self) -> None:
        self.note_frozen_parts()
        # On every leaf: TensorFlow ignores `trainable = False` on a model
        # that reads false already while its layers do not.
        for layer in self.source._flatten_layers():
            layer.trainable = False
        for variable in self.source.weights:
            variable.trainable = False
        trained = {id(variable) for variable in self.unfrozen_variables}
        for layer in self.unfrozen_leaves():
            if any(id(each) in trained for each in layer._trainable_variables):
                layer.trainable = True
            for variable in layer._trainable_variables:
                variable.trainable = id(variable) in trained

    def note_frozen_parts(self) -> None:
        """Notes which parts of unfrozen layers are not to be trained.

        A layer without any trainable variable is one that was frozen as a
        whole, with the source: it is thawed but for what was noted before.
        """
        for name in self.trainable_source_layers:
            variables = [
                variable
                for layer in self.source._flatten_layers()
                if layer.name == name
                for leaf in layer._flatten_layers()
                for variable in leaf._trainable_variables
            ]
            if any(variable.trainable for variable in variables):
                for variable in variables:
                    if variable.trainable:
                        self.kept_frozen.discard(id(variable))
                    else:
                        self.kept_frozen.add(id(variable))

    def candidates(self) -> list[keras.Variable]:
        """All that could be trained in the unfrozen layers, in order."""
        # A layer's own list: statistics, which are never trained, are not
        # in it.
        found = {
            id(variable): variable
            for leaf in self.unfrozen_leaves()
            for variable in leaf._trainable_variables
            if not is_base_of_lora(leaf, variable)
        }
        return list(found.values())

    @property
    def frozen_parts(self) -> list[int]:
        """Which of the `candidates` stay frozen, for a config."""
        return [
            index
            for index, variable in enumerate(self.candidates())
            if id(variable) in self.kept_frozen
        ]

    @frozen_parts.setter
    def frozen_parts(self, indices: Sequence[int]) -> None:
        candidates = self.candidates()
        for index in indices:
            candidates[index].trainable = False
        self.freeze()

    def unfrozen_leaves(self) -> list[keras.layers.Layer]:
        if not self.trainable_source_layers:
            return []
        return [
            leaf
            for layer in self.source._flatten_layers()
            if layer.name in self.trainable_source_layers
            for leaf in layer._flatten_layers()
        ]

    @property
    def unfrozen_variables(self) -> list[keras.Variable]:
        """What is trained in the source."""
        return [
            variable
            for variable in self.candidates()
            if id(variable) not in self.kept_frozen
        ]

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
        self.note_frozen_parts()
        trained = {id(variable) for variable in self.unfrozen_variables}
        if any(
            variable.trainable != (id(variable) in trained)
            for variable in self.source.weights
        ):
            self.freeze()

    @property
    def trainable(self) -> bool:
        return bool(getattr(self, "trainable_source_layers", ()))

    @trainable.setter
    def trainable(self, value: bool) -> None:
        # A model sets this on all its layers; a source stays as it is.
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
        outputs = self.source(self.as_taken(inputs), training=False)
        # Penalties of the source's own training are not the program's.
        self.forget_penalties()
        # A dictionary of one output is that output.
        return keras.tree.flatten(outputs)[0]

    def as_taken(self, inputs: Any) -> Any:
        """Inputs in the structure and the dtype that the source takes."""
        taken = self.source.inputs
        if len(taken) != 1:
            return inputs
        (values,) = keras.tree.flatten(inputs)
        dtype = keras.backend.standardize_dtype(taken[0].dtype)
        if keras.backend.is_int_dtype(dtype):
            # Cast alone would wrap what is below zero around.
            bounds = np.iinfo(dtype)
            values = ops.clip(ops.round(values), bounds.min, bounds.max)
            values = ops.cast(values, dtype)
        return keras.tree.pack_sequence_as(self.source.input, [values])

    # Keras asks every layer for its losses and clears them in every step.
    # The source has none left after a call, and many layers.

    def _clear_losses(self) -> None:
        pass

    @property
    def losses(self) -> list[Any]:
        return self._get_regularization_losses()

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        # The source says it: PyTorch would try a sequence of unknown length
        # with one that is too long for some sources.
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


def is_base_of_lora(
    layer: keras.layers.Layer, variable: keras.Variable
) -> bool:
    """Whether LoRA keeps a variable fixed and trains its own beside it."""
    return getattr(layer, "lora_enabled", False) and any(
        variable is getattr(layer, name, None)
        for name in ("_kernel", "_embeddings")
    )


def forgetting(source: keras.Model) -> Callable[[], None]:
    """What forgets the losses that the source's layers added in a call."""
    # Not an attribute of the layer, which would have them as its own.
    layers = source._flatten_layers()

    def forget() -> None:
        for layer in layers:
            if layer._losses or layer._loss_ids:
                layer._clear_losses()

    return forget


def names_of_layers(
    source: keras.Model, trainable_source_layers: int | Sequence[str]
) -> list[str]:
    """Checks which layers are to be trained, and returns their names."""
    depth = integer(trainable_source_layers)
    if depth is not None:
        layers = [layer for layer in source.layers if layer.weights]
        last = [layer.name for layer in layers]
        if not 0 <= depth <= len(last):
            raise ValueError(
                "`trainable_source_layers` must be the number of last layers, "
                f"0 to {len(last)}, or names of layers. Received: "
                f"trainable_source_layers={trainable_source_layers}"
            )
        chosen = layers[len(last) - depth :]
        if any(layer.trainable_weights for layer in layers):
            # Of a source that is trained in part, these were frozen by hand.
            chosen = [layer for layer in chosen if layer.trainable_weights]
        return [layer.name for layer in chosen]
    names = (
        trainable_source_layers
        if isinstance(trainable_source_layers, (list, tuple))
        else [trainable_source_layers]
    )
    known = {
        layer.name: layer
        for layer in source._flatten_layers(include_self=False)
        if layer.weights
    }
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            "`trainable_source_layers` must be names of the source's layers "
            f"with weights, or a number of its last ones. Received: {unknown}; "
            f"there are {sorted(known)}"
        )
    return list(names)
