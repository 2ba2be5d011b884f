"""Metric that counts queries."""

import keras

from keras_reprogram.typing import Tensor


class QueryCounter(keras.metrics.Metric):
    """Number of inputs for which training queried the source.

    The count starts at `compile` and is not reset between epochs.

    Args:
        name: String. The name of the metric. Defaults to `"queries"`.
    """

    def __init__(self, name: str = "queries") -> None:
        super().__init__(name=name)
        self.count = self.add_weight(
            name="count", shape=(), dtype="int32", initializer="zeros"
        )

    def update_state(self, num_queries: Tensor) -> None:
        self.count.assign_add(keras.ops.cast(num_queries, "int32"))

    def result(self) -> Tensor:
        # A copy, since a compiled step reuses the memory of the variable.
        return keras.ops.add(self.count, 0)

    def reset_state(self) -> None:
        """Keeps the count, which accumulates over epochs."""
