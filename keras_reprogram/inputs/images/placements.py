"""Placements that resize and pad samples, and lookup by name."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import offset
from keras_reprogram.configurable import positive_integers
from keras_reprogram.configurable import serializable
from keras_reprogram.configurable import size
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.images.interpolation import INTERPOLATIONS
from keras_reprogram.inputs.images.interpolation import check_interpolation
from keras_reprogram.inputs.images.interpolation import resize
from keras_reprogram.inputs.images.interpolation import resize_matrix
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.tile import Tile
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
@dataclasses.dataclass(frozen=True)
class Resize(Placement):
    """Resizes the sample to the whole canvas.

    Example:

    ```python
    keras_reprogram.InputReprogrammer(placement="resize")
    ```

    Args:
        interpolation: String. `"bilinear"`, `"nearest"` or `"bicubic"`.
            Defaults to `"bilinear"`.
    """

    program_strings = {"interpolation": INTERPOLATIONS}

    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation)

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        return np.ones(axes.spatial_shape(canvas_shape), bool)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        sizes = axes.spatial_shape(canvas_shape)
        return resize(samples, sizes, axes, self.interpolation)

    def matrices(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[np.ndarray, ...] | None:
        lengths = known_sizes(axes.spatial_shape(sample_shape))
        if lengths is None:
            return None
        return tuple(
            resize_matrix(length, room, self.interpolation)
            for length, room in zip(lengths, axes.spatial_shape(canvas_shape))
        )


@serializable
@dataclasses.dataclass(frozen=True)
class Pad(Placement):
    """Places the sample in the middle of the canvas, or at an offset.

    If the free space is odd, the larger part comes before the sample:
    `before = (canvas - sample + 1) // 2`.

    Example:

    ```python
    # 28x28 digits, enlarged to 96x96, in the middle of the canvas.
    keras_reprogram.InputReprogrammer(
        target_shape=(28, 28, 1),
        source_shape=(224, 224, 3),
        placement=keras_reprogram.inputs.Pad(inner_size=96),
    )
    ```

    Args:
        inner_size: Integer, or tuple of one for each spatial axis. The size to
            which the sample is resized first. Defaults to its own size.
        offset: Tuple of integers. First index of the sample along each spatial
            axis. Defaults to the middle.
        interpolation: String. `"bilinear"`, `"nearest"` or `"bicubic"`.
            Defaults to `"bilinear"`.
    """

    program_strings = {"interpolation": INTERPOLATIONS}

    inner_size: int | tuple[int, ...] | None = None
    offset: tuple[int, ...] | None = None
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation)
        self.set_fields(offset=offset("offset", self.offset))
        if self.inner_size is not None:
            self.set_fields(inner_size=size("inner_size", self.inner_size))

    def inner_sizes(self, sample_shape: Shape, axes: Axes) -> FixedShape:
        """Returns the sizes of a sample on the canvas."""
        return inner_sizes("Pad", self.inner_size, sample_shape, axes)

    def margins(
        self, sizes: FixedShape, canvas_shape: FixedShape, axes: Axes
    ) -> list[tuple[int, int]]:
        """Returns the free space before and after the sample on each axis."""
        canvas = axes.spatial_shape(canvas_shape)
        if any(length > room for length, room in zip(sizes, canvas)):
            raise ValueError(
                "`Pad` needs a sample no larger than the canvas: pass a "
                "smaller `inner_size`, or use `Resize`. Received: "
                f"inner size={sizes}, canvas={canvas}"
            )
        free = [room - length for length, room in zip(sizes, canvas)]
        if self.offset is None:
            starts = [(gap + 1) // 2 for gap in free]
        else:
            starts = list(self.offset)
            if len(starts) != len(free) or not all(
                start <= gap for start, gap in zip(starts, free)
            ):
                raise ValueError(
                    "`offset` must hold one integer for each spatial axis, "
                    f"from 0 to {free}. Received: offset={self.offset}"
                )
        return [(start, gap - start) for start, gap in zip(starts, free)]

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        sizes = self.inner_sizes(sample_shape, axes)
        margins = self.margins(sizes, canvas_shape, axes)
        return np.pad(np.ones(sizes, bool), margins)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        sizes = self.inner_sizes(samples.shape[1:], axes)
        if self.inner_size is not None:
            samples = resize(samples, sizes, axes, self.interpolation)
        widths = [(0, 0)] * (axes.rank + 1)
        margins = self.margins(sizes, canvas_shape, axes)
        for axis, margin in zip(axes.spatial, margins):
            widths[axis + 1] = margin
        return ops.pad(samples, widths)

    def matrices(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[np.ndarray, ...] | None:
        lengths = known_sizes(axes.spatial_shape(sample_shape))
        if lengths is None:
            return None
        sizes = self.inner_sizes(sample_shape, axes)
        return tuple(
            np.pad(
                resize_matrix(length, inner, self.interpolation),
                (margin, (0, 0)),
            )
            for length, inner, margin in zip(
                lengths, sizes, self.margins(sizes, canvas_shape, axes)
            )
        )


PLACEMENTS: dict[str, type[Placement]] = {
    "resize": Resize,
    "pad": Pad,
    "tile": Tile,
}


def get(identifier: str | dict[str, Any] | Placement) -> Placement:
    """Returns a placement from a name, a config or a placement."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, str) and identifier in PLACEMENTS:
        return PLACEMENTS[identifier]()
    if isinstance(identifier, Placement):
        return identifier
    raise ValueError(
        f"`placement` must be one of {sorted(PLACEMENTS)} or a "
        f"`keras_reprogram.inputs.Placement`. Received: {identifier!r}"
    )


def inner_sizes(
    placement: str,
    inner_size: int | tuple[int, ...] | None,
    sample_shape: Shape,
    axes: Axes,
) -> FixedShape:
    """Returns the sizes of a sample on the canvas.

    Args:
        placement: String. Name of the class, for the error.
        inner_size: Integer, tuple or `None`, as for `Pad`.
        sample_shape: Tuple. Shape of a sample, without the batch axis.
        axes: `Axes` of the sample.
    """
    if inner_size is not None:
        return positive_integers("inner_size", inner_size, len(axes.spatial))
    sizes = known_sizes(axes.spatial_shape(sample_shape))
    if sizes is None:
        raise ValueError(
            f"`{placement}` needs the sample's size: pass `target_shape`, "
            "or an `inner_size`. Received: target size="
            f"{axes.spatial_shape(sample_shape)}"
        )
    return sizes
