import keras
import numpy as np
import pytest
from keras import ops
from texts import built

from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import FreeEmbeddings
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings

TOKENS = np.array([[1, 2, 3], [4, 0, 0]], "int32")
MAPPINGS = {
    "free": lambda: FreeEmbeddings(5),
    "remapping": lambda: TokenRemapping(5, candidates=12),
    "context": lambda: TokenRemapping(5, candidates=12, context=3),
    "dense": lambda: DenseCombination(5, candidates=12),
    "sparse": lambda: SparseCombination(5, nonzeros=3),
    "source": SourceTokens,
}


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


@pytest.mark.parametrize(
    "make",
    [
        lambda: FreeEmbeddings(0),
    ],
)
def test_settings_that_make_no_sense_are_value_errors(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
