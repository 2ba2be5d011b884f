import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.metrics import KnownAccuracy
from keras_reprogram.metrics import KnownAUC
from keras_reprogram.metrics import KnownBinaryAccuracy

NAN = np.nan
LABELS = np.array([[1, NAN, 0], [0, 1, NAN], [1, 0, 1], [NAN, 1, 0]], "float32")
LOGITS = np.array(
    [[0.3, 9, 0.2], [-1, 0.6, 4], [0.1, -2, -3], [7, 2, -1]], "float32"
)
RIGHT = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 1, 1]], "float32")
KNOWN = ~np.isnan(LABELS)
PER_SAMPLE = np.array([1, 2, 3, 0.5], "float32")
PER_LABEL = np.arange(12, dtype="float32").reshape(4, 3)


def value(metric, *arguments, **kwargs):
    metric.update_state(*arguments, **kwargs)
    return float(ops.convert_to_numpy(metric.result()))


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype("float64")))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_unknown_binary_labels_are_left_out_and_logits_are_read(dtype):
    expected = RIGHT.sum() / KNOWN.sum()
    found = value(KnownBinaryAccuracy(), LABELS, LOGITS.astype(dtype))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    probabilities = sigmoid(LOGITS).astype(dtype)
    metric = KnownBinaryAccuracy(from_logits=False)
    np.testing.assert_allclose(
        value(metric, LABELS, probabilities), expected, rtol=1e-6
    )


@pytest.mark.parametrize("from_logits", [True, False])
def test_a_threshold_is_a_probability(from_logits):
    metric = KnownBinaryAccuracy(from_logits, threshold=0.57)  # logit .282
    predictions = LOGITS if from_logits else sigmoid(LOGITS).astype("float32")
    right = (LOGITS > np.log(0.57 / 0.43)) == (LABELS > 0.5)
    np.testing.assert_allclose(
        value(metric, LABELS, predictions), right[KNOWN].mean(), rtol=1e-6
    )


@pytest.mark.parametrize(
    "weights", [PER_SAMPLE, PER_LABEL, PER_SAMPLE[:, None]]
)
def test_binary_weights_are_of_samples_or_labels(weights):
    full = weights if weights.ndim == 2 else weights[:, None]
    full = np.broadcast_to(full, LABELS.shape) * KNOWN
    found = value(KnownBinaryAccuracy(), LABELS, LOGITS, weights)
    np.testing.assert_allclose(found, (RIGHT * full).sum() / full.sum())


def test_batches_of_any_length_count_their_labels():
    metric = KnownBinaryAccuracy()
    metric.update_state(LABELS[:1], LOGITS[:1])
    metric.update_state(LABELS[1:, :2], LOGITS[1:, :2])
    right = RIGHT[0].sum() + RIGHT[1:, :2].sum()
    known = KNOWN[0].sum() + KNOWN[1:, :2].sum()
    found = float(ops.convert_to_numpy(metric.result()))
    np.testing.assert_allclose(found, right / known, rtol=1e-6)


def test_one_target_may_have_labels_without_its_axis():
    labels = np.array([1.0, NAN, 0.0])
    logits = np.array([[1.0], [2.0], [3.0]])
    assert value(KnownBinaryAccuracy(), labels, logits) == 0.5
    assert value(KnownBinaryAccuracy(), labels, logits[:, 0]) == 0.5


def test_a_prediction_that_is_not_a_number_is_never_right():
    logits = np.array([[NAN, NAN, 3.0]])
    labels = np.array([[0.0, 1.0, 1.0]])
    found = value(KnownBinaryAccuracy(), labels, logits)
    np.testing.assert_allclose(found, 1 / 3, rtol=1e-6)
    found = value(KnownAccuracy(), np.array([0, 2]), np.tile(logits, (2, 1)))
    assert found == 0


