import keras
import numpy as np
import pytest
from keras import ops
from texts import built

from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.sparse_combination import sparse_code


def numpy(value):
    return ops.convert_to_numpy(value)


def test_a_sparse_code_finds_the_combination_that_made_its_targets():
    generator = np.random.default_rng(0)
    dictionary = generator.normal(size=(40, 30)) * generator.uniform(
        0.5, 2, (40, 1)
    )
    theta = np.zeros((6, 40))
    for row in theta:
        row[generator.choice(40, 3, replace=False)] = generator.uniform(1, 2, 3)
    chosen, weights = sparse_code(theta @ dictionary, dictionary, 3)
    found = np.zeros_like(theta)
    np.put_along_axis(found, chosen, weights, axis=1)
    np.testing.assert_allclose(found, theta, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_a_sparse_code_does_not_depend_on_the_unit_of_embeddings(unit):
    generator = np.random.default_rng(0)
    dictionary = generator.normal(size=(40, 30))
    targets = generator.normal(size=(6, 30))
    chosen, weights = sparse_code(targets, dictionary, 3)
    for found, scale in (
        (sparse_code(targets * unit, dictionary * unit, 3), 1.0),
        (sparse_code(targets * unit, dictionary, 3), unit),
    ):
        np.testing.assert_array_equal(found[0], chosen)
        np.testing.assert_allclose(found[1], weights * scale, rtol=1e-5)


def test_a_refit_is_as_precise_in_a_low_precision(vocabulary):
    mapping = SparseCombination(5, nonzeros=3, dtype="mixed_bfloat16")
    built(mapping, vocabulary).remainder.assign(np.full((5, 8), 1e-3))
    expected = SparseCombination(5, nonzeros=3)
    built(expected, vocabulary).remainder.assign(np.full((5, 8), 1e-3))
    mapping.refit(), expected.refit()
    np.testing.assert_allclose(
        numpy(mapping.combination.value),
        numpy(expected.combination.value),
        atol=1e-6,
    )


def test_a_refit_keeps_what_is_sparse_and_empties_the_remainder(vocabulary):
    mapping = built(SparseCombination(5, nonzeros=3), vocabulary)
    before = numpy(mapping.table())
    mapping.refit()
    np.testing.assert_allclose(numpy(mapping.table()), before, atol=1e-5)

    mapping.remainder.assign(np.ones((5, 8)))
    mapping.refit()
    assert not numpy(mapping.remainder.value).any()
    table = numpy(mapping.table())
    closer = np.linalg.norm(table - (before + 1), axis=1)
    assert (closer < np.linalg.norm(np.ones(8))).all()
    rows = numpy(vocabulary.value)[numpy(mapping.chosen.value)]
    combined = (numpy(mapping.combination.value)[..., None] * rows).sum(axis=1)
    np.testing.assert_allclose(table, combined, atol=1e-5)


def test_no_table_of_target_by_source_is_stored():
    vocabulary = keras.Variable(np.zeros((1000, 8), "float32"))
    mapping = SparseCombination(500, nonzeros=4)
    mapping.build_on(SourceEmbeddings(vocabulary))
    largest = max(np.prod(weight.shape) for weight in mapping.weights)
    assert largest == 500 * 8


@pytest.mark.parametrize(
    "make",
    [
        lambda: SparseCombination(5, nonzeros=0),
        lambda: SparseCombination(5, refit_every=0),
    ],
)
def test_settings_that_make_no_sense_are_value_errors(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: SparseCombination(5, nonzeros=9),
    ],
)
def test_more_nonzeros_than_the_source_has_are_a_value_error(vocabulary, make):
    with pytest.raises(ValueError, match="Received: "):
        make().build_on(SourceEmbeddings(vocabulary))
