"""A learned graph that is joined to each graph."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.graphs.graph_transformation import (
    GraphTransformation,
)
from keras_reprogram.inputs.graphs.graph_transformation import repeated
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor

# Of the logits of edges, whose weights start from 0.05.
INITIAL_LOGIT = -3.0


@serializable
class GraphPadding(GraphTransformation):
    """Joins a small learned graph to each graph.

    ```
    X' = [X; P],    A' = [A, 1 c^T; c 1^T, B]
    ```

    with learned features `P` of the added nodes, weights `c` of the edges that
    join each of them to every node, and weights `B` of the edges among them.
    The weights are between 0 and 1, `sigmoid` of a number, and start from 0.05.

    Args:
        num_nodes: Integer. Number of added nodes. Defaults to `4`.
        seed: Integer. Seed of their features. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [Deep graph reprogramming](https://arxiv.org/abs/2304.14593)
    """

    def __init__(
        self, num_nodes: int = 4, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_nodes = positive_integer("num_nodes", num_nodes)
        self.seed = check_seed(seed)

    def shape_after(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> FixedShape:
        return (shape[0] + self.num_nodes, shape[1])

    def expected_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        count = self.num_nodes
        shapes = (count, shape[1]), (count,), (count, count)
        for each in shapes:
            check_size(each, LARGEST_SAMPLE)
        return [ExpectedVariable(each) for each in shapes]

    def add_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> None:
        nodes, links, edges = self.expected_variables(shape, specification)
        self.nodes = self.add_weight(
            name="nodes",
            shape=nodes.shape,
            initializer=keras.initializers.RandomNormal(
                stddev=0.05, seed=self.seed
            ),
        )
        initial = keras.initializers.Constant(INITIAL_LOGIT)
        self.links = self.add_weight(
            name="links", shape=links.shape, initializer=initial
        )
        self.edges = self.add_weight(
            name="edges", shape=edges.shape, initializer=initial
        )

    def call(
        self, graph: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        mask, dtype = graph["mask"], graph["nodes"].dtype
        batch = ops.shape(mask)[0]
        nodes, links, logits = (
            ops.cast(variable, dtype)
            for variable in (self.nodes, self.links, self.edges)
        )
        logits = ops.multiply(ops.add(logits, ops.transpose(logits)), 0.5)
        others = ops.subtract(1, ops.eye(self.num_nodes, dtype=dtype))
        edges = repeated(ops.multiply(ops.sigmoid(logits), others), batch)
        links = ops.multiply(mask[..., None], ops.sigmoid(links))
        above = ops.concatenate([graph["adjacency"], links], axis=2)
        below = ops.concatenate(
            [ops.transpose(links, (0, 2, 1)), edges], axis=2
        )
        present = repeated(ops.ones((self.num_nodes,), dtype), batch)
        return {
            **graph,
            "nodes": ops.concatenate(
                [graph["nodes"], repeated(nodes, batch)], axis=1
            ),
            "adjacency": ops.concatenate([above, below], axis=1),
            "mask": ops.concatenate([mask, present], axis=1),
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_nodes": self.num_nodes,
            "seed": self.seed,
        }
