"""A trained affine transformation of the sample on the canvas."""

import itertools
import math
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.wrapped_placement import WrappedPlacement
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

# How many numbers there are, by the number of spatial axes, and which of the
# limits of rotation, scale, shear and translation is whose.
KINDS = {1: (1, 3), 2: (0, 1, 1, 2, 2, 3, 3)}
SMALLEST, LARGEST = 0.1, 5.0
LARGEST_LIMIT = 10.0


class Movement(NamedTuple):
    """The numbers of an affine transformation, as tensors of float32.

    Attributes:
        rotation: `(1,)`, in radians; `(0,)` for a series.
        scale: One for each spatial axis.
        shear: `(2,)`; `(0,)` for a series.
        translation: One for each spatial axis, in halves of its length.
    """

    rotation: Tensor
    scale: Tensor
    shear: Tensor
    translation: Tensor


@serializable
class Affine(WrappedPlacement):
    """Rotates, scales, shears and shifts the sample by seven trained numbers.

    With `p` a position on the canvas and `q` the one whose value it takes,
    both relative to the middle and in steps of the canvas,

    ```
    p = R(a) diag(s_1, s_2) [[1, h_1], [h_2, 1 + h_1 h_2]] q + t
    canvas[p] = the bilinear mean of the inner canvas at the neighbors of q
    ```

    and zero where `q` is outside of the inner canvas. Each number is bounded:

    ```
    a = limit * tanh(theta_1)               rotation, in radians
    s = scale * exp(limit * tanh(theta))    one for each axis
    h = limit * tanh(theta)                 one for each axis
    t = limit * tanh(theta)                 in halves of the axis's length
    ```

    so that a step of the same length in any of them moves the edge of the
    sample by about as much. `theta` is zero at the start: with a `scale` of 1,
    the canvas is then the inner placement's. A positive rotation is
    counterclockwise, as that of `np.rot90`. A series has two numbers, a scale
    and a translation.

    Values are gathered and weighted, so that all numbers have gradients on
    all backends.

    Example:

    ```python
    images = np.random.randint(0, 256, size=(2, 8, 8, 1), dtype="uint8")
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(8, 8, 1),
        source_shape=(32, 32, 3),
        placement=keras_reprogram.inputs.Affine("resize"),
        pattern=None,
    )
    reprogrammer(images).shape  # (2, 32, 32, 3)
    reprogrammer.placement.movement().rotation  # [0.]
    ```

    Args:
        inner: String or `keras_reprogram.inputs.Placement`. Places the sample
            first. Defaults to `"resize"`.
        scale: Float from 0.1 to 5. The initial scale. Defaults to `1`.
        limit: Float, or four of them for rotation, scales, shears and
            translations. The largest change of each number; 0 for one that
            does not change. Defaults to `0.5`.
        outside: Boolean. Whether the pattern is added only where there are no
            data, wherever they are, whatever its region. Defaults to `False`:
            its region is that of the start.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a setting is not valid, or the canvas has three or more
            spatial axes.

    References:
        - [ACAVP](https://arxiv.org/abs/2510.07823)
    """

    def __init__(
        self,
        inner: str | Placement = "resize",
        scale: float = 1.0,
        limit: float | Sequence[float] = 0.5,
        outside: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(inner, **kwargs)
        self.initial_scale = number("scale", scale, SMALLEST, LARGEST)
        self.limit = checked_limit(limit)
        self.outside = boolean("outside", outside)

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        if len(axes.spatial) not in KINDS:
            raise ValueError(
                "`Affine` moves series and images, which have one or two "
                "spatial axes. Received: a canvas of shape "
                f"{canvas_shape}"
            )
        super().check(sample_shape, canvas_shape, axes)

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        mask = super().data_mask(sample_shape, canvas_shape, axes)
        if self.outside:
            # Any position may become data or free.
            return np.zeros_like(mask)
        for axis, length in enumerate(mask.shape):
            middle = (length - 1) / 2
            found = (np.arange(length) - middle) / self.initial_scale + middle
            nearest = np.rint(found).clip(0, length - 1).astype("int32")
            shape = [1] * mask.ndim
            shape[axis] = length
            is_inside = (found > -1) & (found < length)
            mask = mask.take(nearest, axis) & is_inside.reshape(shape)
        return mask

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        return [
            ExpectedVariable((len(KINDS[len(axes.spatial)]),)),
            *super().expected_variables(sample_shape, canvas_shape, axes),
        ]

    def build_on(self, canvas: Canvas) -> None:
        self.kinds = KINDS[len(canvas.axes.spatial)]
        self.theta = self.add_weight(
            name="theta", shape=(len(self.kinds),), initializer="zeros"
        )
        super().build_on(canvas)

    def movement(self) -> Movement:
        """Returns the numbers as they are now."""
        kinds = np.asarray(self.kinds)
        limits = np.asarray(self.limit, "float32")[kinds]
        # float32, because bfloat16 positions are off by half a pixel at size
        # 224.
        theta = ops.tanh(ops.cast(self.theta, "float32"))
        values = ops.multiply(theta, limits)
        rotation, scale, shear, translation = (
            values[slice(*np.searchsorted(kinds, [kind, kind + 1]).tolist())]
            for kind in range(4)
        )
        scale = ops.multiply(ops.exp(scale), self.initial_scale)
        return Movement(rotation, scale, shear, translation)

    def positions(self, sizes: FixedShape) -> list[Tensor]:
        """Returns where each value of the canvas is taken from.

        Args:
            sizes: Tuple of integers. Spatial shape of the canvas.

        Returns:
            A float32 tensor `[prod(sizes)]` of indices for each spatial axis.
        """
        rotation, scale, shear, translation = self.movement()
        middles = [(length - 1) / 2 for length in sizes]
        grid = np.indices(sizes).reshape(len(sizes), -1).astype("float32")
        offsets = [
            ops.subtract(steps - middle, translation[axis] * (sizes[axis] / 2))
            for axis, (steps, middle) in enumerate(zip(grid, middles))
        ]
        if len(sizes) == 2:
            cosine, sine = ops.cos(rotation[0]), ops.sin(rotation[0])
            down, right = offsets
            offsets = [
                cosine * down + sine * right,
                cosine * right - sine * down,
            ]
        offsets = [
            ops.divide(offset, scale[axis])
            for axis, offset in enumerate(offsets)
        ]
        if len(sizes) == 2:
            down, right = offsets
            across = right - shear[1] * down
            # (1 + h_1 h_2) down - h_1 right
            offsets = [down - shear[0] * across, across]
        return [
            ops.add(offset, middle) for offset, middle in zip(offsets, middles)
        ]

    def moved(self, canvas: Tensor, sizes: FixedShape, axes: Axes) -> Tensor:
        """Returns a batch of canvases with their contents moved.

        Args:
            canvas: Tensor. A batch of canvases of any number of channels.
            sizes: Tuple of integers. Their spatial shape.
            axes: `Axes` of a canvas.
        """
        # Rows of positions, because rows of a matrix can be gathered in every
        # export format.
        order = [axis + 1 for axis in axes.spatial] + [0]
        others: tuple[Any, ...] = (-1,)
        if axes.channel is not None:
            order.append(axes.channel + 1)
            others = (-1, ops.shape(canvas)[axes.channel + 1])
        rows = ops.transpose(canvas, order)
        rows = ops.reshape(rows, (math.prod(sizes), -1))
        total = ops.zeros((), rows.dtype)
        for index, weight in neighbors(self.positions(sizes), sizes):
            weight = ops.cast(ops.expand_dims(weight, -1), rows.dtype)
            part = ops.multiply(ops.take(rows, index, axis=0), weight)
            total = ops.add(total, part)
        moved = ops.reshape(total, (*sizes, *others))
        return ops.transpose(moved, np.argsort(order).tolist())

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        canvas = super().place(samples, canvas_shape, axes)
        return self.moved(canvas, axes.spatial_shape(canvas_shape), axes)

    def mask_pattern(
        self,
        pattern: Tensor,
        sample_shape: Shape,
        canvas_shape: FixedShape,
        axes: Axes,
    ) -> Tensor:
        if not self.outside:
            return pattern
        mask = self.inner.data_mask(sample_shape, canvas_shape, axes)
        if axes.channel is not None:
            mask = np.expand_dims(mask, axes.channel)
        # An inner placement that is trained has no fixed data, and masks.
        free = self.inner.mask_pattern(
            ops.convert_to_tensor(~mask, pattern.dtype),
            sample_shape,
            canvas_shape,
            axes,
        )
        covered = ops.expand_dims(ops.subtract(1.0, free), 0)
        sizes = axes.spatial_shape(canvas_shape)
        covered = ops.squeeze(self.moved(covered, sizes, axes), 0)
        return ops.multiply(pattern, ops.subtract(1.0, covered))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.initial_scale,
            "limit": self.limit,
            "outside": self.outside,
        }


