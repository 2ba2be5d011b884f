"""Where the sample stands on the source's canvas."""

import dataclasses
from typing import Any
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import offset
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.configurable import serializable
from keras_reprogram.configurable import size
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.valid import finite_rows
from keras_reprogram.typing import Shape

INTERPOLATIONS = ("bilinear", "nearest", "bicubic")


class Placement(Configurable):
    """Base class: puts a batch of samples onto an empty canvas.

    A placement is written for any number of spatial axes; an `Axes` says
    where they are. Values outside the sample are zero.

    Attributes:
        reads_tokens: Whether samples are integers that name something, and
            no values in a range.
    """

    reads_tokens: ClassVar[bool] = False

    def check(
        self, sample_shape: Shape, canvas_shape: Shape, axes: Axes
    ) -> None:
        """Raises unless the sample's axes and channels fit the canvas's."""
        if len(sample_shape) != len(canvas_shape):
            raise ValueError(
                "Samples must have as many axes as the source's input; "
                f"{advice_on_axes(len(sample_shape), len(canvas_shape))}. "
                f"Received: samples of shape {sample_shape}, "
                f"source_shape={canvas_shape}"
            )
        channels = axes.channels(sample_shape)
        if channels not in (None, 1, axes.channels(canvas_shape)):
            raise ValueError(
                "Samples must have one channel, or as many as the source's "
                f"input; {advice_on_channels(sample_shape, canvas_shape, axes)}"
                f". Received: samples of shape {sample_shape}, "
                f"source_shape={canvas_shape}, "
                f"data_format={axes.data_format!r}"
            )

    def data_mask(
        self, sample_shape: Shape, canvas_shape: Shape, axes: Axes
    ) -> np.ndarray:
        """Where the canvas holds data, and whether the sample fits at all.

        Args:
            sample_shape: Shape of a sample, without the batch axis.
            canvas_shape: Shape of the source's input, without the batch axis.
            axes: The spatial and channel axes of both.

        Returns:
            A boolean array over the canvas's spatial axes.

        Raises:
            ValueError: If the sample cannot be placed on this canvas.
        """
        raise NotImplementedError

    def place(self, samples: Any, canvas_shape: Shape, axes: Axes) -> Any:
        """Places a batch of samples; the channels stay what they are."""
        raise NotImplementedError

    def check_values(self, samples: np.ndarray) -> None:
        """Raises a `ValueError` if samples hold what cannot be placed."""

    def valid(self, samples: Any) -> Any:
        """Which samples can be placed, as `InputTransformation.valid`."""
        return finite_rows(samples)

    @property
    def valid_values(self) -> str:
        """What samples may hold, in words."""
        return "finite numbers"

    def mask_pattern(
        self, pattern: Any, canvas_shape: Shape, axes: Axes
    ) -> Any:
        """What is seen of the pattern, where the data may move over it."""
        return pattern


@serializable
@dataclasses.dataclass(frozen=True)
class Resize(Placement):
    """Resizes the sample to the whole canvas.

    Example:

    ```python
    keras_reprogram.InputReprogrammer(placement="resize")
    ```

    Args:
        interpolation: `"bilinear"`, `"nearest"` or `"bicubic"`.
    """

    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation)

    def data_mask(
        self, sample_shape: Shape, canvas_shape: Shape, axes: Axes
    ) -> np.ndarray:
        return np.ones(axes.spatial_shape(canvas_shape), bool)

    def place(self, samples: Any, canvas_shape: Shape, axes: Axes) -> Any:
        sizes = axes.spatial_shape(canvas_shape)
        return resize(samples, sizes, axes, self.interpolation)


@serializable
@dataclasses.dataclass(frozen=True)
class Pad(Placement):
    """Puts the sample in the middle of the canvas, or at an offset.

    Where the free space is odd, the larger part comes before the sample:
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
        inner_size: The size to which the sample is resized first, an integer
            or one for each spatial axis. `None` keeps the sample's own size.
        offset: First index of the sample along each spatial axis. `None`
            centers it.
        interpolation: `"bilinear"`, `"nearest"` or `"bicubic"`.
    """

    inner_size: int | tuple[int, ...] | None = None
    offset: tuple[int, ...] | None = None
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation)
        self.set_fields(offset=offset("offset", self.offset))
        if self.inner_size is not None:
            self.set_fields(inner_size=size("inner_size", self.inner_size))

    def inner_sizes(self, sample_shape: Shape, axes: Axes) -> Shape:
        if self.inner_size is None:
            return axes.spatial_shape(sample_shape)
        return positive_integers(
            "inner_size", self.inner_size, len(axes.spatial)
        )

    def margins(
        self, sizes: Shape, canvas_shape: Shape, axes: Axes
    ) -> list[tuple[int, int]]:
        canvas = axes.spatial_shape(canvas_shape)
        if None in sizes:
            raise ValueError(
                "`Pad` must know the sample's size: pass `target_shape`, or "
                f"an `inner_size`. Received: target size={sizes}"
            )
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
        self, sample_shape: Shape, canvas_shape: Shape, axes: Axes
    ) -> np.ndarray:
        sizes = self.inner_sizes(sample_shape, axes)
        margins = self.margins(sizes, canvas_shape, axes)
        return np.pad(np.ones(sizes, bool), margins)

    def place(self, samples: Any, canvas_shape: Shape, axes: Axes) -> Any:
        sizes = self.inner_sizes(samples.shape[1:], axes)
        if self.inner_size is not None:
            samples = resize(samples, sizes, axes, self.interpolation)
        widths = [(0, 0)] * (axes.rank + 1)
        margins = self.margins(sizes, canvas_shape, axes)
        for axis, margin in zip(axes.spatial, margins):
            widths[axis + 1] = margin
        return ops.pad(samples, widths)


