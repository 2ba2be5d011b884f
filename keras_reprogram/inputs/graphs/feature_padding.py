"""Learned features beside those of each node."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.graphs.graph_transformation import (
    GraphTransformation,
)
from keras_reprogram.inputs.graphs.graph_transformation import graph_of
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor


@serializable
class FeaturePadding(GraphTransformation):
    """Pads node features to the source's width by learned ones.

    ```
    x'_i = [x_i, p]
    ```

    The padding `p` is the same for all nodes of all graphs, and starts from
    small random numbers. Where the source is linear in its features, it is a
    bias. For features of another meaning than the source's,
    `keras_reprogram.inputs.FeatureProjection` learns which is which.

    Args:
        seed: Integer. Seed of the padding. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If graphs have more features than the source takes.

    References:
        - [Deep graph reprogramming](https://arxiv.org/abs/2304.14593)
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = check_seed(seed)

    def shape_after(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> FixedShape:
        width = graph_of(specification).num_features
        if shape[1] > width:
            raise ValueError(
                f"Features can be padded up to the source's {width}: choose as "
                "many of them, or use a `FeatureProjection`. Received: "
                f"{shape[1]} features"
            )
        return (shape[0], width)

    def expected_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        width = self.shape_after(shape, specification)[1]
        return [ExpectedVariable((width - shape[1],))]

    def add_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> None:
        (padding,) = self.expected_variables(shape, specification)
        self.padding = self.add_weight(
            name="padding",
            shape=padding.shape,
            initializer=keras.initializers.RandomNormal(
                stddev=0.05, seed=self.seed
            ),
        )

    def call(
        self, graph: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        mask = graph["mask"][..., None]
        padding = ops.multiply(mask, ops.cast(self.padding, mask.dtype))
        nodes = ops.concatenate([graph["nodes"], padding], axis=-1)
        return {**graph, "nodes": nodes}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}