def neighbors(
    positions: list[Tensor], sizes: FixedShape
) -> list[tuple[Tensor, Tensor]]:
    """Returns the steps around each position, and their bilinear weights.

    Args:
        positions: List of float32 tensors `[N]`, one for each axis.
        sizes: Tuple of integers. Lengths of the axes.

    Returns:
        A pair for each corner: indices `[N]` of the flat axes, and weights
        `[N]`, which are 0 outside of the axes.
    """
    along_axes = []
    for position, length in zip(positions, sizes):
        before = ops.stop_gradient(ops.floor(position))
        share = ops.subtract(position, before)
        pair = []
        for step, weight in (
            (before, ops.subtract(1.0, share)),
            (ops.add(before, 1.0), share),
        ):
            inside = ops.logical_and(step >= 0, step <= length - 1)
            index = ops.cast(ops.clip(step, 0, length - 1), "int32")
            pair.append((index, weight * ops.cast(inside, "float32")))
        along_axes.append(pair)
    found = []
    for corner in itertools.product(*along_axes):
        index, weight = corner[0]
        for (step, share), length in zip(corner[1:], sizes[1:]):
            index = ops.add(ops.multiply(index, length), step)
            weight = ops.multiply(weight, share)
        found.append((index, weight))
    return found


def checked_limit(
    limit: float | Sequence[float],
) -> tuple[float, float, float, float]:
    """Returns the limits of rotation, scale, shear and translation."""
    items = list(limit) if isinstance(limit, (list, tuple)) else [limit] * 4
    if len(items) != 4:
        raise ValueError(
            "`limit` must be a number, or four of them: of rotation, scale, "
            f"shear and translation. Received: limit={limit!r}"
        )
    rotation, scale, shear, translation = (
        number("limit", item, 0.0, LARGEST_LIMIT) for item in items
    )
    return rotation, scale, shear, translation
