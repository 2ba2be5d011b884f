"""Plots of patterns, masks, reprogrammed inputs and label maps.

Every function returns a matplotlib figure. `figure.savefig(path)` writes it to
a file; a notebook displays it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import TypeAlias

import keras
import numpy as np
from keras import ops

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.optional_packages import optional_package
from keras_reprogram.outputs import LabelMapper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A `ReprogrammedModel` or its layer.
Pictured: TypeAlias = keras.layers.Layer


def plot_pattern(input_reprogrammer: Pictured) -> "Figure":
    """Plots a pattern that is added to every sample.

    Zero is gray, the largest absolute value is white, and its negative black.

    Example:

    ```python
    reprogrammer = keras_reprogram.InputReprogrammer((8, 8, 1), (16, 16, 3))
    reprogrammer(np.zeros((1, 8, 8, 1)))
    keras_reprogram.visualization.plot_pattern(reprogrammer)
    ```

    Args:
        input_reprogrammer: `ReprogrammedModel`, or a built
            `InputReprogrammer`, with a pattern that does not depend on the
            sample.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the layer is not built, or its pattern depends on the
            sample.
    """
    layer = built(input_reprogrammer)
    figure, (axis,) = axes_of(1)
    largest = plot_values(axis, layer)
    axis.set_title(f"pattern, largest value {largest:.3g}")
    return figure


def plot_mask(input_reprogrammer: Pictured) -> "Figure":
    """Plots the mask of a pattern, with trained values in white.

    Args:
        input_reprogrammer: `ReprogrammedModel`, or a built
            `InputReprogrammer`, with a `UniversalPattern`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the layer is not built, or has another pattern.
    """
    layer = built(input_reprogrammer)
    pattern = layer.pattern
    if not isinstance(pattern, UniversalPattern):
        raise ValueError(
            "Only a `UniversalPattern` has a mask. Received: a pattern of "
            f"type {type(pattern).__name__}"
        )
    shape = layer.canvas_shape
    mask = np.ones(shape) if pattern.mask is None else pattern.mask
    figure, (axis,) = axes_of(1)
    show(axis, as_image(mask.astype(float), layer))
    share = mask.mean()
    axis.set_title(f"free values: {int(mask.sum()):,} ({share:.0%})")
    return figure


def plot_inputs(
    input_reprogrammer: Pictured,
    samples: np.ndarray,
    titles: Sequence[str] | None = None,
) -> "Figure":
    """Plots reprogrammed samples, the inputs of the source.

    Args:
        input_reprogrammer: `ReprogrammedModel`, or the `InputReprogrammer` to
            apply.
        samples: Array `[N, *target_shape]`. A few samples.
        titles: List of strings. A title for each sample. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    layer = layer_of(input_reprogrammer)
    inputs = ops.convert_to_numpy(layer(np.asarray(samples)))
    scaling = layer.scaling
    inputs = (inputs - scaling.bias) / scaling.gain
    figure, axes = axes_of(len(inputs))
    for index, (axis, values) in enumerate(zip(axes, inputs)):
        show(axis, as_image(values, layer))
        if titles is not None:
            axis.set_title(titles[index])
    return figure


def plot_label_map(
    matrix: np.ndarray | keras.Model,
    source_names: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    strongest: int = 5,
) -> "Figure":
    """Plots the largest weights of source classes for each target class.

    Example:

    ```python
    matrix = np.array([[0.8, 0.1], [0.2, 0.3], [0.0, 0.6]])
    keras_reprogram.visualization.plot_label_map(
        matrix, ["cat", "dog", "bus"], ["animal", "vehicle"], strongest=2
    )
    ```

    Args:
        matrix: `ReprogrammedModel` with a `LabelMapper`; or an array `[source
            classes, target classes]`.
        source_names: List of strings. A name for every source class. Defaults
            to `None`, their numbers.
        target_names: List of strings. A name for every target class. Defaults
            to `None`, the class names of the model's label map, or their
            numbers.
        strongest: Integer. Number of weights plotted for each target class,
            those of largest absolute value. Defaults to `5`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the number of names is not that of the classes, or the
            model has no label map.
    """
    if isinstance(matrix, keras.Model):
        mapper = label_mapper_of(matrix)
        target_names = target_names or mapper.class_names
        matrix = ops.convert_to_numpy(mapper.matrix)
    matrix = np.asarray(matrix)
    sources, targets = matrix.shape
    source_names = source_names or [str(index) for index in range(sources)]
    target_names = target_names or [str(index) for index in range(targets)]
    if (len(source_names), len(target_names)) != matrix.shape:
        raise ValueError(
            "There must be a name for every class. Received: "
            f"{len(source_names)} source names and {len(target_names)} target "
            f"names for a matrix of shape {matrix.shape}"
        )
    figure, axes = axes_of(targets, width=3.0, height=0.6 + 0.25 * strongest)
    for target, axis in enumerate(axes):
        plot_bars(axis, matrix[:, target], source_names, strongest)
        axis.set_title(target_names[target])
    return figure


