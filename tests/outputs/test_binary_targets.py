import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram.losses import MaskedBinaryCrossentropy
from keras_reprogram.outputs import BayesianPlusMapping
from keras_reprogram.outputs import FrequencyMapping
from keras_reprogram.outputs import logistic_regression

count = FrequencyMapping().statistics


@pytest.fixture
def binary_labels():
    labels = (np.random.default_rng(0).random((12, 3)) < 0.4).astype("float64")
    labels[1, 2] = labels[5, 0] = np.nan
    return labels


def test_ones_are_counted(golden_logits, binary_labels):
    counts = FrequencyMapping().statistics(golden_logits, binary_labels, 3)
    expected = np.zeros((6, 3))
    for source, row in zip(golden_logits.argmax(axis=1), binary_labels):
        expected[source] += row == 1
    np.testing.assert_array_equal(counts, expected)


def test_one_hot_labels_count_as_integers(golden_logits, golden_labels):
    one_hot = np.eye(3)[golden_labels]
    for statistics in (
        FrequencyMapping().statistics,
        BayesianPlusMapping(top_k=2).statistics,
    ):
        np.testing.assert_allclose(
            statistics(golden_logits, one_hot, 3),
            statistics(golden_logits, golden_labels, 3),
        )


@pytest.mark.parametrize("name", ["iterative", "bayesian", "bayesian_plus"])
def test_step_statistics_equal_the_pure_functions(
    name, golden_logits, binary_labels
):
    mapper = LabelMapper(3, name, multi_label=True)
    mapper.build((None, 6))
    mapper.update_statistics(golden_logits, binary_labels.astype("float32"))
    expected = mapper.mapping.statistics(golden_logits, binary_labels, 3)
    gathered = ops.convert_to_numpy(mapper.statistics.value)
    np.testing.assert_allclose(gathered, expected, rtol=1e-5)


def test_each_target_has_its_own_logistic_regression(
    golden_logits, binary_labels
):
    linear_model = pytest.importorskip("sklearn.linear_model")
    weights, bias = logistic_regression(golden_logits, binary_labels, 3, 0.1)
    unit = golden_logits.var(axis=0).mean()
    for target in range(3):
        known = ~np.isnan(binary_labels[:, target])
        # The mean is over all samples here, over the known ones there.
        peer = linear_model.LogisticRegression(
            C=1 / (12 * 0.1 * unit), tol=1e-8
        )
        peer.fit(golden_logits[known], binary_labels[known, target])
        np.testing.assert_allclose(weights[:, target], peer.coef_[0], atol=1e-3)
        np.testing.assert_allclose(bias[target], peer.intercept_[0], atol=1e-3)


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


@pytest.mark.parametrize(
    "make",
    [
        lambda: LabelMapper(1),
        lambda: LabelMapper(3, multi_label="yes"),
        lambda: count(np.eye(3), np.full((3, 3), 2.0), 3),
        lambda: count(np.eye(3), np.eye(3)[:, :2], 3),
    ],
)
def test_bad_input_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
