"""The choice of the source's aggregators."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.graphs.graph_transformation import (
    GraphTransformation,
)
from keras_reprogram.inputs.graphs.graph_transformation import graph_of
from keras_reprogram.inputs.graphs.graph_transformation import repeated
from keras_reprogram.inputs.graphs.straight_through import straight_through
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor

# With which the source's own aggregator is drawn four times out of five, of 3.
INITIAL_LOGIT = 2.0


@serializable
class AggregatorChoice(GraphTransformation):
    """Chooses the aggregator of each of the source's convolutions.

    ```
    c_l = one_hot(argmax_k(logits_lk + g_lk))
    ```

    with noise `g` of Gumbel's distribution in training, so that aggregators are
    drawn with the probabilities `softmax(logits_l)`, and without it otherwise.
    The gradient is that of `softmax((logits_l + g_l) / temperature)`. The
    source's own aggregator is the most probable at first.

    Args:
        temperature: Float greater than 0. Defaults to `1.0`.
        seed: Integer. Seed of the noise. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [Deep graph reprogramming](https://arxiv.org/abs/2304.14593)
        - [Categorical reparameterization with Gumbel-softmax](https://arxiv.org/abs/1611.01144)
    """

    def __init__(
        self, temperature: float = 1.0, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.temperature = number("temperature", temperature, 1e-3)
        self.seed = check_seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def expected_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        graph = graph_of(specification)
        sizes = (graph.num_convolutions, len(graph.aggregators))
        return [ExpectedVariable(sizes)]

    def add_variables(
        self, shape: FixedShape, specification: SourceSpecification
    ) -> None:
        graph = graph_of(specification)
        initial = INITIAL_LOGIT * graph.own_choices
        self.aggregators = graph.aggregators
        self.logits = self.add_weight(
            name="logits", shape=initial.shape, initializer=constant(initial)
        )

    @property
    def chosen(self) -> list[str]:
        """The name of the aggregator that each convolution uses."""
        best = ops.convert_to_numpy(ops.argmax(self.logits, axis=-1))
        return [self.aggregators[index] for index in best]

    def call(
        self, graph: dict[str, Tensor], training: bool = False
    ) -> dict[str, Tensor]:
        # In float32, as the noise of a small uniform number is great.
        logits = ops.cast(self.logits, "float32")
        if training:
            uniform = keras.random.uniform(
                logits.shape,
                minval=1e-6,
                maxval=1.0 - 1e-6,
                dtype="float32",
                seed=self.seed_generator,
            )
            logits = ops.subtract(logits, ops.log(-ops.log(uniform)))
        hard = ops.one_hot(ops.argmax(logits, axis=-1), logits.shape[-1])
        soft = ops.softmax(ops.divide(logits, self.temperature), axis=-1)
        choices = straight_through(ops.cast(hard, soft.dtype), soft)
        choices = ops.cast(choices, graph["nodes"].dtype)
        batch = ops.shape(graph["mask"])[0]
        return {**graph, "aggregators": repeated(choices, batch)}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "seed": self.seed,
        }
