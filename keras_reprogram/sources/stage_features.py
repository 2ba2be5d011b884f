"""What a network sees at every stage, from edges to objects."""

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
    """A network's stages, averaged over a grid and joined, as a source.

    With `h_l` the output of stage `l`, from the first to the last,

    ```
    features = [mean_grid(h_1), ..., mean_grid(h_L)]
    ```

    where `mean_grid` averages over `grid x grid` parts of the picture, or
    leaves a stage as it is that has no more positions than that.

    The last stage of a classifier of photographs tells dogs from cats; what
    tells digits, textures or spectra apart may be there at an earlier stage
    and be gone at the last. Where samples are unlike what the source was
    trained on, a linear map of all stages can be worth more than fine-tuning.

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
        classifier: A KerasHub image classifier or backbone, or a functional
            or sequential `keras.Model` of images.
        image_shape: The canvas, height, width and channels in the
            classifier's data format. Left out, what the classifier prefers.
        grid: Parts along height and along width.
        layers: Names of the layers whose outputs are stages. Left out, those
            that KerasHub names: the last layer at each resolution.

    Returns:
        A `keras.Model` with the classifier's weights, for inputs of
        `image_shape`. The scaling that a KerasHub classifier names is passed
        on.

    Raises:
        ValueError: If the stages are not known, or have no positions, or the
            size of the image is not.

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
    features = [averaged(stage, grid, data_format) for stage in stages(images)]
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


def averaged(stage: Tensor, grid: int, data_format: str) -> Tensor:
    if None in stage.shape[1:] or len(stage.shape) < 2:
        raise ValueError(
            "The size of every stage must be known. Received: a stage of "
            f"shape {stage.shape}"
        )
    return keras.layers.Flatten()(GridAverage(grid, data_format)(stage))


@serializable
class GridAverage(keras.layers.Layer):
    """Averages over the parts of a grid, or leaves shorter axes as they are.

    Part `i` of the `p = min(grid, size)` parts of an axis is from
    `floor(i * size / p)` to `ceil((i + 1) * size / p)`, as in Keras's
    adaptive pooling. Averages are products with constant matrices, in
    float32, which every exporter knows.

    Args:
        grid: Parts along each spatial axis.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: A tensor of batch, channels and any number of spatial axes,
            whose sizes are known.

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
            # Three axes: all before this one, this one, and all after it.
            outputs = ops.reshape(
                outputs, (-1, size, math.prod(shape[axis + 1 :]))
            )
            outputs = ops.matmul(shares(size, shape[axis]), outputs)
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


def shares(size: int, parts: int) -> np.ndarray:
    """What each position counts in each part's mean, `[parts, size]`."""
    matrix = np.zeros((parts, size), "float32")
    for part in range(parts):
        start, stop = part * size // parts, -(-(part + 1) * size // parts)
        matrix[part, start:stop] = 1 / (stop - start)
    return matrix
