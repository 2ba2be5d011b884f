"""Patterns that are the same for all samples, and random patches."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import optional
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images import regions
from keras_reprogram.inputs.images.bases import Basis
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.pattern import Pattern
from keras_reprogram.inputs.images.regions import Region
from keras_reprogram.program_parts import ACTIVATIONS
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import last_axis_moved

# Limits of patterns in program files.
LARGEST_PLACES = 2**24
LARGEST_UNCOUNTED = 2**18


@serializable
class UniversalPattern(Pattern):
    """A learned pattern for all samples: `strength * M * activation(theta)`.

    `theta` contains the free values of the canvas only: values that the mask
    `M` excludes are neither stored nor computed. With a `basis`, `theta` is
    shorter, without coefficients that change no free value of the canvas:
    `strength * M * activation(expand(theta))`.

    Example:

    ```python
    # A sigmoid border around the data (ILM-VP).
    pattern = keras_reprogram.inputs.UniversalPattern(
        region="outside", activation="sigmoid"
    )
    # An unbounded frame of 30 pixels (visual prompting).
    pattern = keras_reprogram.inputs.UniversalPattern(
        region=keras_reprogram.inputs.Frame(30),
        activation=None,
        initializer="random_normal",
    )
    # 192 numbers for a smooth pattern on any canvas.
    pattern = keras_reprogram.inputs.UniversalPattern(
        basis=keras_reprogram.inputs.Grid(8)
    )
    ```

    Args:
        region: String or `keras_reprogram.inputs.Region`. `"everywhere"`,
            `"outside"` (of the data), `"frame"` or `"patch"` by name. Defaults
            to `"everywhere"`.
        activation: String. `"tanh"`, `"sigmoid"`, another Keras activation, or
            `None` for an unbounded pattern. Defaults to `"tanh"`.
        initializer: String or Keras initializer of `theta`. Defaults to
            `"zeros"`.
        regularizer: String or Keras regularizer of `theta`. Defaults to `None`.
        basis: `keras_reprogram.inputs.Basis` for a pattern with few
            coefficients. Defaults to `None`: one coefficient for each value.
        strength: Float. Largest value of a bounded pattern, in units of the
            sample's range. Defaults to `1`.
        dropout: Float in `[0, 1)`. Fraction of the pattern's values that are
            set to zero in each training step; the others are scaled by
            `1 / (1 - dropout)`. Not applied at inference. Defaults to `0`.
        seed: Integer. Seed of the dropout. Defaults to a random one.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        canvas: Tensor. Batch of canvases, which the pattern ignores.
        training: Boolean. Whether to apply the dropout. Defaults to `None`.

    Returns:
        A tensor of the canvas's shape, without the batch axis.

    References:
        - [Adversarial Reprogramming](https://arxiv.org/abs/1806.11146): tanh,
          outside the data.
        - [ILM-VP](https://arxiv.org/abs/2211.11635): sigmoid, outside.
        - [Visual Prompting](https://arxiv.org/abs/2203.17274): frame, patch.
        - [Voice2Series](https://arxiv.org/abs/2106.09296): dropout.
    """

    program_objects = {
        "region": Region,
        "basis": Basis,
        "initializer": keras.initializers.Initializer,
        "regularizer": keras.regularizers.Regularizer,
    }
    program_strings = {"activation": ACTIVATIONS}

    def __init__(
        self,
        region: str | Region = "everywhere",
        activation: str | None = "tanh",
        initializer: object = "zeros",
        regularizer: object = None,
        basis: Basis | None = None,
        strength: float = 1.0,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.basis = optional(
            "basis", basis, Basis, "a `keras_reprogram.inputs.Basis` or `None`"
        )
        self.strength = number("strength", strength, 0.0)
        self.dropout = number("dropout", dropout, 0.0, 1.0)
        if self.dropout == 1.0:
            raise ValueError(
                "`dropout` must be less than 1, or no value is left to "
                f"train. Received: dropout={dropout!r}"
            )
        self.seed = seed
        self.seed_generator = None
        if self.dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.region = regions.get(region)
        self.activation = keras.activations.get(activation)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)

    def expected_variables(
        self, canvas: Canvas, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        mask = self._mask_on(canvas)
        if self.basis is None:
            count = int(np.count_nonzero(mask))
            if count < mask.size and None in specification.accepted_shape:
                check_size((count,), LARGEST_PLACES)
            return [ExpectedVariable((count,))]
        self.basis.check_cost(canvas.shape, canvas.axes)
        dimension = self.basis.dimension(canvas.shape, canvas.axes)
        check_size((dimension,), LARGEST_SAMPLE)
        if dimension <= LARGEST_UNCOUNTED:
            return [ExpectedVariable((None,), largest=dimension)]
        free = self.basis.active_coefficients(mask, canvas.axes)
        return [ExpectedVariable((int(free.sum()),))]

    def _mask_on(self, canvas: Canvas) -> np.ndarray:
        """Returns a boolean array of the free values of a canvas."""
        mask = self.region.mask(canvas.data_mask)
        if canvas.axes.channel is not None:
            mask = np.expand_dims(mask, canvas.axes.channel)
        return np.broadcast_to(mask, canvas.shape)

    def add_variables(self) -> None:
        axes = self.canvas.axes
        mask = self._mask_on(self.canvas)
        # `None` if every value is free, so that `theta` is the canvas.
        self.mask = None if mask.all() else mask
        free = mask.ravel()
        if self.basis is not None:
            free = self.basis.active_coefficients(mask, axes)
        self.num_values = free.size
        self.places = None
        if not free.all():
            self.places = np.flatnonzero(free)[:, None].astype("int32")
        self.theta = self.add_weight(
            name="theta",
            shape=(int(free.sum()),),
            initializer=self.initializer,
            regularizer=self.regularizer,
        )

    def call(
        self, canvas: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        values = ops.cast(self.theta, self.compute_dtype)
        if self.basis is not None:
            values = self.basis.expand(
                self.whole(values), self.canvas.shape, self.canvas.axes
            )
        values = ops.multiply(self.activation(values), self.strength)
        if training and self.dropout:
            values = keras.random.dropout(
                values, self.dropout, seed=self.seed_generator
            )
        if self.basis is None:
            return ops.reshape(self.whole(values), self.canvas.shape)
        if self.mask is None:
            return values
        return ops.multiply(values, ops.cast(self.mask, values.dtype))

    def whole(self, free: Tensor) -> Tensor:
        """Returns all values from the free ones; the others are zero."""
        if self.places is None:
            return free
        return ops.scatter(self.places, free, (self.num_values,))

    def to_numpy(self) -> np.ndarray:
        """The pattern as an array of the canvas's shape."""
        values: np.ndarray = ops.convert_to_numpy(self.call())
        return values

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "region": keras.saving.serialize_keras_object(self.region),
            "activation": keras.activations.serialize(self.activation),
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "basis": keras.saving.serialize_keras_object(self.basis),
            "strength": self.strength,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@serializable
class RandomPatchPattern(Pattern):
    """A learned patch at a random position in each training batch.

    The position is random in training only; at inference the patch is in the
    middle of the canvas.

    Args:
        size: Integer. Height and width of the patch in pixels. Defaults to
            `30`.
        initializer: String or Keras initializer of the patch. Defaults to
            `"random_normal"`.
        seed: Integer. Seed of the positions. Defaults to a random one.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [Visual Prompting](https://arxiv.org/abs/2203.17274)
    """

    program_objects = {"initializer": keras.initializers.Initializer}

    def __init__(
        self,
        size: int = 30,
        initializer: object = "random_normal",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = positive_integer("size", size)
        self.initializer = keras.initializers.get(initializer)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def expected_variables(
        self, canvas: Canvas, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        sizes = (self.size,) * len(canvas.axes.spatial)
        return [ExpectedVariable(canvas.axes.with_spatial(canvas.shape, sizes))]

    def add_variables(self) -> None:
        axes = self.canvas.axes
        sizes = (self.size,) * len(axes.spatial)
        self.free = [room - self.size for room in self.canvas.spatial_shape]
        if min(self.free) < 0:
            raise ValueError(
                "The patch must not be larger than the canvas. Received: "
                f"size={self.size}, canvas={self.canvas.shape}"
            )
        self.theta = self.add_weight(
            name="theta",
            shape=axes.with_spatial(self.canvas.shape, sizes),
            initializer=self.initializer,
        )

    def call(self, canvas: Tensor, training: bool | None = None) -> Tensor:
        placed = ops.cast(self.theta, self.compute_dtype)
        for axis, free in zip(self.canvas.axes.spatial, self.free):
            start = free // 2
            if training:
                start = keras.random.randint(
                    (), 0, free + 1, seed=self.seed_generator
                )
            # A product with a matrix of zeros and ones has a gradient on
            # every backend; writing a slice has not.
            rows = np.arange(self.size)[:, None] - np.arange(free + self.size)
            chosen = ops.equal(ops.add(rows, start), 0)
            placed = ops.moveaxis(placed, axis, -1)
            placed = ops.matmul(placed, ops.cast(chosen, placed.dtype))
            placed = last_axis_moved(placed, axis)
        return placed

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "initializer": keras.initializers.serialize(self.initializer),
            "seed": self.seed,
        }


def get(identifier: str | dict[str, Any] | Pattern | None) -> Pattern | None:
    """Returns a pattern from a region's name, a config or a pattern."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, (str, Region)):
        return UniversalPattern(region=identifier)
    if identifier is None or isinstance(identifier, Pattern):
        return identifier
    raise ValueError(
        "`pattern` must be the name of a region, a "
        "`keras_reprogram.inputs.Pattern` or `None`. Received: "
        f"{identifier!r}"
    )
