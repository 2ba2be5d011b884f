import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.losses import MaskedBinaryCrossentropy

NAN, INFINITY = np.nan, np.inf

LABELS = np.array([[1, NAN, 0], [0, 1, NAN], [NAN, 1, 0]], "float32")

LOGITS = np.array([[0.3, 9, 0.2], [-1, 0.6, 4], [7, 2, -1]], "float32")


def closed_form(labels, logits, positive_weight=1.0):
    """The mean over samples of each one's mean over its known labels."""
    losses = -(
        positive_weight * labels * -np.log1p(np.exp(-logits.astype("float64")))
        + (1 - labels) * -np.log1p(np.exp(logits.astype("float64")))
    )
    return np.nanmean(losses, axis=1).mean()


def value(loss, labels, predictions):
    return float(ops.convert_to_numpy(loss(labels, predictions)))


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype("float64")))


@pytest.mark.parametrize("positive_weight", [1.0, 2.5, [1.0, 2.0, 4.0]])
def test_probabilities_and_logits_have_the_same_loss(positive_weight):
    expected = closed_form(LABELS, LOGITS, np.array(positive_weight))
    loss = MaskedBinaryCrossentropy(positive_weight)
    np.testing.assert_allclose(value(loss, LABELS, LOGITS), expected, rtol=1e-5)
    loss = MaskedBinaryCrossentropy(positive_weight, from_logits=False)
    probabilities = sigmoid(LOGITS).astype("float32")
    found = value(loss, LABELS, probabilities)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_label_between_0_and_1_is_a_probability():
    labels = np.array([[0.3, 0.5], [0.9, NAN]], "float32")
    expected = closed_form(labels, LOGITS[:2, :2])
    found = value(MaskedBinaryCrossentropy(), labels, LOGITS[:2, :2])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_label_outside_0_to_1_makes_the_loss_not_a_number():
    labels = np.array([[-1.0, 1.0]])
    assert np.isnan(value(MaskedBinaryCrossentropy(), labels, LOGITS[:1, :2]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_is_computed_in_float32(dtype):
    labels = np.array([[1.0, 0.0]], "float32")
    loss = MaskedBinaryCrossentropy(from_logits=False)
    probabilities = ops.cast([[0.0, 1.0]], dtype)
    # -log(1e-7); float16 has no 1e-7, and 1 - 1e-7 is 1 in both.
    for found in (
        loss.call(ops.cast(labels, dtype), probabilities)[0],
        loss(labels, probabilities),
    ):
        found = float(ops.convert_to_numpy(ops.cast(found, "float32")))
        np.testing.assert_allclose(found, -np.log(1e-7), rtol=0.01)
    logits = ops.cast([[0.5, -2.0]], dtype)
    found = float(
        ops.convert_to_numpy(MaskedBinaryCrossentropy()(1.0 - labels, logits))
    )
    expected = closed_form(1 - labels, np.array([[0.5, -2.0]]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("from_logits", [True, False])
def test_the_ends_have_a_finite_loss_without_a_warning(from_logits):
    ends = [-INFINITY, INFINITY] if from_logits else [0.0, 1.0]
    predictions = np.array([ends], "float32")
    loss = MaskedBinaryCrossentropy(from_logits=from_logits)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        right = value(loss, np.array([[0.0, 1.0]]), predictions)
        wrong = value(loss, np.array([[1.0, 0.0]]), predictions)
        unknown = value(loss, np.array([[NAN, NAN]]), predictions)
    assert 0 <= right < 1e-6
    assert 10 < wrong < INFINITY
    assert unknown == 0


def test_a_prediction_of_no_known_label_may_be_anything():
    labels = np.array([[1.0, NAN, NAN]])
    predictions = np.array([[0.0, NAN, INFINITY]])
    found = value(MaskedBinaryCrossentropy(), labels, predictions)
    np.testing.assert_allclose(found, np.log(2), rtol=1e-6)


def test_one_target_may_have_labels_without_its_axis():
    labels, logits = np.array([1.0, 0.0]), np.array([[1.0], [1.0]])
    found = value(MaskedBinaryCrossentropy(), labels, logits)
    expected = closed_form(labels[:, None], logits)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_probabilities_train():
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(3, "sigmoid")(inputs)
    model = keras.Model(inputs, outputs)
    loss = MaskedBinaryCrossentropy(from_logits=False)
    model.compile(keras.optimizers.SGD(1.0), loss)
    before = model.evaluate(LOGITS, LABELS, verbose=0)
    model.fit(LOGITS, LABELS, epochs=5, verbose=0)
    assert model.evaluate(LOGITS, LABELS, verbose=0) < before


def test_config_round_trip_and_an_old_config():
    loss = MaskedBinaryCrossentropy(np.array([1, 2.5]), from_logits=False)
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    assert copy.positive_weight == [1.0, 2.5]
    old = {"name": "known", "reduction": "sum", "positive_weight": 2.0}
    assert MaskedBinaryCrossentropy.from_config(old).from_logits is True


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaskedBinaryCrossentropy(0),
        lambda: MaskedBinaryCrossentropy(-1.0),
        lambda: MaskedBinaryCrossentropy(NAN),
        lambda: MaskedBinaryCrossentropy([1.0, INFINITY]),
        lambda: MaskedBinaryCrossentropy([]),
        lambda: MaskedBinaryCrossentropy(True),
        lambda: MaskedBinaryCrossentropy("balanced"),
        lambda: MaskedBinaryCrossentropy([[1.0, 2.0]]),
        lambda: MaskedBinaryCrossentropy(from_logits=1),
        lambda: MaskedBinaryCrossentropy([1.0, 2.0])(LABELS, LOGITS),
        lambda: MaskedBinaryCrossentropy()(LABELS[:, :2], LOGITS),
        lambda: MaskedBinaryCrossentropy()(LABELS[:, 0], LOGITS),
        lambda: MaskedBinaryCrossentropy()(LABELS[:, 0], LOGITS[:2, :1]),
    ],
)
def test_what_does_not_go_together_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_unknown_labels_count_for_nothing():
    loss = MaskedBinaryCrossentropy()
    logits = np.array([[0.3, -1.0], [2.0, 0.5]], "float32")
    labels = np.array([[1.0, np.nan], [0.0, 1.0]], "float32")
    expected = [
        np.log1p(np.exp(-0.3)),
        (np.log1p(np.exp(2.0)) + np.log1p(np.exp(-0.5))) / 2,
    ]
    result = ops.convert_to_numpy(loss(labels, logits))
    np.testing.assert_allclose(result, np.mean(expected), rtol=1e-5)
    assert (
        float(ops.convert_to_numpy(loss(np.full((2, 2), np.nan), logits))) == 0
    )


def test_the_loss_is_kerass_own_where_all_is_known():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(8, 3)).astype("float32")
    labels = generator.integers(0, 2, size=(8, 3)).astype("float32")
    peer = keras.losses.BinaryCrossentropy(from_logits=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(MaskedBinaryCrossentropy()(labels, logits)),
        ops.convert_to_numpy(peer(labels, logits)),
        rtol=1e-5,
    )


def test_positives_have_their_weight():
    loss = MaskedBinaryCrossentropy(positive_weight=[1.0, 3.0])
    logits, labels = np.zeros((1, 2), "float32"), np.ones((1, 2), "float32")
    result = ops.convert_to_numpy(loss(labels, logits))
    np.testing.assert_allclose(result, 2 * np.log(2), rtol=1e-6)
    copy = MaskedBinaryCrossentropy.from_config(loss.get_config())
    assert copy.positive_weight == [1.0, 3.0]
