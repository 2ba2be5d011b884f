"""Training that ends when its queries are spent."""

import keras

from keras_reprogram.configurable import positive_integer


class QueryBudget(keras.callbacks.Callback):
    """Ends training before a step that would ask for too much.

    Queries are counted in inputs of the source: those of training steps, or,
    for a `keras_reprogram.sources.QueriedSource`, all that it was really
    asked, validation and the label map's data included, answers that it
    remembers excluded. Put `keras_reprogram.models.RestoreBest` before it to
    end with the best program and not the last.

    Example:

    ```python
    budget = keras_reprogram.zeroth_order.QueryBudget(max_queries=20_000)
    ```

    Args:
        max_queries: Most inputs to ask about.
    """

    def __init__(self, max_queries: int) -> None:
        super().__init__()
        self.max_queries = positive_integer("max_queries", max_queries)

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.last = self.model.queries
        self.largest = 0
        if self.last >= self.max_queries:
            raise ValueError(
                "The budget is spent: nothing is left to train with. "
                f"Received: max_queries={self.max_queries}, after "
                f"{self.last} queries"
            )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        asked = self.model.queries_of(logs)
        self.largest = max(self.largest, asked - self.last)
        self.last = asked
        if asked + self.largest > self.max_queries:
            self.model.stop_training = True
