"""A plot of a whole program: what is put in front of a source and behind it."""

import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.inputs import AveragedViews
from keras_reprogram.inputs import ChannelAdapter
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import InputTransformation
from keras_reprogram.inputs import JoinedTransformation
from keras_reprogram.inputs import SeriesReprogrammer
from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs import TokenMapping
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import ForecastHead
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.sources.output_blocks import block_sizes
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import unit_vectors
from keras_reprogram.visualization.pictures import axes_of
from keras_reprogram.visualization.pictures import has_plot
from keras_reprogram.visualization.pictures import plot_bars
from keras_reprogram.visualization.pictures import plot_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Panel(NamedTuple):
    """One of the plots of a figure.

    Attributes:
        title: String.
        draw: Function that draws on axes.
    """

    title: str
    draw: Callable[["Axes"], Any]


def plot_program(
    model: ReprogrammedModel,
    source_names: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    token_names: Sequence[str] | None = None,
    strongest: int = 5,
    most: int = 10,
) -> "Figure":
    """Plots the program of a model, both ends of it.

    | part | plot |
    |---|---|
    | pattern of a canvas | its values, see `plot_pattern` |
    | token mapping | for each target token the source tokens that it is combined from, or whose embeddings are nearest by the cosine |
    | soft prompt | for each step the nearest source tokens |
    | text prototypes | for each prototype the source tokens of largest weight |
    | channel adapter | the weights of the channels in each component |
    | label map, regression | for each class or number the source classes of largest weight |
    | label map, regression of stages | for each class or number the norm of the weights of each stage |
    | forecast | the norm of the weights of each step of the forecast |

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer(target_shape=(4, 4, 1)),
        keras_reprogram.LabelMapper(2, "random"),
    )
    figure = keras_reprogram.visualization.plot_program(model)
    ```

    Args:
        model: `ReprogrammedModel`.
        source_names: List of strings. A name for every source class. Defaults
            to `None`, their numbers.
        target_names: List of strings. A name for every target class or number.
            Defaults to `None`, the class names of the label map, or numbers.
        token_names: List of strings. A name for every source token. Defaults to
            `None`, their numbers.
        strongest: Integer. Number of source classes or tokens of a plot.
            Defaults to `5`.
        most: Integer. Largest number of tokens, steps of a prompt, prototypes
            and target classes, each the first ones. Defaults to `10`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the model has no part that can be plotted, its label map
            is not found yet, or names are of another number.
    """  # noqa: E501
    if not isinstance(model, ReprogrammedModel):
        raise ValueError(
            "`model` must be a `ReprogrammedModel`. Received: model of type "
            f"{type(model).__name__}"
        )
    strongest = positive_integer("strongest", strongest)
    most = positive_integer("most", most)
    drawing = Drawing(strongest, most)
    panels = [
        *drawing.of_input(model.input_reprogrammer, token_names),
        *drawing.of_output(model, source_names, target_names),
    ]
    if not panels:
        raise ValueError(
            "Plotted are patterns, token mappings, soft prompts, text "
            "prototypes, channel adapters, label maps, regression heads and "
            "forecast heads; for other programs plot reprogrammed samples with "
            "`plot_inputs`. Received: a model with "
            f"{type(model.input_reprogrammer).__name__} and "
            f"{type(model.label_mapper).__name__}"
        )
    figure, axes = axes_of(
        len(panels), width=3.2, height=max(2.5, 0.6 + 0.25 * strongest)
    )
    for axis, panel in zip(axes, panels):
        panel.draw(axis)
        axis.set_title(panel.title)
    return figure


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Makes the panels of a program.

    Args:
        strongest: Integer. Number of bars of a panel.
        most: Integer. Largest number of panels of one matrix.
    """

    strongest: int
    most: int

    def of_input(
        self, layer: InputTransformation, token_names: Sequence[str] | None
    ) -> Iterator[Panel]:
        """Yields the panels of an input transformation."""
        if isinstance(layer, AveragedViews):
            yield from self.of_input(layer.transformation, token_names)
        elif isinstance(layer, JoinedTransformation):
            for each in layer.transformations:
                yield from self.of_input(each, token_names)
        elif isinstance(layer, InputReprogrammer):
            if has_plot(layer):
                draw = functools.partial(plot_values, layer=layer)
                yield Panel("pattern", draw)
        elif isinstance(layer, ChannelAdapter):
            kernel = ops.convert_to_numpy(layer.kernel)
            yield from self.of_matrix(kernel, "component")
        else:
            for label, links in token_matrices(layer, self.most):
                yield from self.of_matrix(links, label, token_names)

    def of_output(
        self,
        model: ReprogrammedModel,
        source_names: Sequence[str] | None,
        target_names: Sequence[str] | None,
    ) -> Iterator[Panel]:
        """Yields the panels of an output mapping."""
        mapper = model.label_mapper
        mapper.check_solved()
        if isinstance(mapper, ForecastHead):
            kernel = ops.convert_to_numpy(mapper.kernel)
            steps = kernel.reshape(len(kernel), mapper.horizon, -1)
            norms = np.sqrt(np.square(steps).sum(axis=(0, 2)))
            yield Panel("forecast", functools.partial(plot_steps, norms=norms))
            return
        if isinstance(mapper, LabelMapper):
            label, weights = "class", mapper.matrix
            target_names = target_names or mapper.class_names
        elif isinstance(mapper, RegressionHead):
            label, weights = "number", mapper.kernel
        else:
            return
        matrix = ops.convert_to_numpy(weights)
        sizes = block_sizes(model.source)
        if len(sizes) > 1 and sum(sizes) == len(matrix):
            blocks = np.split(np.square(matrix), np.cumsum(sizes)[:-1])
            matrix = np.sqrt([block.sum(axis=0) for block in blocks])
            source_names = [f"stage {index}" for index in range(len(sizes))]
        yield from self.of_matrix(matrix, label, source_names, target_names)

    def of_matrix(
        self,
        matrix: np.ndarray,
        label: str,
        names: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
    ) -> Iterator[Panel]:
        """Yields a panel of the strongest links for each column of a matrix."""
        for given, size in ((names, len(matrix)), (targets, matrix.shape[1])):
            if given is not None and len(given) != size:
                raise ValueError(
                    "There must be a name for each of the source's and the "
                    "target's classes or tokens. Received: "
                    f"{len(given)} names for {size} of them"
                )
        for index in range(min(matrix.shape[1], self.most)):
            title = f"{label} {index}" if targets is None else targets[index]
            draw = functools.partial(
                plot_bars,
                links=matrix[:, index],
                names=names,
                strongest=self.strongest,
            )
            yield Panel(title, draw)


def token_matrices(
    layer: InputTransformation, most: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields matrices `[source tokens, ...]` of a layer, with labels."""
    if isinstance(layer, TokenReprogrammer):
        links = token_links(layer.mapping, most)
        if links is not None:
            yield "token", links
        for prompt in layer.prompts:
            source_rows = layer.mapping.source_rows()
            yield "prompt", nearest(prompt.embeddings, source_rows)
    elif isinstance(layer, SeriesReprogrammer):
        part = layer.prototypes
        weights = ops.convert_to_numpy(part.combination)[:most]
        yield (
            "prototype",
            spread(weights, part.chosen, part.source_embeddings.size),
        )


