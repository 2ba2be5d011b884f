"""One step's queries to the source, the same on every backend."""

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.black_box.estimators import GradientEstimator

State = list[tuple[keras.Variable, Any]]


@dataclasses.dataclass
class QueryResult:
    """What the queries of a step return.

    Attributes:
        outputs: The source's outputs at the program itself.
        gradients: Estimated gradients of the program's variables, in their
            order.
        updates: New values of variables that are not trained, such as the
            states of random generators.
        samples: Number of inputs that the source was asked about.
    """

    outputs: Any
    gradients: list[Any]
    updates: State
    samples: Any


def evaluate_points(
    model: Any, x: Any, y: Any, sample_weight: Any, state: State = ()
) -> QueryResult:
    """Queries the source at the estimator's points.

    Args:
        model: A compiled `ReprogrammedModel` with a `gradient_estimator`.
        x: A batch of samples.
        y: Its labels.
        sample_weight: Its weights, or `None`.
        state: Values of the model's and the optimizer's variables, where
            they are not in the variables themselves.

    Returns:
        `QueryResult`.
    """
    estimator, session = model.gradient_estimator, model.query_state.session
    variables = model.input_reprogrammer.trainable_variables
    with keras.StatelessScope(state_mapping=list(state)):
        values = [ops.convert_to_tensor(variable) for variable in variables]
        step = ops.convert_to_tensor(model.optimizer.iterations)
    sampled = estimator.sample_directions(dimension(variables), step, session)
    points = estimator.points(sampled, step)
    scopes = []
    for i in range(estimator.num_points):
        moved = [
            ops.add(value, part)
            for value, part in zip(values, unflattened(points[i], variables))
        ]
        scopes.append(
            keras.StatelessScope(state_mapping=[*state, *zip(variables, moved)])
        )
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
    gradient = estimator.gradient(sampled, losses, step, session)
    return QueryResult(
        outputs=estimator.center(outputs),
        gradients=unflattened(gradient, variables),
        updates=updated(model, scopes[0]),
        samples=estimator.num_points * ops.shape(x)[0],
    )


def evaluate_source(
    model: Any, estimator: GradientEstimator, x: Any, scopes: list
) -> list[Any]:
    """The source's outputs for every program, asked for in large batches."""
    points_per_batch = estimator.points_per_batch or len(scopes)
    outputs = []
    for start in range(0, len(scopes), points_per_batch):
        chunk = scopes[start : start + points_per_batch]
        inputs = []
        for scope in chunk:
            # Each program sees the same samples, shifts and dropout included:
            # all scopes start from the same states.
            with scope:
                inputs.append(model.input_reprogrammer(x, training=True))
        together = keras.tree.map_structure(
            lambda *parts: ops.concatenate(parts), *inputs
        )
        with chunk[0]:
            found = model.frozen_source(together)
        parts = ops.split(found, len(chunk)) if len(chunk) > 1 else [found]
        for scope, part in zip(chunk, parts):
            with scope:
                outputs.append(model.input_reprogrammer.select_outputs(part, x))
    return outputs


def dimension(variables: list[keras.Variable]) -> int:
    """Number of values of a program."""
    return sum(math.prod(variable.shape) for variable in variables)


def unflattened(flat: Any, variables: list[keras.Variable]) -> list[Any]:
    """A flat tensor in pieces of the variables' shapes and dtypes."""
    pieces, start = [], 0
    for variable in variables:
        end = start + math.prod(variable.shape)
        piece = ops.reshape(flat[start:end], variable.shape)
        pieces.append(ops.cast(piece, variable.dtype))
        start = end
    return pieces


def updated(model: Any, scope: keras.StatelessScope) -> State:
    """Variables that the input transformation changes besides training."""
    found = []
    for variable in model.input_reprogrammer.non_trainable_variables:
        value = scope.get_current_value(variable)
        if value is not None:
            found.append((variable, value))
    return found
