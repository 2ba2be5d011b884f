import numpy as np
import pytest
from keras import ops
from label_maps import fixed
from label_maps import identity
from label_maps import random

from keras_reprogram import LabelMapper


def test_identity_blocks_match_voice2series():
    matrix = identity(6, 3, 2)
    probabilities = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.25])
    np.testing.assert_allclose(probabilities @ matrix, [0.075, 0.175, 0.25])


def test_random_map_is_seeded_and_uses_no_source_twice():
    matrix = random(20, 4, 5, seed=3)
    again = random(20, 4, 5, seed=3)
    np.testing.assert_array_equal(matrix, again)
    assert ((matrix > 0).sum(axis=1) == 1).all()
    assert (random(20, 4, 5, seed=4) != matrix).any()


@pytest.mark.parametrize(
    "call",
    [
        lambda: random(5, 3, 2),
        lambda: identity(2, 3),
        lambda: fixed([[0], []], 3),
        lambda: fixed([[0], [3]], 3),
        lambda: random(10, 3, 0),
    ],
)
def test_bad_groups_and_numbers_are_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()


def mapped(mapper, inputs, **kwargs):
    return ops.convert_to_numpy(mapper(inputs, **kwargs))


def test_many_to_one_averages_probabilities_as_voice2series():
    mapper = LabelMapper(3, "identity", sources_per_target=2, from_logits=False)
    probabilities = np.array([[0.05, 0.1, 0.15, 0.2, 0.25, 0.25]], "float32")
    np.testing.assert_allclose(
        mapped(mapper, probabilities), [[0.075, 0.175, 0.25]], rtol=1e-6
    )


def test_hand_written_maps_are_a_matrix_or_groups(golden_logits):
    matrix = np.zeros((6, 2))
    matrix[[0, 3], 0] = 0.5
    matrix[4, 1] = 1.0
    expected = golden_logits @ matrix.astype("float32")
    for mapping in (matrix, [[0, 3], [4]]):
        mapper = LabelMapper(2, mapping)
        np.testing.assert_allclose(
            mapped(mapper, golden_logits), expected, rtol=1e-5
        )
        assert mapper.solved
