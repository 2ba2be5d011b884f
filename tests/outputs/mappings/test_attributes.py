import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram.outputs import AttributeMapping

DESCRIBING = [[0, 1, 2, 3], [4, 5, 6, 7]]
DISTINGUISHING = [[8, 9, 10], [11, 12, 13]]


def test_scores_are_half_describing_and_half_distinguishing():
    similarities = np.random.default_rng(0).normal(size=(5, 14))
    mapper = LabelMapper(2, AttributeMapping([DESCRIBING, DISTINGUISHING], 3))
    outputs = ops.convert_to_numpy(mapper(similarities.astype("float32")))

    def largest(group):
        return np.sort(similarities[:, group], axis=1)[:, -3:].mean(axis=1)

    expected = [
        (largest(describing) + largest(distinguishing)) / 2
        for describing, distinguishing in zip(DESCRIBING, DISTINGUISHING)
    ]
    np.testing.assert_allclose(outputs, np.transpose(expected), rtol=1e-5)


def test_all_attributes_are_a_matrix_product():
    similarities = np.random.default_rng(0).normal(size=(5, 8))
    mapper = LabelMapper(2, AttributeMapping([DESCRIBING], top_k=4))
    outputs = ops.convert_to_numpy(mapper(similarities.astype("float32")))
    matrix = ops.convert_to_numpy(mapper.matrix)
    np.testing.assert_allclose(outputs, similarities @ matrix, rtol=1e-5)


def test_config_round_trip():
    mapper = LabelMapper(2, AttributeMapping([DESCRIBING], top_k=2))
    copy = LabelMapper.from_config(mapper.get_config())
    assert copy.mapping == mapper.mapping


@pytest.mark.parametrize(
    "make",
    [
        lambda: AttributeMapping([], 1),
        lambda: AttributeMapping(3, 1),
        lambda: AttributeMapping([DESCRIBING], 5),
        lambda: AttributeMapping([DESCRIBING, DISTINGUISHING[:1]], 1),
        lambda: AttributeMapping([[["red"], ["blue"]]], 1),
        lambda: LabelMapper(3, AttributeMapping([DESCRIBING])).build((None, 8)),
        lambda: LabelMapper(2, AttributeMapping([DESCRIBING])).build((None, 7)),
    ],
)
def test_bad_input_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
