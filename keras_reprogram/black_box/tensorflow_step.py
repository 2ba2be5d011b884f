"""Training step with estimated gradients on TensorFlow."""

import tensorflow as tf

from keras_reprogram.black_box import training
from keras_reprogram.black_box.trained_model import TrainedModel
from keras_reprogram.typing import Tensor


def train_step(model: TrainedModel, data: Tensor) -> dict[str, Tensor]:
    x, y, sample_weight = training.unpack_batch(model, data)
    result = training.query_source(model, x, y, sample_weight)
    for variable, value in result.updates:
        variable.assign(value)
    with tf.GradientTape() as tape:
        y_pred = training.predict_labels(model, result.outputs, x)
        loss = model.compute_loss(x, y, y_pred, sample_weight, training=True)
    variables = model.label_mapper.trainable_variables
    gradients = training.ordered_gradients(
        model,
        result.gradients,
        tape.gradient(loss, [variable.value for variable in variables]),
    )
    model.optimizer.apply(gradients, model.trainable_variables)
    return training.update_metrics(
        model, x, y, y_pred, sample_weight, loss, result.num_queries
    )
