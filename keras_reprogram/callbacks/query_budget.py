"""The callback that limits the number of queries."""

from typing import Any

import keras

from keras_reprogram.configurable import positive_integer


class QueryBudget(keras.callbacks.Callback):
    """Ends training before a step that would exceed a query budget.

    Queries are counted in inputs of the source: those of training steps, or,
    for a `keras_reprogram.black_box.QueriedSource`, all that were sent to it,
    including validation and the label map's data, excluding cache hits. Once a
    validation has shown how many queries it needs, that number is reserved for
    the next one; the first is cut short when the budget ends. Put
    `keras_reprogram.callbacks.RestoreBest` before it to end with the best
    program instead of the last.

    Example:

    ```python
    budget = keras_reprogram.callbacks.QueryBudget(max_queries=20_000)
    ```

    Args:
        max_queries: Integer. Largest number of inputs of the source.
    """

    def __init__(self, max_queries: int) -> None:
        super().__init__()
        self.max_queries = positive_integer("max_queries", max_queries)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        query_state = self.model.query_state
        if not query_state.queried and not query_state.metrics:
            raise ValueError(
                "A model that is trained by its gradient sends no queries: "
                "pass a `gradient_estimator` to `compile`, or leave out the "
                "budget. "
                f"Received: max_queries={self.max_queries}"
            )
        self.last = self.model.num_queries
        self.largest = self.largest_of_validation = self.validation = 0
        if self.last >= self.max_queries:
            raise ValueError(
                "The budget is spent: pass a larger `max_queries`. "
                f"Received: max_queries={self.max_queries}, after "
                f"{self.last} queries"
            )

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        num_queries = self.model.query_state.num_queries(logs)
        self.largest = max(self.largest, num_queries - self.last)
        self.last = num_queries
        if num_queries + self.largest + self.validation > self.max_queries:
            self.model.stop_training = True

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.before_validation = self.last

    def on_test_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if not self.model.query_state.queried:
            return  # These queries are not counted.
        num_queries = self.model.query_state.num_queries()
        largest = max(self.largest_of_validation, num_queries - self.last)
        self.largest_of_validation, self.last = largest, num_queries
        if num_queries + largest > self.max_queries:
            self.model.stop_evaluating = self.model.stop_training = True

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        spent = self.last - self.before_validation
        self.validation = max(self.validation, spent)
        if self.last + self.largest + self.validation > self.max_queries:
            self.model.stop_training = True
