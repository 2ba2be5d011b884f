"""A learned linear map of node features."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.graphs.graph_transformation import (
    GraphTransformation,
)
from keras_reprogram.inputs.graphs.graph_transformation import graph_of
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor


@serializable
class FeatureProjection(GraphTransformation):
    """Maps node features linearly to those of the source.

    ```
    x'_i = x_i @ kernel + bias
    ```

    It takes features of any number and meaning, where
    `keras_reprogram.inputs.FeaturePadding` leaves them at the first of the
    source's positions.

    Args:
        seed: Integer. Seed of the kernel. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = check_seed(seed)

    def shape_after(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> FixedShape:
        return (shape[0], graph_of(specification).num_features)

    def expected_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        width = graph_of(specification).num_features
        kernel = (shape[1], width)
        check_size(kernel, LARGEST_SAMPLE)
        return [ExpectedVariable(kernel), ExpectedVariable((width,))]

    def add_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> None:
        kernel, bias = self.expected_variables(shape, specification)
        self.kernel = self.add_weight(
            name="kernel",
            shape=kernel.shape,
            initializer=keras.initializers.GlorotUniform(seed=self.seed),
        )
        self.bias = self.add_weight(
            name="bias", shape=bias.shape, initializer="zeros"
        )

    def call(
        self, graph: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        nodes = ops.add(ops.matmul(graph["nodes"], self.kernel), self.bias)
        nodes = ops.multiply(nodes, graph["mask"][..., None])
        return {**graph, "nodes": nodes}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}
