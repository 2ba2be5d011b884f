"""Voice2Series' placement, which repeats a series along a longer one."""

import dataclasses

import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.images.interpolation import INTERPOLATIONS
from keras_reprogram.inputs.images.interpolation import check_interpolation
from keras_reprogram.inputs.images.interpolation import resize
from keras_reprogram.inputs.images.interpolation import resize_matrix
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

MOST_COPIES = 2**20  # in a program file


@serializable
@dataclasses.dataclass(frozen=True)
class Tile(Placement):
    """Repeats a series along the source's longer one at equal distances.

    With a canvas of `N` steps and a series of `L`, copy `s` of `n` starts at
    `s * floor(floor(N / L) / n) * L`. Time is the only spatial axis.

    Example:

    ```python
    # A heartbeat of 140 samples, ten times in one second of sound.
    keras_reprogram.InputReprogrammer(
        target_shape=(140,),
        source_shape=(16000,),
        placement=keras_reprogram.inputs.Tile(copies=10),
        value_range=None,
    )
    ```

    Args:
        copies: Integer. Number of copies. Defaults to as many as fit.
        inner_size: Integer. Number of steps `L` to which the series is
            resampled first, for one longer than the source's. Defaults to its
            own.
        interpolation: String. `"bilinear"`, `"nearest"` or `"bicubic"`.
            Defaults to `"bilinear"`.

    References:
        - [Voice2Series](https://arxiv.org/abs/2106.09296)
    """

    program_strings = {"interpolation": INTERPOLATIONS}

    copies: int | None = None
    inner_size: int | None = None
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation)
        if self.copies is not None:
            self.set_fields(copies=positive_integer("copies", self.copies))
        if self.inner_size is not None:
            steps = positive_integer("inner_size", self.inner_size)
            self.set_fields(inner_size=steps)

    def layout(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[int, int, int, int]:
        """Returns the copies' number, length and distance, and the canvas."""
        lengths = known_sizes(axes.spatial_shape(sample_shape))
        if lengths is None or len(lengths) != 1:
            raise ValueError(
                "`Tile` places series and needs one spatial axis of known "
                "length. Received: target spatial shape="
                f"{axes.spatial_shape(sample_shape)}"
            )
        (length,), (canvas,) = lengths, axes.spatial_shape(canvas_shape)
        length = self.inner_size or length
        copies = self.copies or max(canvas // length, 1)
        if copies * length > canvas:
            raise ValueError(
                f"{copies} copies of a series of {length} steps do not fit "
                f"in {canvas}: use fewer `copies`, or an `inner_size`. "
                f"Received: copies={self.copies}, "
                f"inner_size={self.inner_size}"
            )
        return copies, length, canvas // length // copies * length, canvas

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        if self.layout(sample_shape, canvas_shape, axes)[0] > MOST_COPIES:
            raise ValueError(
                f"`copies` must be at most {MOST_COPIES}. Received: "
                f"copies={self.copies}"
            )
        return []

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        layout = self.layout(sample_shape, canvas_shape, axes)
        copies, length, distance, canvas = layout
        mask = np.zeros(canvas, bool)
        for start in range(0, copies * distance, distance):
            mask[start : start + length] = True
        return mask

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        layout = self.layout(samples.shape[1:], canvas_shape, axes)
        copies, length, distance, canvas = layout
        (time,) = axes.spatial
        samples = resize(samples, (length,), axes, self.interpolation)
        widths = [[0, 0] for _ in range(axes.rank + 1)]
        repeats = [1] * (axes.rank + 1)
        repeats[time + 1] = copies
        widths[time + 1] = [0, distance - length]
        samples = ops.tile(ops.pad(samples, widths), repeats)
        widths[time + 1] = [0, canvas - copies * distance]
        return ops.pad(samples, widths)

    def matrices(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[np.ndarray, ...] | None:
        lengths = known_sizes(axes.spatial_shape(sample_shape))
        if lengths is None:
            return None
        layout = self.layout(sample_shape, canvas_shape, axes)
        copies, length, distance, canvas = layout
        copy = resize_matrix(lengths[0], length, self.interpolation)
        matrix = np.zeros((canvas, lengths[0]), "float32")
        for start in range(0, copies * distance, distance):
            matrix[start : start + length] = copy
        return (matrix,)
