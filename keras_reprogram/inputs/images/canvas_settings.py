"""Settings of the canvas: the user's, completed from the source."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_reprogram.configurable import integer
from keras_reprogram.inputs.images.scaling import Factors
from keras_reprogram.inputs.sample_range import PIXELS
from keras_reprogram.inputs.sample_range import ValueRange
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape

LARGEST_PIXEL = PIXELS[1]


@dataclasses.dataclass(frozen=True)
class CanvasSettings:
    """The shapes and the scaling of a layer that writes on a canvas.

    Args:
        sample_shape: Tuple or `None`. Shape of a sample, `None` if it is
            unknown.
        canvas_shape: Tuple or `None`. Shape of the source's input, `None` if it
            is unknown.
        scale: Float or list. The source's scaling of a sample in its range;
            `None` if there is none.
        offset: Float or list. Added after `scale`; `None` if there is none.
    """

    sample_shape: Shape | None
    canvas_shape: Shape | None
    scale: Factors | None
    offset: Factors | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "CanvasSettings":
        """Returns settings from the result of `dataclasses.asdict`."""
        samples, canvas = config["sample_shape"], config["canvas_shape"]
        return cls(
            sample_shape=None if samples is None else tuple(samples),
            canvas_shape=None if canvas is None else tuple(canvas),
            scale=config["scale"],
            offset=config["offset"],
        )

    def completed(
        self, specification: SourceSpecification, value_range: ValueRange | None
    ) -> "CanvasSettings":
        """Returns the settings with missing ones taken from a source.

        Args:
            specification: A `SourceSpecification`.
            value_range: Tuple of two floats, or `None`. The samples' range.

        Raises:
            ValueError: If the source does not accept inputs of the canvas's
                shape, or does not determine it.
        """
        if not specification.takes_canvas:
            raise ValueError(
                "An `InputReprogrammer` needs a source that takes one array: "
                "use a `TokenReprogrammer` or a `SeriesReprogrammer` for one "
                "that takes embeddings, and a `GraphReprogrammer` for one that "
                "takes graphs. Received: a source that takes "
                f"{'embeddings' if specification.graph is None else 'graphs'}"
            )
        accepted = specification.accepted_shape
        shape = self.canvas_shape or specification.preferred_shape
        if len(shape) != len(accepted) or any(
            size not in (None, wanted) for size, wanted in zip(accepted, shape)
        ):
            raise ValueError(
                "`source_shape` must be a shape that the source takes: "
                f"{accepted}. Received: source_shape={self.canvas_shape}"
            )
        if None in shape:
            raise ValueError(
                "The source takes inputs of any size: pass `source_shape` to "
                f"the `InputReprogrammer`. Received: source shape={shape}"
            )
        scale, offset = self.scale, self.offset
        if (
            scale is None
            and offset is None
            and value_range is not None
            and specification.pixel_scale is not None
        ):
            low, high = value_range
            factor = np.multiply(
                specification.pixel_scale, LARGEST_PIXEL / (high - low)
            )
            scale = factor.tolist()
            offset = np.subtract(
                specification.pixel_offset, factor * low
            ).tolist()
        return CanvasSettings(
            sample_shape=self.sample_shape or (None,) * len(shape),
            canvas_shape=tuple(shape),
            scale=scale,
            offset=offset,
        )

    @property
    def known_canvas_shape(self) -> FixedShape:
        """Shape of the canvas.

        Raises:
            ValueError: If it is unknown.
        """
        sizes = self.canvas_shape or (None,)
        known = tuple(size for size in sizes if size is not None)
        if len(known) < len(sizes):
            raise ValueError(
                "An `InputReprogrammer` used by itself needs a "
                f"`source_shape`. Received: source_shape={self.canvas_shape}"
            )
        return known


def compared(specification: SourceSpecification) -> tuple[object, ...]:
    """Returns the settings that sources of one `InputReprogrammer` share."""
    scaling = (specification.pixel_scale, specification.pixel_offset)
    return (
        specification.accepted_shape,
        specification.preferred_shape,
        repr(np.asarray(scaling, object).tolist()),
    )


def check_shape(name: str, shape: Sequence[int | None] | None) -> Shape | None:
    """Returns a checked shape as a tuple, or `None`."""
    if shape is None:
        return None
    sizes = shape if isinstance(shape, (tuple, list)) else ()
    if not sizes or not all(
        size is None or (integer(size) or 0) > 0 for size in sizes
    ):
        raise ValueError(
            f"`{name}` must be a tuple of positive integers, without the "
            f"batch axis. Received: {name}={shape!r}"
        )
    return tuple(size and integer(size) for size in sizes)
