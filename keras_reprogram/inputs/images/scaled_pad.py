"""AutoVP's placement, with a trained size."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.configurable import size
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.interpolation import resize
from keras_reprogram.inputs.images.interpolation import resize_matrix
from keras_reprogram.inputs.images.placement import TrainedPlacement
from keras_reprogram.inputs.images.placements import inner_sizes
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import last_axis_moved

SMALLEST, LARGEST = 0.1, 5.0


@serializable
class ScaledPad(TrainedPlacement):
    """Places the sample in the middle of the canvas at a trained size.

    The sample is resized to `inner_size`, then scaled by `s`, kept between
    0.1 and 5, about the middle of the canvas:

    ```
    canvas[i, j] = sum_kl  R(s)[i, k] R(s)[j, l] sample[k, l]
    R(s)[i, k] = max(0, 1 - |(i - middle) / s + (inner - 1) / 2 - k|)
    ```

    The pattern is added only where there are no data, whatever its region.

    Example:

    ```python
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(32, 32, 3),
        source_shape=(224, 224, 3),
        placement=keras_reprogram.inputs.ScaledPad(inner_size=128),
    )
    ```

    Args:
        inner_size: Integer, or tuple of one for each spatial axis. Size of the
            sample at scale 1. `None` keeps the sample's own size. Defaults to
            `128`.
        scale: Float from 0.1 to 5. The initial scale. Defaults to `1`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [AutoVP](https://arxiv.org/abs/2310.08381)
    """

    def __init__(
        self,
        inner_size: int | tuple[int, ...] | None = 128,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if inner_size is not None:
            inner_size = size("inner_size", inner_size)
        self.inner_size = inner_size
        self.initial_scale = number("scale", scale, SMALLEST, LARGEST)

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        return [ExpectedVariable(())]

    def build_on(self, canvas: Canvas) -> None:
        self.scale = self.add_weight(
            name="scale",
            shape=(),
            initializer=keras.initializers.Constant(self.initial_scale),
            constraint=Bounded(SMALLEST, LARGEST),
        )
        self.built = True

    def sizes(self, sample_shape: Shape, axes: Axes) -> FixedShape:
        """Returns the sizes of a sample at scale 1."""
        return inner_sizes("ScaledPad", self.inner_size, sample_shape, axes)

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        sizes = self.sizes(sample_shape, axes)
        canvas = axes.spatial_shape(canvas_shape)
        if any(LARGEST * room < length for length, room in zip(sizes, canvas)):
            raise ValueError(
                "Samples must not be much larger than the canvas: pass a "
                f"smaller `inner_size`. Received: inner size={sizes}, "
                f"canvas={canvas}"
            )
        # With a trained scale, any position may become data or free.
        return np.zeros(canvas, bool)

    def scale_matrices(
        self, sizes: FixedShape, canvas: FixedShape, dtype: str
    ) -> list[Tensor]:
        """Returns an interpolation matrix `[canvas, sample]` for each axis.

        Args:
            sizes: Tuple of integers. Sizes of a sample at scale 1.
            canvas: Tuple of integers. Spatial shape of the canvas.
            dtype: String. The dtype of the result.
        """
        # float32, because bfloat16 positions are off by half a pixel at size
        # 224.
        scale = ops.cast(self.scale, "float32")
        matrices = []
        for room, length in zip(canvas, sizes):
            # Center as `Pad` does, so that nothing is blurred at scale 1.
            middle = (room - length + 1) // 2 + (length - 1) / 2
            from_middle = np.arange(room) - middle
            positions = ops.divide(ops.cast(from_middle, "float32"), scale)
            positions = ops.add(positions, (length - 1) / 2)[:, None]
            # The distance to each step has no slope at integer positions, which
            # are all positions at scale 1.
            before = ops.stop_gradient(ops.floor(positions))
            share = ops.subtract(positions, before)
            steps = ops.cast(np.arange(length), "float32")[None]
            left = ops.cast(ops.equal(steps, before), "float32")
            right = ops.cast(ops.equal(steps, before + 1), "float32")
            matrix = left * (1 - share) + right * share
            matrices.append(ops.cast(matrix, dtype))
        return matrices

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        sizes = self.sizes(samples.shape[1:], axes)
        if self.inner_size is not None:
            samples = resize(samples, sizes, axes, "bilinear")
        canvas = axes.spatial_shape(canvas_shape)
        matrices = self.scale_matrices(sizes, canvas, samples.dtype)
        for axis, matrix in zip(axes.spatial, matrices):
            samples = ops.moveaxis(samples, axis + 1, -1)
            samples = ops.matmul(samples, ops.transpose(matrix))
            samples = last_axis_moved(samples, axis + 1)
        return samples

    def mask_pattern(
        self,
        pattern: Tensor,
        sample_shape: Shape,
        canvas_shape: FixedShape,
        axes: Axes,
    ) -> Tensor:
        sizes = self.sizes(sample_shape, axes)
        canvas = axes.spatial_shape(canvas_shape)
        covered = ops.ones((), pattern.dtype)
        for axis, matrix in zip(
            axes.spatial, self.scale_matrices(sizes, canvas, pattern.dtype)
        ):
            shape = [1] * axes.rank
            shape[axis] = -1
            weights = ops.reshape(ops.sum(matrix, axis=-1), shape)
            covered = ops.multiply(covered, weights)
        return ops.multiply(pattern, ops.subtract(1.0, covered))

    def matrices(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[np.ndarray, ...] | None:
        lengths = known_sizes(axes.spatial_shape(sample_shape))
        if lengths is None:
            return None
        sizes = self.sizes(sample_shape, axes)
        canvas = axes.spatial_shape(canvas_shape)
        return tuple(
            ops.convert_to_numpy(matrix)
            @ resize_matrix(length, inner, "bilinear")
            for matrix, length, inner in zip(
                self.scale_matrices(sizes, canvas, "float32"), lengths, sizes
            )
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "inner_size": self.inner_size,
            "scale": self.initial_scale,
        }


@serializable
class Bounded(keras.constraints.Constraint):
    """Constrains a weight to an interval.

    Args:
        low: Float. The lowest value.
        high: Float. The highest value.
    """

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    def __call__(self, weight: Tensor) -> Tensor:
        return ops.clip(weight, self.low, self.high)

    def get_config(self) -> dict[str, float]:
        return {"low": self.low, "high": self.high}
