"""A trained factor of every value of the canvas."""

import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.wrapped_placement import WrappedPlacement
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class ColorGain(WrappedPlacement):
    """Multiplies every value of the canvas by a trained factor (ACAVP).

    ```
    canvas = largest * sigmoid(theta) * inner canvas
    ```

    `theta` is of the canvas's shape. All factors are 1 at the start, so that
    the canvas is then the inner placement's, and stay between 0 and `largest`.

    Example:

    ```python
    images = np.random.randint(0, 256, size=(2, 8, 8, 3), dtype="uint8")
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(8, 8, 3),
        source_shape=(32, 32, 3),
        placement=keras_reprogram.inputs.ColorGain(
            keras_reprogram.inputs.Affine("resize")
        ),
    )
    reprogrammer(images).shape  # (2, 32, 32, 3)
    ```

    Args:
        inner: String or `keras_reprogram.inputs.Placement`. Places the sample
            first. Defaults to `"resize"`.
        largest: Float greater than 1. The largest factor. Defaults to `6`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [ACAVP](https://arxiv.org/abs/2510.07823)
    """

    def __init__(
        self,
        inner: str | Placement = "resize",
        largest: float = 6.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(inner, **kwargs)
        self.largest = number("largest", largest, 1.001, 1000.0)

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        check_size(canvas_shape, LARGEST_SAMPLE)
        return [
            ExpectedVariable(canvas_shape),
            *super().expected_variables(sample_shape, canvas_shape, axes),
        ]

    def build_on(self, canvas: Canvas) -> None:
        self.theta = self.add_weight(
            name="theta",
            shape=canvas.shape,
            initializer=keras.initializers.Constant(
                -math.log(self.largest - 1)
            ),
        )
        super().build_on(canvas)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        canvas = super().place(samples, canvas_shape, axes)
        factors = ops.sigmoid(ops.cast(self.theta, "float32"))
        factors = ops.cast(ops.multiply(factors, self.largest), canvas.dtype)
        return ops.multiply(canvas, factors)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "largest": self.largest}
