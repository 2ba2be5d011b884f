import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import SoftPrompt
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.source_embeddings import token_list
from keras_reprogram.sources.specification import SourceSpecification

TABLE = np.arange(12.0, dtype="float32").reshape(6, 2)


def variable(values=TABLE, dtype="float32"):
    return keras.Variable(values, dtype=dtype, trainable=False)


def specification(embeddings):
    return SourceSpecification(
        (None,), (None,), 2, "linear", 0, None, 0.0, embeddings
    )


def test_rows_are_those_of_the_table_in_the_dtype_that_is_asked_for():
    embeddings = SourceEmbeddings(variable(dtype="bfloat16"))
    assert (embeddings.size, embeddings.width) == (6, 2)
    rows = embeddings.rows([[1, 0]])
    assert keras.backend.standardize_dtype(rows.dtype) == "bfloat16"
    np.testing.assert_array_equal(
        ops.convert_to_numpy(embeddings.rows([[1, 0]], "float32")),
        TABLE[[[1, 0]]],
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(embeddings.rows(dtype="float32")), TABLE
    )
    np.testing.assert_array_equal(embeddings.array([2]), TABLE[[2]])


def test_a_layer_neither_tracks_nor_saves_the_table():
    prompt = SoftPrompt(2, token_ids=[3, 4])
    prompt.source_embeddings = SourceEmbeddings(variable())
    prompt.build_on(prompt.source_embeddings)
    (only,) = prompt.weights
    np.testing.assert_array_equal(
        ops.convert_to_numpy(only.value), TABLE[[3, 4]]
    )


def test_a_source_is_the_same_if_its_table_is():
    table = variable()
    embeddings = SourceEmbeddings(table)
    assert embeddings.is_same(SourceEmbeddings(table))
    assert not embeddings.is_same(SourceEmbeddings(variable()))
    assert SourceEmbeddings(TABLE).is_same(SourceEmbeddings(TABLE + 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SourceEmbeddings.of(specification(None), "Layer", "Text()"),
        lambda: SourceEmbeddings(TABLE).check_tokens("`tokens`", [1, 6]),
        lambda: SoftPrompt(1, token_ids=[6]).build_on(SourceEmbeddings(TABLE)),
        lambda: token_list("tokens", []),
        lambda: token_list("tokens", [1, -1]),
        lambda: token_list("tokens", [1, 0.5]),
        lambda: token_list("tokens", "12"),
        lambda: token_list("tokens", [True]),
    ],
)
def test_tokens_that_a_source_does_not_have_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
