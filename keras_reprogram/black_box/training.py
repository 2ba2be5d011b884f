"""Training step with estimated gradients, on the backend in use."""

import importlib
from typing import Any

import keras

from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.black_box.point_evaluation import QueryResult
from keras_reprogram.black_box.point_evaluation import State
from keras_reprogram.black_box.queried_source import QueriedSource
from keras_reprogram.black_box.query_state import QueryState
from keras_reprogram.black_box.trained_model import TrainedModel
from keras_reprogram.sources.gradient_path import what_blocks_gradient
from keras_reprogram.sources.joined_source import parts_of
from keras_reprogram.training_step import StepOutputs
from keras_reprogram.typing import Tensor

__all__ = ["QueryState", "check", "has_no_gradient", "train_step"]


def check(model: TrainedModel, estimator: GradientEstimator | None) -> None:
    """Checks whether a model can be trained with this kind of gradient.

    Args:
        model: A `ReprogrammedModel`.
        estimator: A `GradientEstimator`, or `None` for exact gradients.

    Raises:
        ValueError: If it cannot.
    """
    if estimator is not None:
        check_estimated(model)
    elif model.input_reprogrammer.trainable_weights:
        check_exact(model)


def check_estimated(model: TrainedModel) -> None:
    trained = model.frozen_source.trainable_source_layers
    if trained:
        raise ValueError(
            "Layers of a source are trained with exact gradients, not by "
            "queries: leave out `trainable_source_layers` or "
            "`gradient_estimator`. Received: "
            f"trainable_source_layers={trained}"
        )
    if not model.input_reprogrammer.trainable_weights:
        raise ValueError(
            "There is no program to train by queries: leave out "
            "`gradient_estimator`. Received: an input transformation without "
            "trainable weights"
        )
    if model.input_reprogrammer.uses_source:
        raise ValueError(
            "A program that uses the source itself queries it more often than "
            "is counted: give a `CoordinatorPattern` an `encoder` of its own, "
            "and train a `Recurrence` without a `gradient_estimator`. "
            f"Received: {type(model.input_reprogrammer).__name__}, which uses "
            "the source"
        )


def sources_behind_programs(model: TrainedModel) -> list[keras.Model]:
    """Returns the sources whose inputs are trained."""
    layers = model.input_reprogrammer.for_each_source()
    return [
        source
        for source, layer in zip(parts_of(model.source), layers, strict=True)
        if layer.trainable_weights
    ]


def has_no_gradient(model: TrainedModel) -> bool:
    """Whether no gradient gets through some source to its program."""
    return any(
        isinstance(source, QueriedSource) or what_blocks_gradient(source)
        for source in sources_behind_programs(model)
    )


def check_exact(model: TrainedModel) -> None:
    for source in sources_behind_programs(model):
        check_has_gradient(source)


def check_has_gradient(source: keras.Model) -> None:
    if isinstance(source, QueriedSource):
        raise ValueError(
            "A `QueriedSource` has no gradient: pass a `gradient_estimator` of "
            "`keras_reprogram.black_box`, or train a label map alone, with "
            "`pattern=None`. Received: gradient_estimator=None"
        )
    blocked = what_blocks_gradient(source)
    if blocked:
        raise ValueError(
            "No gradient gets through this source to the program: rebuild "
            "it with a floating point `keras.Input`, pass a "
            "`gradient_estimator`, or train a label map alone, with "
            f"`pattern=None`. Received: a source with {blocked} between "
            "its inputs and outputs"
        )


def train_step(model: TrainedModel, *args: Any) -> Any:
    """Replaces `keras.Model.train_step` and takes the same arguments."""
    backend = keras.config.backend()
    module = importlib.import_module(
        f"keras_reprogram.black_box.{backend}_step"
    )
    return module.train_step(model, *args)


def unpack_batch(
    model: TrainedModel, data: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns samples as the model's input, labels and sample weights."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    x = model.one_input(x)
    return keras.ops.cast(x, model.inputs[0].dtype), y, sample_weight


def query_source(
    model: TrainedModel,
    x: Tensor,
    y: Tensor,
    sample_weight: Tensor,
    state: State | None = None,
) -> QueryResult:
    """Queries the source at the points of the model's estimator.

    Args:
        model: A `ReprogrammedModel` that was compiled with a
            `gradient_estimator`.
        x: Tensor. A batch of samples.
        y: Tensor. The labels of the batch.
        sample_weight: Tensor, or `None`. The weights of the samples.
        state: List of pairs, as for `GradientEstimator.query`. Defaults to
            `None`.

    Returns:
        A `QueryResult`.
    """
    estimator = model.gradient_estimator
    if estimator is None:
        raise ValueError(
            "Training by queries needs a `gradient_estimator`: pass one to "
            "`compile`. Received: gradient_estimator=None"
        )
    return estimator.query(model, x, y, sample_weight, state or [])


def predict_labels(model: TrainedModel, outputs: Tensor, x: Tensor) -> Tensor:
    """Returns the output mapping's predictions in training.

    Args:
        model: A `ReprogrammedModel`.
        outputs: Tensor. The source's outputs at the program.
        x: Tensor. A batch of samples.

    Returns:
        Predictions, or `StepOutputs` for a label map that `fit` solves again.
    """
    if not model.label_mapper.updates_statistics:
        return model.label_mapper(outputs, x)
    return StepOutputs(model.label_mapper(outputs, x, training=False), outputs)


def ordered_gradients(
    model: TrainedModel,
    program_gradients: list[Tensor],
    mapping_gradients: list[Tensor],
) -> list[Tensor]:
    """Returns gradients in the order of the model's trainable variables."""
    variables = [
        *model.input_reprogrammer.trainable_variables,
        *model.label_mapper.trainable_variables,
    ]
    gradients = {
        id(variable): gradient
        for variable, gradient in zip(
            variables, [*program_gradients, *mapping_gradients]
        )
    }
    return [gradients[id(variable)] for variable in model.trainable_variables]


def update_metrics(
    model: TrainedModel,
    x: Tensor,
    y: Tensor,
    y_pred: Tensor,
    sample_weight: Tensor,
    loss: Tensor,
    num_queries: Tensor,
) -> dict[str, Tensor]:
    """Updates the metrics with a step, and returns their values."""
    for metric in model.metrics:
        if metric.name == "loss":
            metric.update_state(loss, sample_weight=keras.ops.shape(x)[0])
        elif metric.name == "queries":
            metric.update_state(num_queries)
            if model.query_state.queried:
                metric.count.assign(model.query_state.num_queries())
    return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