@serializable
@dataclasses.dataclass(frozen=True)
class Tile(Placement):
    """Repeats a series along the source's longer one, at even distances.

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
        copies: Number of copies. `None` places as many as fit.
        inner_size: Number of steps to which the series is resampled first,
            `L`: for one longer than the source's. `None` keeps its own.
        interpolation: `"bilinear"`, `"nearest"` or `"bicubic"`.

    References:
        - [Voice2Series](https://arxiv.org/abs/2106.09296)
    """

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
        self, sample_shape: Shape, canvas_shape: Shape, axes: Axes
    ) -> tuple[int, int, int, int]:
        """Number of copies, their length, their distance, the canvas."""
        lengths = axes.spatial_shape(sample_shape)
        if len(lengths) != 1 or lengths[0] is None:
            raise ValueError(
                "`Tile` places series: it needs one spatial axis of known "
                f"length. Received: target spatial shape={lengths}"
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

    def data_mask(
        self, sample_shape: Shape, canvas_shape: Shape, axes: Axes
    ) -> np.ndarray:
        layout = self.layout(sample_shape, canvas_shape, axes)
        copies, length, distance, canvas = layout
        mask = np.zeros(canvas, bool)
        for start in range(0, copies * distance, distance):
            mask[start : start + length] = True
        return mask

    def place(self, samples: Any, canvas_shape: Shape, axes: Axes) -> Any:
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


PLACEMENTS = {"resize": Resize, "pad": Pad, "tile": Tile}


def get(identifier: str | dict | Placement) -> Placement:
    """Returns a placement from its name, its config or itself."""
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


def advice_on_axes(sample_axes: int, canvas_axes: int) -> str:
    """What to do with samples of a wrong number of axes."""
    if canvas_axes == 1:
        return (
            "take the axis of one channel away, take the mean of several, as "
            "of stereo sound, or lay them one after the other by "
            "`placement=keras_reprogram.inputs.ChannelConcatenation()`"
        )
    if canvas_axes == 3 and sample_axes == 2:
        return "give a gray image a channel axis"
    if canvas_axes == 2 and sample_axes == 1:
        return "give a series of one channel a channel axis"
    return "add axes of one, or take some away"


def advice_on_channels(
    sample_shape: Shape, canvas_shape: Shape, axes: Axes
) -> str:
    """What to do with samples of a wrong number of channels."""
    other = 0 if axes.channel else len(sample_shape) - 1
    if sample_shape[other] in (1, axes.channels(canvas_shape)):
        return (
            "move the channels to where `data_format` has them, or pass "
            "another `data_format`"
        )
    channels = axes.channels(sample_shape)
    if len(axes.spatial) == 2 and channels in (2, 4):
        return "leave out the alpha channel, as by `images[..., :-1]`"
    return "choose some of them, or take their mean"


def check_interpolation(interpolation: str) -> None:
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"`interpolation` must be one of {INTERPOLATIONS}. Received: "
            f"interpolation={interpolation!r}"
        )


def resize(samples: Any, sizes: Shape, axes: Axes, interpolation: str) -> Any:
    """Resizes the spatial axes of a batch, whatever their number."""
    if len(axes.spatial) == 2 and axes.channel is not None:
        return ops.image.resize(
            samples,
            sizes,
            interpolation=interpolation,
            data_format=axes.data_format,
        )
    # Interpolation is separable: one axis at a time, each as an image of one
    # channel whose rows are the axis and whose columns are all that follows.
    for axis, length in zip(axes.spatial, sizes):
        shape = list(samples.shape[1:])
        if shape[axis] == length:
            continue
        after = int(np.prod(shape[axis + 1 :]))
        rows = ops.reshape(samples, (-1, shape[axis], after, 1))
        rows = ops.image.resize(
            rows,
            (length, after),
            interpolation=interpolation,
            data_format="channels_last",
        )
        shape[axis] = length
        samples = ops.reshape(rows, (-1, *shape))
    return samples
