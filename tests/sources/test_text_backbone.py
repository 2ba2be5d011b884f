"""A text backbone is split at its token embedding."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.sources.text_backbone import split_at_embedding


def backbone(outputs):
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    table = keras.layers.Embedding(20, 8)
    model = keras.Model({"token_ids": tokens}, outputs(tokens, table(tokens)))
    model.token_embedding = table
    return model


def test_the_parts_compute_what_the_backbone_does():
    model = backbone(lambda tokens, values: keras.layers.Dense(3)(values))
    table, rest = split_at_embedding(model)
    assert table is model.token_embedding
    tokens = np.array([[1, 2, 3]])
    found = rest([table(tokens), ops.ones((1, 3), "int32")])
    np.testing.assert_allclose(
        ops.convert_to_numpy(found),
        ops.convert_to_numpy(model({"token_ids": tokens})),
        rtol=1e-6,
    )


def test_tokens_with_another_use_are_a_value_error():
    def outputs(tokens, values):
        return values + ops.cast(tokens, "float32")[:, :, None]

    with pytest.raises(ValueError, match="alone reads the tokens"):
        split_at_embedding(backbone(outputs))
