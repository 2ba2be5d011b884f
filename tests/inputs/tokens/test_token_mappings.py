import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import FreeEmbeddings
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.sparse_combination import sparse_code

TOKENS = np.array([[1, 2, 3], [4, 0, 0]], "int32")
MAPPINGS = {
    "free": lambda: FreeEmbeddings(5),
    "remapping": lambda: TokenRemapping(5, candidates=12),
    "context": lambda: TokenRemapping(5, candidates=12, context=3),
    "dense": lambda: DenseCombination(5, candidates=12),
    "sparse": lambda: SparseCombination(5, nonzeros=3),
    "source": SourceTokens,
}


@pytest.fixture
def vocabulary():
    values = np.random.default_rng(0).normal(size=(20, 8)).astype("float32")
    return keras.Variable(values, trainable=False)


def built(mapping, vocabulary):
    mapping.build_on(SourceEmbeddings(vocabulary))
    return mapping


def numpy(value):
    return ops.convert_to_numpy(value)


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_returns_an_embedding_for_each_token(vocabulary, name):
    mapping = built(MAPPINGS[name](), vocabulary)
    assert mapping(TOKENS).shape == (2, 3, 8)
    # The source's table is not the mapping's.
    assert all(weight is not vocabulary for weight in mapping.weights)
    config = mapping.get_config()
    assert type(mapping).from_config(config).get_config() == config


@pytest.mark.parametrize("name", ["free", "dense", "sparse", "remapping"])
def test_every_target_token_starts_as_a_source_token(vocabulary, name):
    embedded = numpy(built(MAPPINGS[name](), vocabulary)(TOKENS))
    rows = numpy(vocabulary.value)
    distances = np.abs(embedded[:, :, None] - rows).max(axis=-1).min(axis=-1)
    np.testing.assert_allclose(distances, 0, atol=1e-6)


def test_source_tokens_are_looked_up(vocabulary):
    mapping = built(SourceTokens(), vocabulary)
    np.testing.assert_array_equal(
        numpy(mapping(TOKENS)), numpy(vocabulary.value)[TOKENS]
    )
    assert mapping.weights == []


def test_a_dense_combination_is_the_product_of_its_table(vocabulary):
    mapping = built(DenseCombination(5, candidates=[2, 7, 11]), vocabulary)
    theta = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    mapping.theta.assign(theta)
    expected = (theta @ numpy(vocabulary.value)[[2, 7, 11]])[TOKENS]
    np.testing.assert_allclose(numpy(mapping(TOKENS)), expected, rtol=1e-4)


def test_a_context_decides_by_its_neighbors(vocabulary):
    mapping = built(TokenRemapping(5, candidates=4, context=3), vocabulary)
    theta = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    mapping.theta.assign(theta)
    padded = np.pad(TOKENS, ((0, 0), (1, 1)), mode="edge")
    logits = sum(theta[j][padded[:, j : j + 3]] for j in range(3))
    chosen = mapping.chosen[logits.argmax(axis=-1)]
    np.testing.assert_array_equal(
        numpy(mapping(TOKENS)), numpy(vocabulary.value)[chosen]
    )