def token_links(mapping: TokenMapping, most: int) -> np.ndarray | None:
    """Returns weights `[source tokens, target tokens]`, or `None`."""
    size = mapping.source_embeddings.size
    if isinstance(mapping, SparseCombination):
        chosen = ops.convert_to_numpy(mapping.chosen)[:most]
        weights = ops.convert_to_numpy(mapping.combination)[:most]
        links = np.zeros((size, len(chosen)))
        np.add.at(links, (chosen, np.arange(len(chosen))[:, None]), weights)
        return links
    if isinstance(mapping, TokenRemapping):
        middle = mapping.theta[mapping.context // 2]
        shares = ops.softmax(ops.cast(middle, "float32"), axis=-1)
        weights = ops.convert_to_numpy(shares)[:most]
        return spread(weights, mapping.chosen, size)
    if type(mapping).table is TokenMapping.table:
        return None
    return nearest(mapping.table()[:most], mapping.source_rows())


def nearest(embeddings: Tensor, source_rows: Tensor) -> np.ndarray:
    """Returns the cosines `[source tokens, embeddings]`."""
    rows = [
        unit_vectors(ops.cast(values, "float32"))
        for values in (source_rows, embeddings)
    ]
    return np.asarray(
        ops.convert_to_numpy(ops.matmul(rows[0], ops.transpose(rows[1])))
    )


def spread(weights: np.ndarray, chosen: Tensor, size: int) -> np.ndarray:
    """Returns weights `[size, rows]` of all tokens from those of some."""
    links = np.zeros((size, len(weights)))
    tokens = slice(None) if chosen is None else np.asarray(chosen)
    links[tokens] = weights.T
    return links


def plot_steps(axis: "Axes", norms: np.ndarray) -> None:
    axis.plot(np.arange(1, len(norms) + 1), norms)
    axis.set_xlabel("step")
    axis.set_ylabel("norm of the weights")
