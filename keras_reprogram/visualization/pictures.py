"""Plots of patterns, masks, reprogrammed inputs and label maps.

Every function returns a matplotlib figure. `figure.savefig(path)` writes it to
a file; a notebook displays it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.optional_packages import optional_package

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_pattern(input_reprogrammer: InputReprogrammer) -> "Figure":
    """Plots a pattern that is added to every sample.

    Zero is gray, the largest absolute value is white, and its negative black.

    Example:

    ```python
    reprogrammer = keras_reprogram.InputReprogrammer((8, 8, 1), (16, 16, 3))
    reprogrammer(np.zeros((1, 8, 8, 1)))
    keras_reprogram.visualization.plot_pattern(reprogrammer)
    ```

    Args:
        input_reprogrammer: `InputReprogrammer`. A built layer with a pattern
            that does not depend on the sample.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the layer is not built, or its pattern depends on the
            sample.
    """
    pattern = built(input_reprogrammer).pattern
    if isinstance(pattern, UniversalPattern):
        values = pattern.to_numpy()
    elif (
        pattern is not None
        and hasattr(pattern, "theta")
        and pattern.theta.shape == tuple(input_reprogrammer.canvas_shape)
    ):
        values = ops.convert_to_numpy(pattern.theta.value)
    else:
        raise ValueError(
            "This pattern depends on the sample: plot reprogrammed samples "
            "with `plot_inputs`. Received: a pattern of type "
            f"{type(pattern).__name__}"
        )
    largest = np.abs(values).max()
    gray = values / (2 * largest or 1.0) + 0.5
    figure, (axis,) = axes_of(1)
    show(axis, as_image(gray, input_reprogrammer))
    axis.set_title(f"pattern, largest value {largest:.3g}")
    return figure


def plot_mask(input_reprogrammer: InputReprogrammer) -> "Figure":
    """Plots the mask of a pattern, with trained values in white.

    Args:
        input_reprogrammer: `InputReprogrammer`. A built layer with a
            `UniversalPattern`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the layer is not built, or has another pattern.
    """
    pattern = built(input_reprogrammer).pattern
    if not isinstance(pattern, UniversalPattern):
        raise ValueError(
            "Only a `UniversalPattern` has a mask. Received: a pattern of "
            f"type {type(pattern).__name__}"
        )
    shape = input_reprogrammer.canvas_shape
    mask = np.ones(shape) if pattern.mask is None else pattern.mask
    figure, (axis,) = axes_of(1)
    show(axis, as_image(mask.astype(float), input_reprogrammer))
    share = mask.mean()
    axis.set_title(f"free values: {int(mask.sum()):,} ({share:.0%})")
    return figure


def plot_inputs(
    input_reprogrammer: InputReprogrammer,
    samples: np.ndarray,
    titles: Sequence[str] | None = None,
) -> "Figure":
    """Plots reprogrammed samples, the inputs of the source.

    Args:
        input_reprogrammer: `InputReprogrammer`. The layer to apply.
        samples: Array `[N, *target_shape]`. A few samples.
        titles: List of strings. A title for each sample. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    inputs = ops.convert_to_numpy(input_reprogrammer(np.asarray(samples)))
    scaling = input_reprogrammer.scaling
    inputs = (inputs - scaling.bias) / scaling.gain
    figure, axes = axes_of(len(inputs))
    for index, (axis, values) in enumerate(zip(axes, inputs)):
        show(axis, as_image(values, input_reprogrammer))
        if titles is not None:
            axis.set_title(titles[index])
    return figure


def plot_label_map(
    matrix: np.ndarray,
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
        matrix: Array `[source classes, target classes]`, such as
            `ops.convert_to_numpy(model.label_mapper.matrix)`.
        source_names: List of strings. A name for every source class. Defaults
            to `None`, their numbers.
        target_names: List of strings. A name for every target class. Defaults
            to `None`, their numbers.
        strongest: Integer. Number of weights plotted for each target class,
            those of largest absolute value. Defaults to `5`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the number of names is not that of the classes.
    """
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
        links = matrix[:, target]
        order = np.argsort(-np.abs(links), kind="stable")[:strongest]
        order = order[links[order] != 0][::-1]
        axis.barh([source_names[index] for index in order], links[order])
        axis.set_title(target_names[target])
        axis.axvline(0, color="black", linewidth=0.5)
    return figure


def built(input_reprogrammer: InputReprogrammer) -> InputReprogrammer:
    if not input_reprogrammer.built or input_reprogrammer.pattern is None:
        raise ValueError(
            "The `InputReprogrammer` must be built, by a model or a call, and "
            f"have a pattern. Received: built={input_reprogrammer.built}, "
            f"pattern={input_reprogrammer.pattern}"
        )
    return input_reprogrammer


def as_image(values: np.ndarray, layer: InputReprogrammer) -> np.ndarray:
    """Returns channels last, averaged unless there are three of them."""
    if layer.axes.channel == 0:
        values = np.moveaxis(values, 0, -1)
    if layer.axes.channel is not None and values.shape[-1] != 3:
        values = values.mean(axis=-1)
    return values.clip(0, 1) if len(layer.axes.spatial) == 2 else values


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
