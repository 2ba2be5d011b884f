"""Queries of one training step, the same on every backend."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_reprogram.black_box.trained_model import TrainedModel
from keras_reprogram.representation import constructor_call
from keras_reprogram.typing import Tensor

if TYPE_CHECKING:
    from keras_reprogram.black_box.estimators import GradientEstimator

State = list[tuple[keras.Variable, Tensor]]


@dataclasses.dataclass
class QueryResult:
    """Results of the queries of one step.

    Attributes:
        outputs: Tensor. The source's outputs at the program itself.
        gradients: List of tensors. The estimated gradients of the program's
            variables, in their order.
        updates: List of pairs. Variables that are not trained, such as the
            states of random generators, with their new values.
        num_queries: Integer scalar tensor. The number of inputs for which
            the source was queried.
    """

    outputs: Tensor
    gradients: list[Tensor]
    updates: State
    num_queries: Tensor

    __repr__ = constructor_call


def evaluate_points(
    model: TrainedModel,
    estimator: "GradientEstimator",
    x: Tensor,
    y: Tensor,
    sample_weight: Tensor,
    state: Sequence[tuple[keras.Variable, Tensor]] = (),
) -> QueryResult:
    """Queries the source at the estimator's points.

    Args:
        model: A compiled `ReprogrammedModel`.
        estimator: The model's `GradientEstimator`.
        x: Tensor. A batch of samples.
        y: Tensor. The labels of the batch.
        sample_weight: Tensor, or `None`. The weights of the samples.
        state: Pairs of variables and values, for variables of the model and
            of the optimizer that do not hold their values themselves.
            Defaults to none.

    Returns:
        A `QueryResult`.
    """
    session = model.query_state.session
    variables = model.input_reprogrammer.trainable_variables
    with keras.StatelessScope(state_mapping=list(state)):
        values = [ops.convert_to_tensor(variable) for variable in variables]
        step = ops.convert_to_tensor(model.optimizer.iterations)
    directions = estimator.sample_directions(
        dimension(variables), step, session
    )
    points = estimator.points(directions, step)
    scopes = []
    for i in range(estimator.num_points):
        perturbed = [
            ops.add(value, offset)
            for value, offset in zip(values, unflatten(points[i], variables))
        ]
        mapping = [*state, *zip(variables, perturbed)]
        scopes.append(keras.StatelessScope(state_mapping=mapping))
    with model.input_reprogrammer.same_samples():
        outputs = evaluate_source(model, estimator, x, scopes)
    losses = []
    for scope, output in zip(scopes, outputs):
        with scope:
            predictions = model.label_mapper(output, x)
            losses.append(
                model.compute_loss(
                    x, y, predictions, sample_weight, training=False
                )
            )
    losses = ops.cast(ops.stack(losses), "float32")
    gradient = estimator.gradient(directions, losses, step, session)
    return QueryResult(
        outputs=estimator.center(outputs),
        gradients=unflatten(gradient, variables),
        updates=state_updates(model, scopes[0]),
        num_queries=num_queries(model, estimator, x),
    )


def num_queries(
    model: TrainedModel, estimator: "GradientEstimator", x: Tensor
) -> Tensor:
    """Returns the number of inputs that a step sends to the source."""
    inputs_per_sample = model.input_reprogrammer.inputs_per_sample
    return estimator.num_points * inputs_per_sample * ops.shape(x)[0]


def evaluate_source(
    model: TrainedModel,
    estimator: "GradientEstimator",
    x: Tensor,
    scopes: list[keras.StatelessScope],
) -> list[Tensor]:
    """Returns the source's outputs for every program.

    The inputs of `points_per_batch` programs are sent to the source as one
    batch.
    """
    points_per_batch = estimator.points_per_batch or len(scopes)
    outputs = []
    for start in range(0, len(scopes), points_per_batch):
        chunk = scopes[start : start + points_per_batch]
        inputs = []
        for scope in chunk:
            # All scopes start from the same random states, so each program
            # gets the same samples, with the same augmentation and dropout.
            with scope:
                inputs.append(model.input_reprogrammer(x, training=True))
        with chunk[0]:
            outputs += source_outputs(model, inputs, x)
    return outputs


def source_outputs(
    model: TrainedModel, inputs: list[Tensor], x: Tensor
) -> list[Tensor]:
    """Sends several inputs of the same samples to the source as one batch.

    Args:
        model: A `ReprogrammedModel`.
        inputs: List of inputs of the source for all samples.
        x: Tensor. The batch of samples.

    Returns:
        A list of the outputs that belong to the samples.
    """
    batch = keras.tree.map_structure(
        lambda *parts: ops.concatenate(parts), *inputs
    )
    result = model.frozen_source(batch)
    parts = ops.split(result, len(inputs)) if len(inputs) > 1 else [result]
    return [model.input_reprogrammer.select_outputs(part, x) for part in parts]


def dimension(variables: list[keras.Variable]) -> int:
    """Returns the number of values of a program."""
    return sum(math.prod(variable.shape) for variable in variables)


def unflatten(vector: Tensor, variables: list[keras.Variable]) -> list[Tensor]:
    """Splits a flat tensor into the shapes and dtypes of variables."""
    pieces, start = [], 0
    for variable in variables:
        end = start + math.prod(variable.shape)
        piece = ops.reshape(vector[start:end], variable.shape)
        pieces.append(ops.cast(piece, variable.dtype))
        start = end
    return pieces


def state_updates(model: TrainedModel, scope: keras.StatelessScope) -> State:
    """Returns the states that a call of the input transformation changed."""
    updates = []
    for variable in model.input_reprogrammer.non_trainable_variables:
        value = scope.get_current_value(variable)
        if value is not None:
            updates.append((variable, value))
    return updates
