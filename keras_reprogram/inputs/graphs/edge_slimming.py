"""Edges that are removed."""

from typing import Any

from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.graphs.graph_transformation import (
    GraphTransformation,
)
from keras_reprogram.inputs.graphs.straight_through import straight_through
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor


@serializable
class EdgeSlimming(GraphTransformation):
    """Removes edges by a learned score of their two nodes.

    ```
    a'_ij = a_ij [s_ij > 0],    s_ij = x_i^T (K + K^T) x_j / 2 + b
    ```

    with the gradient of `sigmoid(s_ij)`. All edges are kept at first: `K`
    starts from zero and `b` from 1.

    The paper removes edges of one graph that is known in training. With one
    feature for each node of that graph, `x_i = e_i`, the score is a number for
    each edge as well; with other features, it is defined for edges of new
    graphs too.

    Its keyword arguments are those of `keras.layers.Layer`.

    References:
        - [Deep graph reprogramming](https://arxiv.org/abs/2304.14593)
    """

    def expected_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        kernel = (shape[1], shape[1])
        check_size(kernel, LARGEST_SAMPLE)
        return [ExpectedVariable(kernel), ExpectedVariable(())]

    def add_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> None:
        kernel, _ = self.expected_variables(shape, specification)
        self.kernel = self.add_weight(
            name="kernel", shape=kernel.shape, initializer="zeros"
        )
        self.bias = self.add_weight(name="bias", shape=(), initializer="ones")

    def scores(self, nodes: Tensor) -> Tensor:
        """Returns the scores of all pairs of nodes, `(batch, nodes, nodes)`."""
        kernel = ops.cast(self.kernel, nodes.dtype)
        kernel = ops.multiply(ops.add(kernel, ops.transpose(kernel)), 0.5)
        scores = ops.matmul(
            ops.matmul(nodes, kernel), ops.transpose(nodes, (0, 2, 1))
        )
        return ops.add(scores, ops.cast(self.bias, nodes.dtype))

    def call(
        self, graph: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        scores = self.scores(graph["nodes"])
        kept = straight_through(
            ops.cast(scores > 0, scores.dtype), ops.sigmoid(scores)
        )
        return {**graph, "adjacency": ops.multiply(graph["adjacency"], kept)}

    def get_config(self) -> dict[str, Any]:
        # Defined, as Keras's own adds arguments that no program file holds.
        return {**super().get_config()}
