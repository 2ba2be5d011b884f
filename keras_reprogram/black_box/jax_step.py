"""On JAX."""

from typing import Any

import jax
import keras

from keras_reprogram.black_box import queries
from keras_reprogram.black_box import training


def train_step(
    model: Any, state: tuple, data: Any
) -> tuple[dict[str, Any], tuple]:
    trainable, others, of_optimizer, of_metrics = state
    x, y, weight = training.labeled(model, data)
    known = [
        *zip(model.trainable_variables, trainable),
        *zip(model.non_trainable_variables, others),
        *zip(model.optimizer.variables, of_optimizer),
    ]
    result = queries.evaluate_points(model, x, y, weight, known)
    known += result.updates
    variables = model.label_mapper.trainable_variables
    values = dict(zip(map(id, model.trainable_variables), trainable))

    def loss_of(labels: list[Any]) -> tuple[Any, tuple]:
        mapping = [*known, *zip(variables, labels)]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            y_pred = training.predictions(model, result.outputs, x)
            loss = model.compute_loss(x, y, y_pred, weight, training=True)
        new = current(scope, model.non_trainable_variables)
        return loss, (y_pred, new)

    (loss, (y_pred, others)), of_labels = jax.value_and_grad(
        loss_of, has_aux=True
    )([values[id(variable)] for variable in variables])
    gradients = training.gradients_in_order(model, result.gradients, of_labels)
    trainable, of_optimizer = model.optimizer.stateless_apply(
        of_optimizer, gradients, trainable
    )
    mapping = list(zip(model.metrics_variables, of_metrics))
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = training.update_metrics(
            model, x, y, y_pred, weight, loss, result.samples
        )
    of_metrics = current(scope, model.metrics_variables)
    return logs, (trainable, others, of_optimizer, of_metrics)


def current(
    scope: keras.StatelessScope, variables: list[keras.Variable]
) -> list[Any]:
    return [scope.get_current_value(variable) for variable in variables]
