"""On PyTorch."""

from typing import Any

import torch

from keras_reprogram.black_box import queries
from keras_reprogram.black_box import training


def train_step(model: Any, data: Any) -> dict[str, Any]:
    x, y, weight = training.labeled(model, data)
    with torch.no_grad():
        result = queries.evaluate_points(model, x, y, weight)
        for variable, value in result.updates:
            variable.assign(value)
    model.zero_grad()
    y_pred = training.predictions(model, result.outputs, x)
    loss = model.compute_loss(x, y, y_pred, weight, training=True)
    variables = model.label_mapper.trainable_variables
    if variables:
        loss.backward()
    of_labels = [variable.value.grad for variable in variables]
    gradients = training.gradients_in_order(model, result.gradients, of_labels)
    with torch.no_grad():
        model.optimizer.apply(gradients, model.trainable_variables)
    return training.update_metrics(
        model, x, y, y_pred, weight, loss.detach(), result.samples
    )
