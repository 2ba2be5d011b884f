"""State of a model that is trained by queries, besides its variables."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.black_box.point_evaluation import dimension
from keras_reprogram.black_box.queried_source import queried_sources
from keras_reprogram.black_box.query_counter import QueryCounter
from keras_reprogram.black_box.search_session import SearchSession
from keras_reprogram.black_box.trained_model import TrainedModel


class QueryState:
    """State of a model that is trained by queries, besides its variables.

    It is an attribute that Keras does not track, since a model accepts no new
    layers or metrics once it is built.

    Args:
        model: A `ReprogrammedModel`.
        estimator: A `GradientEstimator`, or `None` for training with exact
            gradients.

    Attributes:
        metrics: List of metrics that are added to those of the model.
        session: The estimator's `SearchSession`, or `None`.
        queried: List of the `QueriedSource`s that the model's source is or
            joins.
    """

    def __init__(
        self, model: TrainedModel, estimator: GradientEstimator | None
    ) -> None:
        self.metrics: list[QueryCounter] = []
        self.session: SearchSession | None = None
        self.queried = queried_sources(model.source)
        if estimator is not None:
            self.metrics = [QueryCounter()]
            variables = model.input_reprogrammer.trainable_variables
            self.session = estimator.session(dimension(variables))

    def num_queries(self, logs: Mapping[str, Any] | None = None) -> int:
        """Returns the number of inputs for which the source was queried.

        For a `QueriedSource` these are all queries; for any other source,
        those of training.

        Args:
            logs: Dictionary. The logs of a step, needed within `fit`, where
                some backends do not keep metrics in their variables. Defaults
                to `None`.
        """
        if self.queried:
            return sum(source.num_queries for source in self.queried)
        if logs is not None:
            return int(logs["queries"])
        return sum(int(metric.result()) for metric in self.metrics)

    def progress(self) -> dict[str, Any]:
        """Returns what `resume` needs, besides the values of variables."""
        progress: dict[str, Any] = {}
        if self.queried:
            progress["num_queries"] = [
                source.num_queries for source in self.queried
            ]
        if self.session is not None:
            progress["losses_told"] = np.stack(self.session.losses_told)
        return progress

    def resume(self, progress: Mapping[str, Any]) -> None:
        """Restores the state of training.

        Args:
            progress: Dictionary. The return value of `progress`.
        """
        counts = np.ravel(progress.get("num_queries", ()))
        for source, count in zip(self.queried, counts):
            source.num_queries = int(count)
        if self.session is not None and "losses_told" in progress:
            self.session.replay(progress["losses_told"])
