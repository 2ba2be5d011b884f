"""What is added to the canvas."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.inputs import regions
from keras_reprogram.inputs.axes import Axes
from keras_reprogram.inputs.axes import Shape
from keras_reprogram.inputs.regions import Region


class Program(keras.layers.Layer):
    """Base class: what an `InputReprogrammer` adds to the canvas.

    A program is told its canvas once, by `build_on`, and is then called with
    the batch of canvases that hold the samples.
    """

    def build_on(
        self, canvas_shape: Shape, axes: Axes, occupied: np.ndarray
    ) -> None:
        """Creates the program's variables.

        Args:
            canvas_shape: Shape of the source's input, without the batch axis.
            axes: Its spatial and channel axes.
            occupied: Boolean array over the spatial axes, true where the
                placement put data.
        """
        raise NotImplementedError

    def call(self, canvas: Any) -> Any:
        """Returns what is added, broadcastable to a batch of canvases."""
        raise NotImplementedError


@serializable
class UniversalProgram(Program):
    """One learned pattern for all samples: `M * squash(theta)`.

    `theta` holds one value for each free value of the canvas and none for
    the others: what the mask `M` excludes is neither stored nor computed.

    Example:

    ```python
    # A sigmoid border around the data (ILM-VP).
    program = keras_reprogram.inputs.UniversalProgram(
        region="outside", squash="sigmoid"
    )
    # An unbounded frame of 30 pixels (visual prompting).
    program = keras_reprogram.inputs.UniversalProgram(
        region=keras_reprogram.inputs.Frame(30),
        squash=None,
        initializer="random_normal",
    )
    ```

    Args:
        region: `"everywhere"`, `"outside"` (of the data), `"frame"`,
            `"patch"`, or a `keras_reprogram.inputs.Region`.
        squash: `"tanh"`, `"sigmoid"`, another activation of Keras, or `None`
            for an unbounded program.
        initializer: Keras initializer of `theta`.
        regularizer: Keras regularizer of `theta`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [Adversarial Reprogramming](https://arxiv.org/abs/1806.11146): tanh,
          outside the data.
        - [ILM-VP](https://arxiv.org/abs/2211.11635): sigmoid, outside.
        - [Visual Prompting](https://arxiv.org/abs/2203.17274): frame, patch.
    """

    def __init__(
        self,
        region: str | Region = "everywhere",
        squash: str | None = "tanh",
        initializer: Any = "zeros",
        regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.region = regions.get(region)
        self.squash = keras.activations.get(squash)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)

    def build_on(
        self, canvas_shape: Shape, axes: Axes, occupied: np.ndarray
    ) -> None:
        mask = self.region.mask(occupied)
        if axes.channel is not None:
            mask = np.expand_dims(mask, axes.channel)
        mask = np.broadcast_to(mask, canvas_shape)
        self.canvas_shape = tuple(canvas_shape)
        # `None` where every value is free: then `theta` is the canvas.
        self.free = None if mask.all() else np.flatnonzero(mask)[:, None]
        self.theta = self.add_weight(
            name="theta",
            shape=(int(mask.sum()),),
            initializer=self.initializer,
            regularizer=self.regularizer,
        )
        self.built = True

    def call(self, canvas: Any = None) -> Any:
        values = self.squash(ops.cast(self.theta, self.compute_dtype))
        if self.free is not None:
            size = (int(np.prod(self.canvas_shape)),)
            values = ops.scatter(self.free.astype("int32"), values, size)
        return ops.reshape(values, self.canvas_shape)

    def pattern(self) -> np.ndarray:
        """The program as it is added, an array of the canvas's shape."""
        return ops.convert_to_numpy(self.call())

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "region": keras.saving.serialize_keras_object(self.region),
            "squash": keras.activations.serialize(self.squash),
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


def get(identifier: str | dict | Program | None) -> Program | None:
    """Returns a program from a region's name, its config or itself."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, (str, Region)):
        return UniversalProgram(region=identifier)
    if identifier is None or isinstance(identifier, Program):
        return identifier
    raise ValueError(
        "`program` must be the name of a region, a "
        "`keras_reprogram.inputs.Program` or `None`. Received: "
        f"{identifier!r}"
    )
