"""A step of training with estimated gradients, on the backend in use."""

import importlib
from typing import Any

import keras
import numpy as np

from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import queries
from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.black_box.query_counter import QueryCounter
from keras_reprogram.sources.gradient_path import what_blocks_gradient
from keras_reprogram.training_step import StepOutputs


class QueryState:
    """What a model that is trained by queries keeps besides its weights.

    It is no attribute of the model that Keras would track: a model takes no
    new layers or metrics once it is built.

    Args:
        model: A `ReprogrammedModel`.
        estimator: The estimator, or `None` for a model that has gradients.
    """

    def __init__(self, model: Any, estimator: GradientEstimator | None) -> None:
        self.metrics = []
        self.session = None
        self.queried = None
        if isinstance(model.source, QueriedSource):
            self.queried = model.source
        if estimator is not None:
            self.metrics = [QueryCounter()]
            variables = model.input_reprogrammer.trainable_variables
            self.session = estimator.session(queries.dimension(variables))

    def num_queries(self, logs: dict[str, Any] | None = None) -> int:
        """Inputs that the source was asked about.

        All that a `QueriedSource` was asked about, and those of training for
        any other source.

        Args:
            logs: The logs of a step, in the middle of `fit`, where metrics
                are not in their variables on every backend.
        """
        if self.queried is not None:
            return self.queried.num_queries
        if logs is not None:
            return int(logs["queries"])
        return sum(int(metric.result()) for metric in self.metrics)

    def progress(self) -> dict[str, Any]:
        """What tells how far training is, besides variables."""
        progress = {}
        if self.queried is not None:
            progress["num_queries"] = self.queried.num_queries
        if self.session is not None:
            progress["losses_told"] = np.stack(self.session.losses_told)
        return progress

    def resume(self, progress: dict[str, Any]) -> None:
        """Goes where training was that had this progress."""
        if "num_queries" in progress:
            self.queried.num_queries = int(progress["num_queries"])
        if "losses_told" in progress:
            self.session.replay(progress["losses_told"])


def check(model: Any, estimator: GradientEstimator | None) -> None:
    """Raises if a model cannot be trained with this kind of gradient."""
    trained = model.frozen_source.trainable_source_layers
    if estimator is not None and trained:
        raise ValueError(
            "Layers of a source are trained by their gradient, not by "
            "queries: leave out `trainable_source_layers` or "
            "`gradient_estimator`. Received: "
            f"trainable_source_layers={trained}"
        )
    if estimator is not None and not model.input_reprogrammer.trainable_weights:
        raise ValueError(
            "There is no program to train by queries: leave out "
            "`gradient_estimator`. Received: an input transformation without "
            "trainable weights"
        )
    if estimator is not None and model.input_reprogrammer.uses_source:
        raise ValueError(
            "A program that looks at the source itself asks it more than is "
            "counted: pass `CoordinatorPattern` an `encoder` of its own. "
            "Received: a program without one"
        )
    if estimator is None and model.input_reprogrammer.trainable_weights:
        blocked = what_blocks_gradient(model.source)
        if blocked and not isinstance(model.source, QueriedSource):
            raise ValueError(
                "No gradient gets through this source to the program: rebuild "
                "it with a floating point `keras.Input`, pass a "
                "`gradient_estimator`, or train a label map alone, with "
                f"`pattern=None`. Received: a source with {blocked} between "
                "its inputs and outputs"
            )
    if (
        estimator is None
        and isinstance(model.source, QueriedSource)
        and model.input_reprogrammer.trainable_weights
    ):
        raise ValueError(
            "A `QueriedSource` has no gradient: pass a `gradient_estimator` of "
            "`keras_reprogram.black_box`, or train a label map alone, with "
            "`pattern=None`. Received: gradient_estimator=None"
        )


def train_step(model: Any, *arguments: Any) -> Any:
    """Takes the place of `keras.Model.train_step`, with its arguments."""
    backend = keras.config.backend()
    module = importlib.import_module(
        f"keras_reprogram.black_box.{backend}_step"
    )
    return module.train_step(model, *arguments)


def labeled(model: Any, data: Any) -> tuple[Any, Any, Any]:
    """Samples as the input transformation takes them, labels and weights."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    x = model.one_input(x)
    return keras.ops.cast(x, model.inputs[0].dtype), y, sample_weight


def predictions(model: Any, outputs: Any, x: Any) -> Any:
    """The output mapping's outputs in training."""
    if not model.label_mapper.updates_statistics:
        return model.label_mapper(outputs, x)
    # `fit` updates the label map itself.
    return StepOutputs(model.label_mapper(outputs, x, training=False), outputs)


def gradients_in_order(
    model: Any, of_program: list[Any], of_labels: list[Any]
) -> list[Any]:
    """Gradients in the order of the model's trainable variables."""
    variables = [
        *model.input_reprogrammer.trainable_variables,
        *model.label_mapper.trainable_variables,
    ]
    found = {
        id(variable): gradient
        for variable, gradient in zip(variables, [*of_program, *of_labels])
    }
    return [found[id(variable)] for variable in model.trainable_variables]


def update_metrics(
    model: Any,
    x: Any,
    y: Any,
    y_pred: Any,
    weight: Any,
    loss: Any,
    num_queries: Any,
) -> dict[str, Any]:
    """Adds a step to the metrics, and returns them."""
    for metric in model.metrics:
        if metric.name == "loss":
            metric.update_state(loss, sample_weight=keras.ops.shape(x)[0])
        elif metric.name == "queries":
            metric.update_state(num_queries)
            if model.query_state.queried is not None:
                metric.count.assign(model.query_state.num_queries())
    return model.compute_metrics(x, y, y_pred, sample_weight=weight)
