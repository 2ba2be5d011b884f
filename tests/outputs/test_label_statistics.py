import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram.outputs import BayesianPlusMapping


@pytest.mark.parametrize("name", ["iterative", "bayesian", "bayesian_plus"])
def test_step_statistics_of_binary_targets_equal_the_pure_functions(
    name, golden_logits, binary_labels
):
    mapper = LabelMapper(3, name, multi_label=True)
    mapper.build((None, 6))
    mapper.update_statistics(golden_logits, binary_labels.astype("float32"))
    expected = mapper.mapping.statistics(golden_logits, binary_labels, 3)
    gathered = ops.convert_to_numpy(mapper.statistics.value)
    np.testing.assert_allclose(gathered, expected, rtol=1e-5)


def top_k_statistics(logits, labels, counted):
    """Counts of predictions, or sums of the two largest probabilities."""
    sums = np.zeros((6, 3))
    for row, label in zip(logits.astype("float64"), labels):
        probabilities = np.exp(row) / np.exp(row).sum()
        if counted:
            sums[row.argmax(), label] += 1
            continue
        for source in np.argsort(row)[-2:]:
            sums[source, label] += probabilities[source]
    return sums


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize(
    "mapping", ["iterative", "bayesian", BayesianPlusMapping(top_k=2)]
)
def test_step_statistics_equal_the_pure_functions(
    mapping, from_logits, golden_logits, golden_labels
):
    outputs = golden_logits
    if not from_logits:
        outputs = ops.convert_to_numpy(ops.softmax(golden_logits))
    mapper = LabelMapper(3, mapping, from_logits=from_logits)
    mapper.build((None, 6))
    for rows in (slice(8), slice(8, None)):
        mapper.update_statistics(
            ops.convert_to_tensor(outputs[rows]),
            ops.convert_to_tensor(golden_labels[rows]),
        )
    expected = top_k_statistics(
        golden_logits, golden_labels, isinstance(mapping, str)
    )
    gathered = ops.convert_to_numpy(mapper.statistics)
    np.testing.assert_allclose(gathered, expected, atol=1e-5)
    mapper.update()
    np.testing.assert_allclose(
        ops.convert_to_numpy(mapper.matrix),
        mapper.mapping.matrix(expected, 1),
        atol=1e-5,
    )
    assert not ops.convert_to_numpy(mapper.statistics).any()


def test_invalid_labels_are_not_counted(golden_logits):
    mapper = LabelMapper(3, "iterative")
    labels = np.array([0, 1, 2, 3, -1, 99, 0, 1, 2, 0, 1, 2])
    mapper.build((None, 6))
    mapper.update_statistics(
        ops.convert_to_tensor(golden_logits),
        ops.convert_to_tensor(labels[:, None]),
    )
    valid = (labels >= 0) & (labels < 3)
    expected = top_k_statistics(golden_logits[valid], labels[valid], True)
    gathered = ops.convert_to_numpy(mapper.statistics)
    np.testing.assert_array_equal(gathered, expected)


@pytest.mark.parametrize("name", ["iterative", "bayesian_plus"])
def test_samples_of_a_step_count_by_their_weights(
    name, golden_logits, golden_labels
):
    mapper = LabelMapper(3, name)
    mapper.build((None, 6))
    weights = np.arange(12) % 4
    for given in (weights, weights[:, None]):
        mapper.update_statistics(
            golden_logits, golden_labels, sample_weight=given
        )
    expected = mapper.mapping.statistics(
        np.repeat(golden_logits, weights, axis=0),
        np.repeat(golden_labels, weights),
        3,
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(mapper.statistics.value), 2 * expected, rtol=1e-5
    )


def test_positions_count_by_the_weights_of_their_samples(
    golden_logits, golden_labels
):
    mapper = LabelMapper(3, "iterative")
    mapper.build((None, 4, 6))
    of_samples = np.array([1.0, 0.0, 2.0], "float32")
    for weights in (of_samples, np.repeat(of_samples, 4).reshape(3, 4)):
        mapper.update_statistics(
            golden_logits.reshape(3, 4, 6),
            golden_labels.reshape(3, 4),
            sample_weight=weights,
        )
    expected = mapper.mapping.statistics(
        golden_logits, golden_labels, 3, np.repeat(of_samples, 4)
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(mapper.statistics.value), 2 * expected
    )
