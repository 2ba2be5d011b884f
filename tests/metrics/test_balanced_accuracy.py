import keras
import numpy as np
import pytest
from compiled import model as small_model
from keras import ops

from keras_reprogram.metrics import BalancedAccuracy
from keras_reprogram.metrics import BalancedBinaryAccuracy

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.choice(3, 40, p=[0.7, 0.2, 0.1])
LOGITS = GENERATOR.normal(size=(40, 3)).astype("float32")
WEIGHTS = GENERATOR.exponential(size=40).astype("float32")
BINARY = (GENERATOR.random((40, 2)) < 0.3).astype("float32")
BINARY[::9, 1] = np.nan


def value(metric, *arguments, batches=3):
    for part in np.array_split(np.arange(len(arguments[0])), batches):
        metric.update_state(*(argument[part] for argument in arguments))
    return float(ops.convert_to_numpy(metric.result()))


def balanced(labels, correct, weights=None):
    weights = np.ones(len(labels)) if weights is None else weights
    return np.mean(
        [
            np.average(correct[labels == kind], weights=weights[labels == kind])
            for kind in np.unique(labels)
        ]
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_it_is_the_mean_recall_of_classes(weights):
    expected = balanced(LABELS, LOGITS.argmax(axis=1) == LABELS, weights)
    rest = () if weights is None else (weights,)
    for labels in (LABELS, LABELS[:, None], np.eye(3)[LABELS]):
        found = value(BalancedAccuracy(3), labels, LOGITS, *rest)
        assert found == pytest.approx(expected, rel=1e-5)


def test_classes_without_samples_and_unknown_labels_are_left_out():
    logits = np.concatenate([LOGITS, np.full((40, 1), -9, "float32")], axis=1)
    labels = np.where(np.arange(40) % 5, LABELS, -1)
    known = labels >= 0
    correct = LOGITS.argmax(axis=1) == LABELS
    expected = balanced(labels[known], correct[known])
    assert value(BalancedAccuracy(4), labels, logits) == pytest.approx(expected)
    nan = np.where(known, labels, np.nan)
    assert value(BalancedAccuracy(4), nan, logits) == pytest.approx(expected)
    assert value(BalancedAccuracy(4), labels - labels - 1, logits) == 0.0


def test_positions_are_samples():
    found = value(
        BalancedAccuracy(3),
        LABELS.reshape(4, 10),
        LOGITS.reshape(4, 10, 3),
        batches=2,
    )
    expected = balanced(LABELS, LOGITS.argmax(axis=1) == LABELS)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("from_logits", [True, False])
def test_binary_targets_have_recalls_of_zeros_and_ones(from_logits):
    logits = LOGITS[:, :2]
    predictions = logits if from_logits else 1 / (1 + np.exp(-logits))
    expected = []
    for target in range(2):
        known = ~np.isnan(BINARY[:, target])
        labels = BINARY[known, target]
        correct = (logits[known, target] > 0) == (labels == 1)
        expected.append(balanced(labels, correct, WEIGHTS[known]))
    metric = BalancedBinaryAccuracy(2, from_logits)
    found = value(metric, BINARY, predictions, WEIGHTS)
    assert found == pytest.approx(np.mean(expected), rel=1e-5)
    metric.reset_state()
    ones = np.ones((4, 2))
    ones[:, 1] = np.nan
    assert value(metric, ones, np.array([[1.0, 9], [1, 9], [1, 9], [-1, 9]]))


def test_predictions_that_are_not_a_number_are_never_correct():
    logits = np.where(np.arange(40)[:, None] % 2, LOGITS, np.nan)
    correct = (LOGITS.argmax(axis=1) == LABELS) & (np.arange(40) % 2 == 1)
    found = value(BalancedAccuracy(3), LABELS, logits)
    assert found == pytest.approx(balanced(LABELS, correct))
    nan = np.full((2, 1), np.nan)
    labels = np.array([[0.0], [1.0]])
    assert value(BalancedBinaryAccuracy(1), labels, nan) == 0.0
    assert np.isnan(value(BalancedBinaryAccuracy(1), labels + 5, labels))


@pytest.mark.parametrize(
    "metric",
    [
        BalancedAccuracy(3, ignore_class=2, name="mine"),
        BalancedBinaryAccuracy(2, False, 0.3),
    ],
)
def test_config_round_trip(metric):
    config = keras.saving.serialize_keras_object(metric)
    other = keras.saving.deserialize_keras_object(config)
    assert other.get_config() == metric.get_config()


def test_a_model_computes_it():
    model = small_model()
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[BalancedAccuracy(3)],
    )
    samples = np.concatenate([LOGITS, LOGITS * 0 - 9], axis=1)
    found = model.evaluate(samples, LABELS, verbose=0, return_dict=True)
    expected = balanced(LABELS, LOGITS.argmax(axis=1) == LABELS)
    assert found["balanced_accuracy"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BalancedAccuracy(0),
        lambda: BalancedAccuracy(3, ignore_class="none"),
        lambda: BalancedBinaryAccuracy(2, threshold=1.0),
        lambda: value(BalancedAccuracy(4), LABELS, LOGITS),
        lambda: value(BalancedBinaryAccuracy(3), BINARY, LOGITS[:, :2]),
        lambda: value(BalancedAccuracy(3), BINARY, LOGITS),
    ],
)
def test_what_does_not_go_together_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
