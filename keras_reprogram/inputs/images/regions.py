"""Regions: the parts of the canvas that a pattern may change."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import offset
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.configurable import serializable
from keras_reprogram.configurable import size


class Region(Configurable):
    """Base class: a mask over the canvas's spatial axes."""

    def mask(self, data_mask: np.ndarray) -> np.ndarray:
        """Returns the mask of the region.

        Args:
            data_mask: Boolean array over the spatial axes, true where the
                placement puts data.

        Returns:
            A boolean array of the same shape.
        """
        raise NotImplementedError


@serializable
@dataclasses.dataclass(frozen=True)
class Everywhere(Region):
    """The whole canvas, the data included."""

    def mask(self, data_mask: np.ndarray) -> np.ndarray:
        return np.ones_like(data_mask)


@serializable
@dataclasses.dataclass(frozen=True)
class Outside(Region):
    """The canvas without the data, as in Elsayed et al. and ILM-VP.

    References:
        - [Adversarial Reprogramming](https://arxiv.org/abs/1806.11146)
        - [ILM-VP](https://arxiv.org/abs/2211.11635)
    """

    def mask(self, data_mask: np.ndarray) -> np.ndarray:
        if data_mask.all():
            raise ValueError(
                "The region outside the data is empty: the placement fills "
                'the canvas. Use `region="everywhere"`, or `Pad` with a '
                "smaller `inner_size`. Received: a canvas of "
                f"{data_mask.shape} full of data"
            )
        return ~data_mask


@serializable
@dataclasses.dataclass(frozen=True)
class Frame(Region):
    """A frame along the canvas's edges, which may cover data.

    Args:
        width: Integer. Width of the frame in pixels or steps. Defaults to `30`.

    References:
        - [Visual Prompting](https://arxiv.org/abs/2203.17274)
    """

    width: int = 30

    def __post_init__(self) -> None:
        self.set_fields(width=positive_integer("width", self.width))

    def mask(self, data_mask: np.ndarray) -> np.ndarray:
        mask = np.ones_like(data_mask)
        if 2 * self.width < min(data_mask.shape):
            inside = slice(self.width, -self.width)
            mask[(inside,) * data_mask.ndim] = False
            return mask
        raise ValueError(
            "A frame must be narrower than half the canvas. Received: "
            f"width={self.width}, canvas={data_mask.shape}"
        )


@serializable
@dataclasses.dataclass(frozen=True)
class Patch(Region):
    """A box at a fixed position.

    Args:
        size: Integer, or tuple of one for each spatial axis. Size of the box.
            Defaults to `30`.
        offset: Tuple of integers. First index along each spatial axis. Defaults
            to the first corner.

    References:
        - [Visual Prompting](https://arxiv.org/abs/2203.17274)
    """

    size: int | tuple[int, ...] = 30
    offset: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self.set_fields(
            size=size("size", self.size), offset=offset("offset", self.offset)
        )

    def mask(self, data_mask: np.ndarray) -> np.ndarray:
        sizes = positive_integers("size", self.size, data_mask.ndim)
        starts = self.offset or (0,) * data_mask.ndim
        if len(starts) != data_mask.ndim or any(
            start + length > room
            for start, length, room in zip(starts, sizes, data_mask.shape)
        ):
            raise ValueError(
                f"The patch must lie on the canvas of {data_mask.shape}. "
                f"Received: size={self.size}, offset={self.offset}"
            )
        mask = np.zeros_like(data_mask)
        box = tuple(
            slice(start, start + length) for start, length in zip(starts, sizes)
        )
        mask[box] = True
        return mask


REGIONS = {
    "everywhere": Everywhere,
    "outside": Outside,
    "frame": Frame,
    "patch": Patch,
}


def get(identifier: str | dict[str, Any] | Region) -> Region:
    """Returns a region from a name, a config or a region."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, str) and identifier in REGIONS:
        return REGIONS[identifier]()
    if isinstance(identifier, Region):
        return identifier
    raise ValueError(
        f"`region` must be one of {sorted(REGIONS)} or a "
        f"`keras_reprogram.inputs.Region`. Received: {identifier!r}"
    )
