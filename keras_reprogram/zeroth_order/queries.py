"""One step's questions to the source, the same on every backend."""

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.zeroth_order.estimators import GradientEstimator

State = list[tuple[keras.Variable, Any]]


@dataclasses.dataclass
class Answers:
    """What a step's questions brought.

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


def program_variables(model: Any) -> list[keras.Variable]:
    """The trainable variables before the source, which queries train."""
    return model.input_reprogrammer.trainable_variables


def ask(
    model: Any,
    estimator: GradientEstimator,
    x: Any,
    y: Any,
    sample_weight: Any,
    step: Any,
    state: State = (),
) -> Answers:
    """Asks the source at the estimator's points.

    Args:
        model: A compiled `ReprogrammedModel`.
        estimator: Where to ask.
        x: A batch of samples.
        y: Its labels.
        sample_weight: Its weights, or `None`.
        step: Number of the step.
        state: Values of the model's variables, where they are not in the
            variables themselves.

    Returns:
        `Answers`.
    """
    variables = program_variables(model)
    with keras.StatelessScope(state_mapping=list(state)):
        values = [ops.convert_to_tensor(variable) for variable in variables]
    sizes = [math.prod(variable.shape) for variable in variables]
    session = model.questions.session
    drawn = estimator.drawn(sum(sizes), step, session)
    points = estimator.points(drawn, step)
    programs = [
        unflattened(points[i], values) for i in range(estimator.num_points)
    ]
    scopes = [
        keras.StatelessScope(
            state_mapping=[*state, *zip(variables, program)],
        )
        for program in programs
    ]
    outputs = answers(model, estimator, x, scopes)
    losses = []
    for scope, output in zip(scopes, outputs):
        with scope:
            predictions = model.label_mapper.head(output, x)
            losses.append(
                model.compute_loss(
                    x, y, predictions, sample_weight, training=False
                )
            )
    losses = ops.cast(ops.stack(losses), "float32")
    gradient = estimator.gradient(drawn, losses, step, session)
    gradients, start = [], 0
    for variable, size in zip(variables, sizes):
        part = ops.reshape(gradient[start : start + size], variable.shape)
        gradients.append(ops.cast(part, variable.dtype))
        start += size
    return Answers(
        outputs=estimator.centre(outputs),
        gradients=gradients,
        updates=updated(model, scopes[0]),
        samples=estimator.num_points * ops.shape(x)[0],
    )


def answers(
    model: Any, estimator: GradientEstimator, x: Any, scopes: list
) -> list[Any]:
    """The source's outputs for every program, asked for in large batches."""
    at_once = estimator.at_once or len(scopes)
    outputs = []
    for start in range(0, len(scopes), at_once):
        chunk = scopes[start : start + at_once]
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
                outputs.append(model.input_reprogrammer.align(part, x))
    return outputs


def unflattened(offset: Any, values: list[Any]) -> list[Any]:
    """The values, moved by a flat offset."""
    moved, start = [], 0
    for value in values:
        size = math.prod(value.shape)
        part = ops.reshape(offset[start : start + size], value.shape)
        moved.append(ops.add(value, ops.cast(part, value.dtype)))
        start += size
    return moved


def updated(model: Any, scope: keras.StatelessScope) -> State:
    """Variables that the input's side changes besides training."""
    found = []
    for variable in model.input_reprogrammer.non_trainable_variables:
        value = scope.get_current_value(variable)
        if value is not None:
            found.append((variable, value))
    return found
