"""A source with the features of all stages of a classifier."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.sources.features import with_scaling_of
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


def stage_features(
    classifier: keras.Model,
    image_shape: tuple[int, int, int] | None = None,
    grid: int = 4,
    layers: Sequence[str] | None = None,
) -> keras.Model:
    """Returns a source of the averaged and concatenated outputs of all stages.

    With `h_l` the output of stage `l`,

    ```
    features = [mean_grid(h_1), ..., mean_grid(h_L)]
    ```

    where `mean_grid` averages over `grid x grid` parts of the image. A stage
    with no more positions than that is not changed.

    The last stage of a network trained on photographs separates their
    classes. Features that separate digits, textures or spectra may be present
    only at an earlier stage. For samples unlike those that the source was
    trained on, a linear map of all stages can be more accurate than
    fine-tuning.

    Example:

    ```python
    inputs = keras.Input((32, 32, 3))
    edges = keras.layers.Conv2D(4, 3, 2, "same", name="edges")(inputs)
    shapes = keras.layers.Conv2D(8, 3, 2, "same", name="shapes")(edges)
    pooled = keras.layers.GlobalAveragePooling2D()(shapes)
    classifier = keras.Model(inputs, keras.layers.Dense(6)(pooled))

    source = keras_reprogram.sources.stage_features(
        classifier, layers=["edges", "shapes"]
    )
    source.output_shape  # (None, 192): 4 x 4 x (4 + 8)
    ```

    Args:
        classifier: `keras.Model`. A KerasHub image classifier or backbone, or
            a functional or sequential model of images.
        image_shape: Tuple of integers. Height, width and channels of the
            input, in the classifier's data format. Defaults to `None`, the
            shape that the classifier was trained on.
        grid: Integer. Number of parts along height and along width. Defaults
            to `4`.
        layers: List of strings. Names of the layers whose outputs are stages.
            Defaults to `None`, the `pyramid_outputs` of KerasHub: the last
            layer at each resolution.

    Returns:
        A `keras.Model` with the classifier's weights, for inputs of
        `image_shape`. It has the preprocessor of a KerasHub classifier, which
        defines the scaling.

    Raises:
        ValueError: If the stages or the size of the image are not known, or a
            stage has no positions.

    References:
        - [Head2Toe](https://arxiv.org/abs/2201.03529)
    """
    positive_integer("grid", grid)
    network = getattr(classifier, "backbone", classifier)
    if len(getattr(network, "inputs", None) or ()) != 1:
        raise ValueError(
            "`classifier` must be a functional or sequential model with one "
            f"input. Received: {type(network).__name__} with inputs "
            f"{getattr(network, 'inputs', None)}"
        )
    shape: Shape = image_shape or preferred_shape(classifier)
    if None in shape:
        raise ValueError(
            "The classifier takes images of any size: pass one as "
            f"`image_shape`. Received: image_shape={tuple(shape)}"
        )
    stages = keras.Model(network.inputs[0], stage_outputs(network, layers))
    data_format = getattr(network, "data_format", "channels_last")
    images = keras.Input(shape)
    features = [
        grid_average(stage, grid, data_format) for stage in stages(images)
    ]
    model = keras.Model(
        images,
        ops.concatenate(features, axis=-1),
        name=f"stages_of_{classifier.name}",
    )
    return with_scaling_of(classifier, model)


def preferred_shape(classifier: keras.Model) -> Shape:
    if len(classifier.outputs) == 1:
        return inspect_source(classifier).preferred_shape
    return tuple(classifier.inputs[0].shape[1:])


def stage_outputs(
    network: keras.Model, layers: Sequence[str] | None
) -> list[keras.KerasTensor]:
    if layers:
        names = [layers] if isinstance(layers, str) else layers
        known = {layer.name: layer for layer in network.layers}
        if any(name not in known for name in names):
            raise ValueError(
                "`layers` must be names of the network's layers. Received: "
                f"layers={layers}; there are {list(known)}"
            )
        return [known[name].output for name in names]
    pyramid = getattr(network, "pyramid_outputs", None)
    if not pyramid:
        raise ValueError(
            "KerasHub names no stages of this model: pass `layers`, the names "
            f"of those that end one. Received: {type(network).__name__} and "
            f"layers={layers}"
        )
    return [pyramid[level] for level in sorted(pyramid)]


def grid_average(stage: Tensor, grid: int, data_format: str) -> Tensor:
    if None in stage.shape[1:] or len(stage.shape) < 2:
        raise ValueError(
            "The size of every stage must be known. Received: a stage of "
            f"shape {stage.shape}"
        )
    return keras.layers.Flatten()(GridAverage(grid, data_format)(stage))


@serializable
class GridAverage(keras.layers.Layer):
    """Averages over the parts of a grid; shorter axes are not changed.

    Part `i` of the `p = min(grid, size)` parts of an axis is from
    `floor(i * size / p)` to `ceil((i + 1) * size / p)`, as in Keras's
    adaptive pooling. Averages are computed as products with constant
    matrices in float32, which all export formats support.

    Args:
        grid: Integer. Number of parts along each spatial axis.
        data_format: String. `"channels_last"` or `"channels_first"`. Defaults
            to `"channels_last"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor with axes for batch and channels, and any number of
            spatial axes of known size.

    Returns:
        A tensor of the same rank.
    """

    def __init__(
        self, grid: int, data_format: str = "channels_last", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.grid = positive_integer("grid", grid)
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                '`data_format` must be "channels_last" or "channels_first". '
                f"Received: data_format={data_format!r}"
            )
        self.data_format = data_format

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(input_shape)
        for axis in self.spatial_axes(len(shape)):
            size = shape[axis]
            shape[axis] = None if size is None else min(self.grid, size)
        return tuple(shape)

    def call(self, inputs: Tensor) -> Tensor:
        shape = list(inputs.shape)
        outputs = ops.cast(inputs, "float32")
        for axis in self.spatial_axes(len(shape)):
            size, shape[axis] = shape[axis], min(self.grid, shape[axis])
            if size == shape[axis]:
                continue
            # Merge the axes before this one, and those after it.
            outputs = ops.reshape(
                outputs, (-1, size, math.prod(shape[axis + 1 :]))
            )
            outputs = ops.matmul(averaging_matrix(size, shape[axis]), outputs)
            outputs = ops.reshape(outputs, (-1, *shape[1:]))
        return ops.cast(outputs, self.compute_dtype)

    def spatial_axes(self, rank: int) -> range:
        first = 2 if self.data_format == "channels_first" else 1
        return range(first, first + rank - 2)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "grid": self.grid,
            "data_format": self.data_format,
        }


def averaging_matrix(size: int, parts: int) -> np.ndarray:
    """Returns the weight of each position in each mean, `[parts, size]`."""
    matrix = np.zeros((parts, size), "float32")
    for part in range(parts):
        start, stop = part * size // parts, -(-(part + 1) * size // parts)
        matrix[part, start:stop] = 1 / (stop - start)
    return matrix
