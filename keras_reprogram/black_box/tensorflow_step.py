"""On TensorFlow."""

from typing import Any

import tensorflow as tf

from keras_reprogram.black_box import queries
from keras_reprogram.black_box import training


def train_step(model: Any, data: Any) -> dict[str, Any]:
    x, y, weight = training.labeled(model, data)
    result = queries.evaluate_points(model, x, y, weight)
    for variable, value in result.updates:
        variable.assign(value)
    with tf.GradientTape() as tape:
        y_pred = training.predictions(model, result.outputs, x)
        loss = model.compute_loss(x, y, y_pred, weight, training=True)
    variables = model.label_mapper.trainable_variables
    of_labels = tape.gradient(loss, [variable.value for variable in variables])
    gradients = training.gradients_in_order(model, result.gradients, of_labels)
    model.optimizer.apply(gradients, model.trainable_variables)
    return training.update_metrics(
        model, x, y, y_pred, weight, loss, result.samples
    )
