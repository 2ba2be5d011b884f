"""How often a source was asked."""

from typing import Any

import keras


class QueryCounter(keras.metrics.Metric):
    """Counts, from `compile` on, the inputs that training asked about."""

    def __init__(self, name: str = "queries") -> None:
        super().__init__(name=name)
        self.count = self.add_weight(
            name="count", shape=(), dtype="int32", initializer="zeros"
        )

    def update_state(self, samples: Any) -> None:
        self.count.assign_add(keras.ops.cast(samples, "int32"))

    def result(self) -> Any:
        # Not the variable itself, whose memory a compiled step reuses.
        return keras.ops.add(self.count, 0)

    def reset_state(self) -> None:
        """Does nothing: epochs are added up."""
