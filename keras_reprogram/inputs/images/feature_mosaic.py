"""Tables and matrices as pictures."""

import dataclasses
import math
from typing import Any

from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.placement import Pad
from keras_reprogram.typing import Shape


@serializable
@dataclasses.dataclass(frozen=True)
class FeatureMosaic(Pad):
    """Lays a vector of features, or a matrix, onto an image as square tiles.

    A vector `[features]` becomes rows of `columns` tiles, the last row filled
    with empty ones; a matrix `[rows, columns]` keeps its form. Each value is
    one gray tile. Features should be scaled alike: pass them standardized,
    with the `value_range` that they mostly lie in.

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
        inner_size: Height and width of the mosaic in pixels. `None` makes
            each value one pixel.
        offset: As for `Pad`.
        interpolation: As for `Pad`; `"nearest"` makes tiles with edges.
        columns: Tiles in a row of a vector. `None` makes the mosaic as square
            as it can be.

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

    def grid(self, sample_shape: Shape) -> tuple[int, int]:
        """Rows and columns of the mosaic."""
        if len(sample_shape) == 2:
            return sample_shape
        features = sample_shape[0]
        columns = self.columns or math.ceil(math.sqrt(features))
        return math.ceil(features / columns), columns

    def image_shape(self, sample_shape: Shape, axes: Axes) -> Shape:
        return axes.with_spatial((1,) * axes.rank, self.grid(sample_shape))

    def check(
        self, sample_shape: Shape, canvas_shape: Shape, axes: Axes
    ) -> None:
        if (
            len(sample_shape) not in (1, 2)
            or None in sample_shape
            or len(axes.spatial) != 2
        ):
            raise ValueError(
                "`FeatureMosaic` lays vectors (features,) or matrices (rows, "
                "columns) of a known size onto an image. Received: samples "
                f"of shape {sample_shape}, source_shape={canvas_shape}"
            )

    def data_mask(self, sample_shape: Shape, canvas_shape: Shape, axes: Axes):
        shape = self.image_shape(sample_shape, axes)
        return super().data_mask(shape, canvas_shape, axes)

    def place(self, samples: Any, canvas_shape: Shape, axes: Axes) -> Any:
        sample_shape = tuple(samples.shape[1:])
        shape = self.image_shape(sample_shape, axes)
        if len(sample_shape) == 1:
            empty = math.prod(shape) - sample_shape[0]
            samples = ops.pad(samples, [(0, 0), (0, empty)])
        images = ops.reshape(samples, (-1, *shape))
        return super().place(images, canvas_shape, axes)