def layer_of(model: Pictured) -> InputReprogrammer:
    """Returns the `InputReprogrammer` of a model, or itself."""
    layer = getattr(model, "input_reprogrammer", model)
    if not isinstance(layer, InputReprogrammer):
        raise ValueError(
            "This plots an `InputReprogrammer`, or a `ReprogrammedModel` with "
            "one: plot other programs with `plot_program`. Received: "
            f"{type(layer).__name__}"
        )
    return layer


def label_mapper_of(model: keras.Model) -> LabelMapper:
    """Returns a model's label map, which has been found."""
    mapper = getattr(model, "label_mapper", None)
    if not isinstance(mapper, LabelMapper):
        raise ValueError(
            "This plots a `LabelMapper`: plot other output mappings with "
            f"`plot_program`. Received: {type(mapper).__name__}"
        )
    mapper.check_solved()
    return mapper


def built(model: Pictured) -> InputReprogrammer:
    layer = layer_of(model)
    if not layer.built or layer.pattern is None:
        raise ValueError(
            "The `InputReprogrammer` must be built, by a model or a call, and "
            f"have a pattern. Received: built={layer.built}, "
            f"pattern={layer.pattern}"
        )
    return layer


def has_plot(layer: InputReprogrammer) -> bool:
    """Whether a layer has a pattern that does not depend on the sample."""
    pattern = layer.pattern
    theta = getattr(pattern, "theta", None)
    return layer.built and (
        isinstance(pattern, UniversalPattern)
        or getattr(theta, "shape", None) == tuple(layer.canvas_shape)
    )


def plot_values(axis: "Axes", layer: InputReprogrammer) -> float:
    """Plots a pattern with zero as gray; returns its largest absolute value."""
    pattern = layer.pattern
    if not has_plot(layer):
        raise ValueError(
            "This pattern depends on the sample: plot reprogrammed samples "
            "with `plot_inputs`. Received: a pattern of type "
            f"{type(pattern).__name__}"
        )
    if isinstance(pattern, UniversalPattern):
        values = pattern.to_numpy()
    else:
        theta: keras.Variable = vars(pattern)["theta"]
        values = ops.convert_to_numpy(theta.value)
    largest = float(np.abs(values).max())
    show(axis, as_image(values / (2 * largest or 1.0) + 0.5, layer))
    return largest


def plot_bars(
    axis: "Axes",
    links: np.ndarray,
    names: Sequence[str] | None,
    strongest: int,
) -> None:
    """Plots the values of largest absolute value as bars with names."""
    order = np.argsort(-np.abs(links), kind="stable")[:strongest]
    order = order[links[order] != 0][::-1]
    labels = [str(index) if names is None else names[index] for index in order]
    axis.barh(labels, links[order])
    axis.axvline(0, color="black", linewidth=0.5)


def as_image(values: np.ndarray, layer: InputReprogrammer) -> np.ndarray:
    """Returns channels last, averaged unless there are three of them."""
    if layer.axes.channel == 0:
        values = np.moveaxis(values, 0, -1)
    if layer.axes.channel is not None and values.shape[-1] != 3:
        values = values.mean(axis=-1)
    rank = len(layer.axes.spatial)
    if rank < 2:
        return values
    return (montage(values) if rank == 3 else values).clip(0, 1)


def montage(pictures: np.ndarray) -> np.ndarray:
    """Returns windows of a series, or slices of a volume, as one picture.

    Args:
        pictures: Array `[N, height, width]` or `[N, height, width, 3]`.
    """
    columns = math.ceil(math.sqrt(len(pictures)))
    missing = -len(pictures) % columns
    padding = [(0, missing), *[(0, 0)] * (pictures.ndim - 1)]
    grid = np.pad(pictures, padding)
    grid = grid.reshape(-1, columns, *pictures.shape[1:])
    return np.concatenate([np.concatenate(list(row), 1) for row in grid])


def show(axis: "Axes", values: np.ndarray) -> None:
    """Plots an image as pixels and a series as lines."""
    if values.ndim == 1 or (values.ndim == 2 and values.shape[-1] == 3):
        axis.plot(values)
        return
    axis.imshow(values, cmap="gray", vmin=0, vmax=1)
    axis.set_axis_off()


def axes_of(
    number: int, width: float = 2.5, height: float = 2.5
) -> tuple["Figure", list["Axes"]]:
    figures = optional_package("matplotlib.figure", "pictures", "A plot")
    columns = min(number, 5)
    rows = -(-number // columns)
    size = width * columns, height * rows
    figure = figures.Figure(size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[number:]:
        axis.set_axis_off()
    return figure, list(axes[:number])
