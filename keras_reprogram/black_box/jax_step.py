"""Training step with estimated gradients on JAX."""

import jax
import keras

from keras_reprogram.black_box import training
from keras_reprogram.black_box.trained_model import TrainedModel
from keras_reprogram.typing import Tensor

# Values of trainable, other, optimizer and metric variables, as Keras passes
# them to a step on JAX.
JaxState = tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]


def train_step(
    model: TrainedModel, state: JaxState, data: Tensor
) -> tuple[dict[str, Tensor], JaxState]:
    trainable_values, other_values, optimizer_values, metric_values = state
    x, y, sample_weight = training.unpack_batch(model, data)
    variable_values = [
        *zip(model.trainable_variables, trainable_values),
        *zip(model.non_trainable_variables, other_values),
        *zip(model.optimizer.variables, optimizer_values),
    ]
    result = training.query_source(model, x, y, sample_weight, variable_values)
    variable_values += result.updates
    variables = model.label_mapper.trainable_variables

    def loss_and_outputs(
        mapping_values: list[Tensor],
    ) -> tuple[Tensor, tuple[Tensor, list[Tensor]]]:
        mapping = [*variable_values, *zip(variables, mapping_values)]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            y_pred = training.predict_labels(model, result.outputs, x)
            loss = model.compute_loss(
                x, y, y_pred, sample_weight, training=True
            )
        new_values = current_values(scope, model.non_trainable_variables)
        return loss, (y_pred, new_values)

    values = dict(zip(map(id, model.trainable_variables), trainable_values))
    (loss, (y_pred, other_values)), mapping_gradients = jax.value_and_grad(
        loss_and_outputs, has_aux=True
    )([values[id(variable)] for variable in variables])
    gradients = training.ordered_gradients(
        model, result.gradients, mapping_gradients
    )
    trainable_values, optimizer_values = model.optimizer.stateless_apply(
        optimizer_values, gradients, trainable_values
    )
    mapping = list(zip(model.metrics_variables, metric_values))
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = training.update_metrics(
            model, x, y, y_pred, sample_weight, loss, result.num_queries
        )
    metric_values = current_values(scope, model.metrics_variables)
    return logs, (
        trainable_values,
        other_values,
        optimizer_values,
        metric_values,
    )


def current_values(
    scope: keras.StatelessScope, variables: list[keras.Variable]
) -> list[Tensor]:
    return [scope.get_current_value(variable) for variable in variables]
