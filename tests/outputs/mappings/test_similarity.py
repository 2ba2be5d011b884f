import keras
import numpy as np
import pytest
from keras import ops
from label_maps import semantic

from keras_reprogram import LabelMapper
from keras_reprogram.outputs import BayesianPlusMapping
from keras_reprogram.outputs import SimilarityMapping


def adapted(logits, labels, num_classes, *centroids, **kwargs):
    mapper = LabelMapper(num_classes, SimilarityMapping(*centroids), **kwargs)
    mapper.build((None, logits.shape[1]))
    half = len(logits) // 2
    mapper.adapt(
        [(logits[:half], labels[:half]), (logits[half:], labels[half:])]
    )
    return ops.convert_to_numpy(mapper.matrix)


def similarities(source, target):
    """Cosines, one pair of classes at a time."""
    return np.array(
        [[s @ t / np.sqrt((s @ s) * (t @ t)) for t in target] for s in source]
    )


@pytest.mark.parametrize("sources_per_target", [1, 2])
def test_the_sources_are_the_most_similar_by_cosine(
    golden_logits, golden_labels, sources_per_target
):
    generator = np.random.default_rng(3)
    source = generator.random((6, 6))
    matrix = adapted(
        golden_logits,
        golden_labels,
        3,
        source,
        sources_per_target=sources_per_target,
    )
    probabilities = np.exp(golden_logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    target = [
        probabilities[golden_labels == label].mean(axis=0) for label in range(3)
    ]
    cosines = similarities(source, np.array(target))
    free = list(range(6))
    expected = np.zeros((6, 3))
    for _ in range(sources_per_target):
        for column in range(3):
            best = max(free, key=lambda row: cosines[row, column])
            free.remove(best)
            expected[best, column] = 1 / sources_per_target
    np.testing.assert_allclose(matrix, expected)


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_centroids_count_up_to_a_factor(golden_logits, golden_labels, unit):
    source = np.random.default_rng(3).random((6, 6))
    np.testing.assert_array_equal(
        adapted(golden_logits, golden_labels, 3, unit * source),
        adapted(golden_logits, golden_labels, 3, source),
    )


def test_without_centroids_a_source_class_is_certain_of_itself(golden_logits):
    labels = np.arange(12) % 2
    matrix = adapted(golden_logits, labels, 2)
    sums = BayesianPlusMapping(top_k=6).statistics(golden_logits, labels, 2)
    assert matrix[:, 0].argmax() == sums[:, 0].argmax()


def test_a_source_of_probabilities_gives_the_same_map(
    golden_logits, golden_labels
):
    probabilities = np.exp(golden_logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(
        adapted(probabilities, golden_labels, 3, from_logits=False),
        adapted(golden_logits, golden_labels, 3),
    )


def test_binary_targets_and_a_class_without_a_sample_keep_their_columns(
    golden_logits, golden_labels
):
    one_hot = np.eye(4)[golden_labels]
    binary = adapted(golden_logits, one_hot, 4, multi_label=True)
    np.testing.assert_array_equal(
        binary, adapted(golden_logits, golden_labels, 4)
    )
    np.testing.assert_array_equal(binary.sum(axis=0), np.ones(4))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SimilarityMapping(np.ones((3, 2))),
        lambda: SimilarityMapping(np.full((3, 3), np.nan)),
        lambda: SimilarityMapping("cosine"),
        lambda: LabelMapper(2, SimilarityMapping(np.eye(3))).build((None, 4)),
        lambda: LabelMapper(2, SimilarityMapping(), sources_per_target=3).build(
            (None, 4)
        ),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_config_round_trip():
    mapping = SimilarityMapping(np.eye(3) + 0.1)
    config = keras.saving.serialize_keras_object(mapping)
    assert keras.saving.deserialize_keras_object(config) == mapping


@pytest.mark.parametrize(
    "call",
    [
        lambda: semantic(np.full((3, 3), np.nan), np.eye(3)),
        lambda: semantic(np.eye(3), np.eye(3).astype(str)),
        lambda: semantic(np.eye(3), np.eye(4)),
    ],
)
def test_bad_embeddings_are_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()


def test_semantic_map_takes_the_most_similar_name_that_is_free():
    source = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 2.0], [-1.0, 0.0]])
    target = np.array([[3.0, 0.1], [2.0, 0.0]])
    matrix = semantic(source, target)
    # Source 0 is the most similar to both, and the first target takes it.
    np.testing.assert_array_equal(matrix, [[1, 0], [0, 1], [0, 0], [0, 0]])
    for unit in (1e-30, 1e-9, 1e30):
        np.testing.assert_array_equal(
            semantic(unit * source, target / unit), matrix
        )
    matrix = semantic(source, target, sources_per_target=2)
    np.testing.assert_array_equal(
        matrix, [[0.5, 0], [0, 0.5], [0.5, 0], [0, 0.5]]
    )


def test_embeddings_of_zeros_are_similar_to_nothing():
    matrix = semantic(np.eye(3) * [[0], [1], [1]], np.eye(3))
    assert (matrix.sum(axis=0) == 1).all() and matrix[0, 0] == 1
