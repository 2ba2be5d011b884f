import keras
import numpy as np
import pytest
from compiled import model
from compiled import warned

from keras_reprogram.losses import MaskedBinaryCrossentropy

losses, metrics = keras.losses, keras.metrics


def test_a_metric_that_expects_something_else_is_named():
    of_logits = model(mapping="linear", multi_label=True)
    loss = MaskedBinaryCrossentropy()
    for metric in (
        metrics.AUC(),
        "AUC",
        metrics.Precision(),
        metrics.BinaryAccuracy(),
        metrics.BinaryCrossentropy(),
    ):
        assert len(warned(of_logits, loss, metrics=[metric])) == 1
    for metric in (
        metrics.AUC(from_logits=True),
        metrics.Recall(thresholds=0.0),
        "accuracy",
        metrics.MeanSquaredError(),
    ):
        assert not warned(of_logits, loss, metrics=[metric])


@pytest.mark.parametrize(
    "name", ["accuracy", "binary_accuracy", metrics.binary_accuracy]
)
def test_accuracy_of_binary_targets_reads_logits_and_leaves_nan_out(name):
    reprogrammed = model(mapping="identity", multi_label=True)
    reprogrammed.compile("sgd", MaskedBinaryCrossentropy(), metrics=[name])
    x = np.zeros((2, 6))
    x[:, :3] = [[0.2, -3.0, 4.0], [0.3, 2.0, -1.0]]
    y = np.array([[1.0, np.nan, 0.0], [1.0, 1.0, np.nan]])
    found = reprogrammed.evaluate(x, y, verbose=0, return_dict=True)
    del found["loss"]
    np.testing.assert_allclose(*found.values(), 3 / 4)
