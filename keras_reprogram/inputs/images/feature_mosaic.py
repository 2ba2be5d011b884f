"""The placement that renders feature vectors and matrices as images."""

import dataclasses
import math

import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.images.placements import Pad
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
@dataclasses.dataclass(frozen=True)
class FeatureMosaic(Pad):
    """Renders a vector of features, or a matrix, as square tiles of an image.

    A vector `[features]` becomes rows of `columns` tiles, the last row padded
    with empty ones; a matrix `[rows, columns]` keeps its shape. Each value is
    one gray tile. Features should have the same scale: standardize them, and
    pass the `value_range` of most values.

    Example:

    ```python
    # 30 features of a tumour as 6x5 tiles in the middle of the canvas.
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(30,),
        source_shape=(96, 96, 3),
        placement=keras_reprogram.inputs.FeatureMosaic(inner_size=72),
        value_range=(-3, 3),
    )
    ```

    Args:
        inner_size: Integer, or tuple of two. Height and width of the mosaic in
            pixels. Defaults to one pixel for each value.
        offset: Tuple of two integers, as for `Pad`. Defaults to the middle.
        interpolation: String, as for `Pad`. Defaults to `"nearest"`, for tiles
            with sharp edges.
        columns: Integer. Number of tiles in a row, for vectors. Defaults to the
            most square mosaic.

    References:
        - Chen, Fan and Ye, Adversarial Reprogramming of Pretrained Neural
          Networks for Fraud Detection, CIKM 2021
        - [Black-box Adversarial Reprogramming](https://arxiv.org/abs/2007.08714)
    """

    interpolation: str = "nearest"
    columns: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.columns is not None:
            self.set_fields(columns=positive_integer("columns", self.columns))

    def grid(self, sample_shape: Shape) -> FixedShape:
        """Returns the rows and columns of the mosaic."""
        sizes = known_sizes(sample_shape) or (1,)
        if len(sizes) == 2:
            return sizes
        (features,) = sizes
        columns = self.columns or math.ceil(math.sqrt(features))
        return math.ceil(features / columns), columns

    def image_shape(self, sample_shape: Shape, axes: Axes) -> FixedShape:
        """Returns the shape of the mosaic with a pixel for each tile."""
        return axes.with_spatial((1,) * axes.rank, self.grid(sample_shape))

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        if (
            len(sample_shape) not in (1, 2)
            or None in sample_shape
            or len(axes.spatial) != 2
        ):
            raise ValueError(
                "`FeatureMosaic` places vectors (features,) or matrices (rows, "
                "columns) of a known size on an image. Received: samples "
                f"of shape {sample_shape}, source_shape={canvas_shape}"
            )

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        shape = self.image_shape(sample_shape, axes)
        return super().data_mask(shape, canvas_shape, axes)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        sample_shape = tuple(samples.shape[1:])
        shape = self.image_shape(sample_shape, axes)
        if len(sample_shape) == 1:
            empty = math.prod(shape) - sample_shape[0]
            samples = ops.pad(samples, [(0, 0), (0, empty)])
        images = ops.reshape(samples, (-1, *shape))
        return super().place(images, canvas_shape, axes)

    def matrices(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[np.ndarray, ...] | None:
        shape = self.image_shape(sample_shape, axes)
        if tuple(sample_shape) != shape:
            return None  # a vector becomes rows, or gets a channel axis
        return super().matrices(shape, canvas_shape, axes)
