"""The contract of the steps of a graph reprogrammer."""

import keras
from keras import ops

from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.program_parts import check_new
from keras_reprogram.sources.specification import GraphSpecification
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor


class GraphTransformation(ProgramPart, keras.layers.Layer):
    """Base class: maps graphs to graphs.

    A `keras_reprogram.inputs.GraphReprogrammer` calls its steps one after the
    other. Graphs are a dictionary of tensors, the inputs of a
    `keras_reprogram.sources.GraphNetwork`: `"nodes"`, `(batch, nodes,
    features)`, `"adjacency"`, `(batch, nodes, nodes)`, `"mask"`, `(batch,
    nodes)`, and `"aggregators"`, `(batch, convolutions, aggregators)`. A step
    returns them with its changes, of a shape `(nodes, features)` that
    `shape_after` tells, and keeps nodes and edges 0 where there are none.

    Its keyword arguments are those of `keras.layers.Layer`.
    """

    def shape_after(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> FixedShape:
        """Returns the shape of graphs after this step.

        Args:
            shape: Tuple of two integers. Number of nodes and of features
                before it.
            specification: A `SourceSpecification`. That of the source.

        Raises:
            ValueError: If the step cannot follow, or be in front of the source.
        """
        return shape

    def expected_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        """Returns the variables that `build_on` will create.

        Args:
            shape: As for `shape_after`.
            specification: A `SourceSpecification`.

        Raises:
            ValueError: If `shape_after` would.
        """
        raise NotImplementedError

    def build_on(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> None:
        """Creates the variables.

        Args:
            shape: As for `shape_after`.
            specification: A `SourceSpecification`.
        """
        check_new(self)
        self.add_variables(shape, specification)
        self.built = True

    def add_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> None:
        """Creates the variables, as `expected_variables` describes them."""
        raise NotImplementedError

    def call(
        self, graph: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        """Returns the changed graphs.

        Args:
            graph: Dictionary of tensors.
            training: Boolean. Whether to draw at random. Defaults to `False`.
        """
        raise NotImplementedError


def graph_of(specification: SourceSpecification) -> GraphSpecification:
    """Returns what a source does with graphs, if it takes them."""
    if specification.graph is None:
        raise ValueError(
            "Graphs need a source that takes them, a "
            "`keras_reprogram.sources.GraphNetwork`. Received: a source that "
            f"takes {specification.accepted_shape}"
        )
    return specification.graph


def repeated(values: Tensor, batch: Tensor) -> Tensor:
    """Returns the same values for each sample of a batch."""
    return ops.repeat(values[None], batch, axis=0)
