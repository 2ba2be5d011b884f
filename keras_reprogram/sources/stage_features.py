"""What a network sees at every stage, from edges to objects."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.sources.features import with_scaling_of
from keras_reprogram.sources.inspection import inspect_source

POOLING = {
    1: keras.layers.AdaptiveAveragePooling1D,
    2: keras.layers.AdaptiveAveragePooling2D,
    3: keras.layers.AdaptiveAveragePooling3D,
}


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
    if image_shape is None:
        image_shape = inspect_source(classifier).preferred_shape
    if None in image_shape:
        raise ValueError(
            "The classifier takes images of any size: say which, by "
            f"`image_shape`. Received: image_shape={tuple(image_shape)}"
        )
    network = getattr(classifier, "backbone", classifier)
    stages = keras.Model(network.inputs[0], stage_outputs(network, layers))
    data_format = getattr(network, "data_format", "channels_last")
    images = keras.Input(image_shape)
    features = [averaged(stage, grid, data_format) for stage in stages(images)]
    model = keras.Model(
        images,
        ops.concatenate(features, axis=-1),
        name=f"stages_of_{classifier.name}",
    )
    return with_scaling_of(classifier, model)


def stage_outputs(
    network: keras.Model, layers: Sequence[str] | None
) -> list[keras.KerasTensor]:
    if layers:
        return [network.get_layer(name).output for name in layers]
    pyramid = getattr(network, "pyramid_outputs", None)
    if not pyramid:
        raise ValueError(
            "KerasHub names no stages of this model: pass `layers`, the names "
            f"of those that end one. Received: {type(network).__name__} and "
            f"layers={layers}"
        )
    return [pyramid[level] for level in sorted(pyramid)]


def averaged(stage: Any, grid: int, data_format: str) -> Any:
    if None in stage.shape[1:] or len(stage.shape) < 2:
        raise ValueError(
            "The size of every stage must be known. Received: a stage of "
            f"shape {stage.shape}"
        )
    first = 2 if data_format == "channels_first" else 1
    axes = range(first, first + len(stage.shape) - 2)
    parts = {axis: min(grid, stage.shape[axis]) for axis in axes}
    whole = [axis for axis in axes if parts[axis] == 1]
    if whole:
        stage = ops.mean(stage, axis=whole)
    divided = [parts[axis] for axis in axes if parts[axis] > 1]
    if divided:
        pooling = POOLING[len(divided)]
        stage = pooling(divided, data_format=data_format)(stage)
    return keras.layers.Flatten()(stage)
