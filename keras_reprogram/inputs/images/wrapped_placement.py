"""The base class of placements that change what another one has placed."""

from typing import Any

import keras
import numpy as np

from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images import placements
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.placement import TrainedPlacement
from keras_reprogram.inputs.sample_range import ValueRange
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_new
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class WrappedPlacement(TrainedPlacement):
    """Base class: a trained change of the canvas of an inner placement.

    A subclass creates its variables in `build_on`, and overrides `place`. All
    else is as the inner placement does it.

    Args:
        inner: String or `keras_reprogram.inputs.Placement`. Places the sample
            first. Defaults to `"resize"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    program_objects = {"inner": Placement}

    def __init__(
        self, inner: str | Placement = "resize", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.inner = placements.get(inner)
        if self.inner.sample_dtype is not None:
            raise ValueError(
                f"`{type(self).__name__}` changes the values of a canvas: pass "
                "an `inner` placement of values instead of tokens. Received: "
                f"inner={inner!r}"
            )

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        self.inner.check(sample_shape, canvas_shape, axes)

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        return self.inner.data_mask(sample_shape, canvas_shape, axes)

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        return self.inner.expected_variables(sample_shape, canvas_shape, axes)

    def build_on(self, canvas: Canvas) -> None:
        check_new(self.inner)
        self.inner.build_on(canvas)
        self.built = True

    def canvas_range(self, value_range: ValueRange | None) -> ValueRange | None:
        return self.inner.canvas_range(value_range)

    def in_unit_range(
        self, samples: Tensor, value_range: ValueRange | None, dtype: str
    ) -> Tensor:
        return self.inner.in_unit_range(samples, value_range, dtype)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        return self.inner.place(samples, canvas_shape, axes)

    def mask_pattern(
        self,
        pattern: Tensor,
        sample_shape: Shape,
        canvas_shape: FixedShape,
        axes: Axes,
    ) -> Tensor:
        return self.inner.mask_pattern(
            pattern, sample_shape, canvas_shape, axes
        )

    def check_values(self, samples: np.ndarray) -> None:
        self.inner.check_values(samples)

    def doubtful_range(
        self, samples: np.ndarray, value_range: ValueRange | None
    ) -> str | None:
        return self.inner.doubtful_range(samples, value_range)

    def valid(self, samples: Tensor) -> Tensor | None:
        return self.inner.valid(samples)

    @property
    def valid_values(self) -> str:
        return self.inner.valid_values

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "inner": keras.saving.serialize_keras_object(self.inner),
        }
