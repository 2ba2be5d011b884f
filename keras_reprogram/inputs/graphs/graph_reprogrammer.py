"""The layer that converts graphs of the target to graphs of the source."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integers
from keras_reprogram.configurable import serializable
from keras_reprogram.dtypes import numbers_of
from keras_reprogram.inputs.graphs.graph_transformation import (
    GraphTransformation,
)
from keras_reprogram.inputs.graphs.graph_transformation import graph_of
from keras_reprogram.inputs.graphs.graph_transformation import repeated
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.graph_arrays import as_graph
from keras_reprogram.sources.graph_arrays import check_graphs
from keras_reprogram.sources.graph_arrays import nodes_and_adjacency
from keras_reprogram.sources.graph_arrays import valid_graphs
from keras_reprogram.sources.specification import GraphSpecification
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class GraphReprogrammer(InputTransformation):
    """Converts graphs to those of a source by a sequence of steps.

    ```
    graph' = (step_n . ... . step_1)(graph)
    ```

    The source is a `keras_reprogram.sources.GraphNetwork`. Each step is a
    `keras_reprogram.inputs.GraphTransformation`: `FeaturePadding` or
    `FeatureProjection` brings features to the source's width, `EdgeSlimming`
    removes edges, `GraphPadding` adds nodes, and `AggregatorChoice` chooses how
    the source aggregates neighbors.

    Samples are graphs padded with missing nodes, whose features are NaN: see
    `keras_reprogram.inputs.padded_graphs`. Predictions do not depend on how
    many there are.

    Example:

    ```python
    source = keras_reprogram.sources.GraphNetwork(num_features=5)
    water = {"nodes": [[8.0], [1.0], [1.0]],
             "adjacency": [[0, 1, 1], [1, 0, 0], [1, 0, 0]]}
    hydrogen = {"nodes": [[1.0], [1.0]], "adjacency": [[0, 1], [1, 0]]}
    graphs = keras_reprogram.inputs.padded_graphs([water, hydrogen])

    model = keras_reprogram.ReprogrammedModel(
        source.features(),
        keras_reprogram.inputs.GraphReprogrammer(
            target_shape=(3, 1),
            steps=[
                keras_reprogram.inputs.FeaturePadding(),
                keras_reprogram.inputs.GraphPadding(num_nodes=2),
                keras_reprogram.inputs.AggregatorChoice(),
            ],
        ),
        keras_reprogram.LabelMapper(num_classes=2),
    )
    model.fit(graphs, np.array([0, 1]), verbose=0)
    model.predict(graphs, verbose=0).shape  # (2, 2)
    ```

    Args:
        target_shape: Tuple of two integers. Number of nodes of a padded graph
            and number of features of a node.
        steps: Sequence of `keras_reprogram.inputs.GraphTransformation`s, in
            the order in which they are applied.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, nodes, features + nodes)`, the features of each
            node and its row of the adjacency matrix; or a dictionary of
            `"nodes"`, `(batch, nodes, features)`, and `"adjacency"`,
            `(batch, nodes, nodes)`.
        training: Boolean. Whether steps draw at random. Defaults to `None`.

    Returns:
        A dictionary of `"nodes"`, `"adjacency"`, `"mask"` and `"aggregators"`,
        the inputs of a `GraphNetwork`.

    Raises:
        ValueError: If the source takes no graphs, or those of another width
            than the last step returns.

    References:
        - [Deep graph reprogramming](https://arxiv.org/abs/2304.14593)
    """

    missing_values = "mask"
    program_objects = {"steps": GraphTransformation}
    graph: GraphSpecification

    def __init__(
        self,
        target_shape: tuple[int, int],
        steps: Sequence[GraphTransformation],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target_shape = positive_integers("target_shape", target_shape)
        if len(self.target_shape) != 2:
            raise ValueError(
                "`target_shape` must be (nodes, features). Received: "
                f"target_shape={target_shape!r}"
            )
        self.steps = checked_steps(steps)

    # === The source ===

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        shapes = self.shapes(specification)
        graph = graph_of(specification)
        if self.built and graph != self.graph:
            raise ValueError(
                "The layer was built for another source: make a new one. "
                f"Received: a source of {graph}, not {self.graph}"
            )
        if not self.built:
            for step, shape in zip(self.steps, shapes):
                step.build_on(shape, specification)
        self.graph, self.own_choices = graph, graph.own_choices
        self.source_shape = shapes[-1]
        self.built = True

    def shapes(self, specification: SourceSpecification) -> list[FixedShape]:
        """Returns the shapes of graphs before each step, and after the last.

        Args:
            specification: A `SourceSpecification`.

        Raises:
            ValueError: If the steps do not fit the source.
        """
        width = graph_of(specification).num_features
        shapes = [self.target_shape]
        for step in self.steps:
            shapes.append(step.shape_after(shapes[-1], specification))
        if shapes[-1][1] != width:
            raise ValueError(
                f"The source takes nodes with {width} features: add a "
                "`FeaturePadding()` or a `FeatureProjection()` to the `steps`. "
                f"Received: graphs with {shapes[-1][1]} features after the "
                "steps"
            )
        return shapes

    # === Samples ===

    @property
    def sample_shape(self) -> Shape:
        nodes, features = self.target_shape
        return (nodes, features + nodes)

    def merge(self, samples: dict[str, Tensor]) -> Tensor:
        if set(samples) != {"nodes", "adjacency"}:
            raise ValueError(
                'A dictionary of graphs must hold `"nodes"` and `"adjacency"`, '
                "as `keras_reprogram.inputs.padded_graphs` returns them. "
                f"Received: a dictionary of {sorted(map(str, samples))}"
            )
        parts = [
            numbers_of(name, samples[name], self.hint(samples).strip())
            for name in ("nodes", "adjacency")
        ]
        nodes, features = self.target_shape
        for part, width in zip(parts, (features, nodes)):
            shape = tuple(part.shape)
            if len(shape) != 3 or shape[1:] != (nodes, width):
                raise ValueError(
                    f"Graphs of target_shape={self.target_shape} have nodes "
                    f"of shape {(None, nodes, features)} and adjacency "
                    f"matrices of shape {(None, nodes, nodes)}: pass "
                    f"`num_nodes={nodes}` to `padded_graphs`. Received: an "
                    f"array of shape {shape}"
                )
        sizes = [part.shape[0] for part in parts]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ValueError(
                "Graphs have one adjacency matrix for each array of nodes. "
                f"Received: nodes of {sizes[0]} graphs and adjacency matrices "
                f"of {sizes[1]}"
            )
        dtype = keras.backend.result_type("float32", keras.config.floatx())
        if all(isinstance(part, np.ndarray) for part in parts):
            return np.concatenate(
                [part.astype(dtype) for part in parts], axis=-1
            )
        return ops.concatenate(
            [ops.cast(part, dtype) for part in parts], axis=-1
        )

    def hint(self, samples: object) -> str:
        return (
            "Convert a list of graphs by "
            "`keras_reprogram.inputs.padded_graphs`. "
        )

    def check_values(self, samples: np.ndarray) -> None:
        check_graphs(
            *nodes_and_adjacency(
                samples.astype("float64"), self.target_shape[0]
            ),
            dtype=self.compute_dtype,
        )

    def valid(self, samples: Tensor) -> Tensor | None:
        samples = self._one_array(samples)
        return valid_graphs(*nodes_and_adjacency(samples, self.target_shape[0]))

    @property
    def valid_values(self) -> str:
        return (
            "graphs of finite numbers, with a symmetric adjacency matrix of "
            "at least 0 whose diagonal is 0, and NaN for missing nodes"
        )

    def _one_array(self, samples: Tensor | dict[str, Tensor]) -> Tensor:
        if isinstance(samples, dict):
            samples = self.merge(samples)
        return ops.cast(samples, self.compute_dtype)

    # === The layer ===

    def call(
        self, inputs: Tensor | dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        samples = self._one_array(inputs)
        graph = as_graph(*nodes_and_adjacency(samples, self.target_shape[0]))
        own = ops.convert_to_tensor(self.own_choices, samples.dtype)
        graph["aggregators"] = repeated(own, ops.shape(samples)[0])
        for step in self.steps:
            graph = step(graph, training=training)
        return graph

    def compute_output_spec(
        self, inputs: Tensor, training: bool = False
    ) -> dict[str, keras.KerasTensor]:
        if isinstance(inputs, dict):
            inputs = inputs["nodes"]
        batch, (nodes, features) = inputs.shape[0], self.source_shape
        shapes = {
            "nodes": (batch, nodes, features),
            "adjacency": (batch, nodes, nodes),
            "mask": (batch, nodes),
            "aggregators": (batch, *self.own_choices.shape),
        }
        return {
            name: keras.KerasTensor(shape, self.compute_dtype)
            for name, shape in shapes.items()
        }

    # === Saving ===

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        shapes = self.shapes(specification)
        for nodes, features in shapes:
            check_size((nodes, nodes, features), LARGEST_SAMPLE)
        return [
            variable
            for step, shape in zip(self.steps, shapes)
            for variable in step.expected_variables(shape, specification)
        ]

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "target_shape": self.target_shape,
            "steps": [serialize(step) for step in self.steps],
        }


def checked_steps(steps: Any) -> list[GraphTransformation]:
    """Returns steps given by the user, or their configs."""
    found = [
        keras.saving.deserialize_keras_object(step)
        if isinstance(step, dict)
        else step
        for step in (steps if isinstance(steps, (list, tuple)) else [steps])
    ]
    if not all(isinstance(step, GraphTransformation) for step in found):
        raise ValueError(
            "`steps` must be a list of "
            "`keras_reprogram.inputs.GraphTransformation`s, such as "
            f"`FeaturePadding()`. Received: steps={steps!r}"
        )
    if len(set(map(id, found))) < len(found):
        raise ValueError(
            "Each step has weights of its own: make a new one for each place. "
            f"Received: steps={steps!r}"
        )
    return found
