"""Training step with estimated gradients on PyTorch."""

import torch

from keras_reprogram.black_box import training
from keras_reprogram.black_box.trained_model import TrainedModel
from keras_reprogram.typing import Tensor


def train_step(model: TrainedModel, data: Tensor) -> dict[str, Tensor]:
    x, y, sample_weight = training.unpack_batch(model, data)
    with torch.no_grad():
        result = training.query_source(model, x, y, sample_weight)
        for variable, value in result.updates:
            variable.assign(value)
    model.zero_grad()
    y_pred = training.predict_labels(model, result.outputs, x)
    loss = model.compute_loss(x, y, y_pred, sample_weight, training=True)
    variables = model.label_mapper.trainable_variables
    if variables:
        loss.backward()
    gradients = training.ordered_gradients(
        model,
        result.gradients,
        [variable.value.grad for variable in variables],
    )
    with torch.no_grad():
        model.optimizer.apply(gradients, model.trainable_variables)
    return training.update_metrics(
        model, x, y, y_pred, sample_weight, loss.detach(), result.num_queries
    )