@pytest.mark.parametrize("metric", [KnownBinaryAccuracy, KnownAUC])
def test_a_label_outside_0_to_1_makes_the_result_not_a_number(metric):
    labels = np.array([[-1.0, 1.0, 0.0]])
    assert np.isnan(value(metric(), labels, np.ones((1, 3))))


# === Classes ===
CLASSES = np.array([[0, 2, -1], [1, -1, 2]])
SCORES = np.eye(3, dtype="float32")[[[0, 1, 2], [1, 2, 2]]] * 4 - 2


def one_hot(classes):
    rows = np.eye(3, dtype="float32")[np.maximum(classes, 0)]
    return np.where((classes < 0)[..., None], 0, rows)


@pytest.mark.parametrize(
    "labels",
    [
        CLASSES,
        CLASSES[..., None],
        CLASSES.astype("float32"),
        np.where(CLASSES < 0, NAN, CLASSES),
        one_hot(CLASSES),
        np.where(CLASSES[..., None] < 0, NAN, one_hot(CLASSES)),
        np.where(CLASSES[..., None] < 0, 0, 0.8 * one_hot(CLASSES) + 0.1),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_unknown_classes_are_left_out_at_any_rank(labels, dtype):
    found = value(KnownAccuracy(), labels, SCORES.astype(dtype))
    assert found == 3 / 4
    found = value(KnownAccuracy(), labels[:, 0], SCORES[:, 0])
    assert found == 1


def test_another_class_may_stand_for_what_is_not_known():
    labels = np.where(CLASSES < 0, 255, CLASSES).astype("uint8")
    assert value(KnownAccuracy(ignore_class=255), labels, SCORES) == 3 / 4
    assert value(KnownAccuracy(ignore_class=None), labels, SCORES) == 3 / 6


def test_weights_of_classes():
    weights = np.array([1.0, 3.0])
    found = value(KnownAccuracy(), CLASSES, SCORES, weights)
    np.testing.assert_allclose(found, (1 + 2 * 3) / (2 * 1 + 2 * 3))
    weights = np.arange(6.0).reshape(2, 3)
    found = value(KnownAccuracy(), CLASSES, SCORES, weights)
    np.testing.assert_allclose(found, (0 + 3 + 5) / (0 + 1 + 3 + 5))


# === Areas ===


def many(seed=0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(60, 2)).astype("float32")
    labels = (logits + generator.normal(size=(60, 2)) > 0).astype("float32")
    labels[generator.random((60, 2)) < 0.3] = NAN
    return labels, logits


def area(labels, logits, weights=1.0):
    """Share of the pairs of a positive and a negative in the right order."""
    weights = np.broadcast_to(weights, labels.shape)
    wins = (logits[:, None] > logits) + 0.5 * (logits[:, None] == logits)
    pairs = np.outer(weights * (labels == 1), weights * (labels == 0))
    return (pairs * wins).sum() / pairs.sum()


def test_an_area_is_that_of_the_known_pairs():
    labels, logits = many()
    known = ~np.isnan(labels)
    expected = area(labels[known], logits[known])
    metric = KnownAUC(num_thresholds=100_001)
    np.testing.assert_allclose(
        value(metric, labels, logits), expected, atol=1e-3
    )
    metric = KnownAUC(from_logits=False, num_thresholds=100_001)
    found = value(metric, labels, sigmoid(logits))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("curve", ["ROC", "PR"])
@pytest.mark.parametrize("thresholds", [None, [0.2, 0.3, 0.8]])
def test_an_area_is_kerass_own_over_the_known_labels(curve, thresholds):
    labels, logits = many()
    weights = np.random.default_rng(1).random(60).astype("float32")
    known = ~np.isnan(labels)
    settings = {"curve": curve, "thresholds": thresholds}
    peer = keras.metrics.AUC(from_logits=True, **settings)
    expected = value(
        peer,
        labels[known],
        logits[known],
        np.broadcast_to(weights[:, None], labels.shape)[known],
    )
    found = value(KnownAUC(**settings), labels, logits, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("label_weights", [None, [1.0, 3.0, 5.0]])
def test_the_areas_of_targets_are_averaged_where_there_is_one(label_weights):
    labels, logits = many()
    # The third target has labels of one kind.
    third = np.where(np.isnan(labels[:, :1]), NAN, 1.0).astype("float32")
    labels = np.concatenate([labels, third], axis=1)
    logits = np.concatenate([logits, logits[:, :1]], axis=1)
    areas = [
        value(
            keras.metrics.AUC(from_logits=True),
            labels[~np.isnan(labels[:, target]), target],
            logits[~np.isnan(labels[:, target]), target],
        )
        for target in range(2)
    ]
    metric = KnownAUC(multi_label=True, label_weights=label_weights)
    expected = np.average(areas, weights=(label_weights or [1, 1])[:2])
    metric.update_state(labels[:30], logits[:30])
    found = value(metric, labels[30:], logits[30:])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    copy = keras.metrics.deserialize(keras.metrics.serialize(metric))
    np.testing.assert_allclose(value(copy, labels, logits), found, rtol=1e-5)


def test_a_prediction_that_is_not_a_number_has_no_area():
    labels, logits = many()
    logits[np.isnan(labels)] = NAN
    assert np.isfinite(value(KnownAUC(), labels, logits))
    logits[~np.isnan(labels)] = NAN
    assert np.isnan(value(KnownAUC(), labels, logits))


# === All ===
METRICS = [
    KnownBinaryAccuracy(from_logits=False, threshold=0.25),
    KnownAccuracy(ignore_class=7),
    KnownAUC(curve="PR", num_thresholds=50),
]


@pytest.mark.parametrize("metric", METRICS)
def test_config_round_trip(metric):
    copy = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert copy.get_config() == metric.get_config()
    assert metric._direction == "up"


def test_a_model_computes_them_in_evaluate():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    model.compile(
        loss="mse",
        metrics=[KnownBinaryAccuracy(), KnownAUC(multi_label=True)],
        weighted_metrics=[KnownBinaryAccuracy(name="weighted")],
    )
    found = model.evaluate(
        LOGITS,
        LABELS,
        sample_weight=PER_SAMPLE,
        batch_size=3,
        verbose=0,
        return_dict=True,
    )
    weights = PER_SAMPLE[:, None] * KNOWN
    np.testing.assert_allclose(
        [found["known_binary_accuracy"], found["weighted"]],
        [RIGHT.sum() / KNOWN.sum(), (RIGHT * weights).sum() / weights.sum()],
        rtol=1e-6,
    )
    assert 0 < found["known_auc"] < 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: KnownBinaryAccuracy(from_logits="yes"),
        lambda: KnownBinaryAccuracy(threshold=1),
        lambda: KnownBinaryAccuracy(threshold="half"),
        lambda: KnownAccuracy(ignore_class=0.5),
        lambda: KnownAUC(from_logits=None),
        lambda: KnownBinaryAccuracy()(LABELS, LOGITS[:, :2]),
        lambda: KnownBinaryAccuracy()(LABELS[:, 0], LOGITS),
        lambda: KnownBinaryAccuracy()(LABELS, LOGITS, np.ones(3)),
        lambda: KnownBinaryAccuracy()(LABELS, LOGITS, np.ones((4, 3, 2))),
        lambda: KnownAUC()(LABELS[:, 0], LOGITS),
        lambda: KnownAccuracy()(CLASSES[:, :2], SCORES[:, 0]),
        lambda: KnownAccuracy()(CLASSES[:, :2], SCORES),
        lambda: KnownAccuracy()(np.ones(4), np.ones((4, 1))),
        lambda: KnownAccuracy()(np.ones(4), np.ones(4)),
    ],
)
def test_what_does_not_go_together_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