def test_at_the_ends_of_a_text_its_own_tokens_stand_in(vocabulary):
    mapping = built(TokenRemapping(5, candidates=4, context=3), vocabulary)
    theta = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    mapping.theta.assign(theta)
    tokens = np.array([[1, 2, 3], [4, 2, 0]], "int32")
    found = numpy(mapping(tokens, lengths=np.array([[3], [2]], "int32")))
    for row, text in zip(found, ([1, 2, 3], [4, 2])):
        alone = numpy(mapping(np.array([text], "int32")))[0]
        np.testing.assert_array_equal(row[: len(text)], alone)


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_a_remapping_starts_near_zero_whatever_its_seed(vocabulary, seed):
    start, other = (
        numpy(
            built(
                TokenRemapping(30, candidates=20, seed=seed), vocabulary
            ).theta.value
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(start, other)
    assert abs(start.mean()) < 0.02
    assert 0.08 < start.std() < 0.12


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_a_token_is_drawn_as_often_in_a_low_precision(vocabulary, dtype):
    """Noise of float16 has 1,024 values: one in each thousand is infinite."""
    mapping = built(TokenRemapping(4000, [3, 9], dtype=dtype), vocabulary)
    theta = np.zeros((1, 4000, 2), "float32")
    theta[..., 1] = np.log(99.0)
    mapping.theta.assign(theta)
    tokens = np.arange(4000, dtype="int32")[None]
    drawn = numpy(ops.cast(mapping(tokens, training=True), "float32"))[0]
    distances = np.abs(drawn - numpy(vocabulary.value)[3]).max(axis=-1)
    assert 20 <= (distances < 0.02).sum() <= 64  # of 4000, 40 +- 6.3
    # A difference that a low precision does not see.
    theta[..., 0], theta[..., 1] = 8.0, 8.001
    mapping.theta.assign(theta)
    chosen = numpy(ops.cast(mapping(tokens[:, :1]), "float32"))[0, 0]
    np.testing.assert_allclose(chosen, numpy(vocabulary.value)[9], atol=0.02)


LOOKED_UP = {
    "free": (lambda: FreeEmbeddings(5), 5),
    "remapping": (lambda: TokenRemapping(5, candidates=12), 12),
    "context": (lambda: TokenRemapping(5, candidates=12, context=3), 12),
    "dense": (lambda: DenseCombination(5, candidates=12), 12),
    "sparse": (lambda: SparseCombination(5, nonzeros=3), 5),
    "source": (SourceTokens, 6),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", LOOKED_UP)
def test_rows_are_looked_up_before_they_are_cast(monkeypatch, name, training):
    make, largest = LOOKED_UP[name]
    table = keras.Variable(np.zeros((500, 8)), dtype="bfloat16")
    mapping = built(make(), table)
    cast, sizes = ops.cast, []

    def counted(value, dtype):
        if len(value.shape) and value.shape[-1] == 8:
            sizes.append(int(np.prod(value.shape)) // 8)
        return cast(value, dtype)

    monkeypatch.setattr(ops, "cast", counted)
    mapping(TOKENS, training=training)
    assert max(sizes, default=0) <= largest


def test_a_layer_around_a_table_does_not_cast_it(vocabulary):
    """A layer casts each variable that it reads, whole, unless told not to."""

    class Around(keras.layers.Layer):
        def call(self, tokens):
            seen.append(keras.backend.standardize_dtype(rows(tokens).dtype))
            return tokens

    rows, seen = SourceEmbeddings(vocabulary).rows, []
    Around(dtype="mixed_bfloat16")(TOKENS)
    assert seen == ["float32"]


def test_training_draws_source_tokens_by_their_softmax(vocabulary):
    mapping = built(TokenRemapping(5, candidates=[3, 9]), vocabulary)
    theta = np.zeros((1, 5, 2), "float32")
    theta[..., 1] = np.log(3.0)  # token 9 three times as often as token 3
    mapping.theta.assign(theta)
    rows = numpy(vocabulary.value)
    drawn = [
        np.isclose(numpy(mapping(TOKENS, training=True))[0, 0], rows[9]).all()
        for _ in range(200)
    ]
    assert 0.62 < np.mean(drawn) < 0.88
    outputs = [numpy(mapping(TOKENS)) for _ in range(2)]
    np.testing.assert_array_equal(*outputs)


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
        lambda: FreeEmbeddings(0),
        lambda: TokenRemapping(5, context=2),
        lambda: TokenRemapping(5, temperature=0),
        lambda: TokenRemapping(5, candidates=["a"]),
        lambda: DenseCombination(5, candidates=[-1]),
        lambda: DenseCombination(5, seed=-1),
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
        lambda: DenseCombination(5, candidates=[99]),
        lambda: SparseCombination(5, nonzeros=9),
    ],
)
def test_a_mapping_that_does_not_fit_the_source_is_a_value_error(
    vocabulary, make
):
    with pytest.raises(ValueError, match="Received: "):
        make().build_on(SourceEmbeddings(vocabulary))
