import numpy as np
import pytest
from keras import ops
from texts import built

from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings

TOKENS = np.array([[1, 2, 3], [4, 0, 0]], "int32")


def numpy(value):
    return ops.convert_to_numpy(value)


def test_a_dense_combination_is_the_product_of_its_table(vocabulary):
    mapping = built(DenseCombination(5, candidates=[2, 7, 11]), vocabulary)
    theta = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    mapping.theta.assign(theta)
    expected = (theta @ numpy(vocabulary.value)[[2, 7, 11]])[TOKENS]
    np.testing.assert_allclose(numpy(mapping(TOKENS)), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DenseCombination(5, candidates=[-1]),
        lambda: DenseCombination(5, seed=-1),
    ],
)
def test_settings_that_make_no_sense_are_value_errors(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: DenseCombination(5, candidates=[99]),
    ],
)
def test_a_mapping_that_does_not_fit_the_source_is_a_value_error(
    vocabulary, make
):
    with pytest.raises(ValueError, match="Received: "):
        make().build_on(SourceEmbeddings(vocabulary))
