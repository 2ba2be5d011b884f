import keras
import numpy as np
from keras import ops

from keras_reprogram.inputs.tokens.source_token_ids import SourceTokenIDs
from keras_reprogram.sources.specification import SourceSpecification


def ids_of(num_tokens=9, length=4, padding_token=6):
    return SourceTokenIDs(
        SourceSpecification(
            (length,),
            (length,),
            2,
            "softmax",
            num_tokens=num_tokens,
            max_sequence_length=length,
            padding_token=padding_token,
        )
    )


def test_rows_are_integers_whatever_the_dtype():
    rows = ids_of().rows([[1, 8]], "bfloat16")
    assert keras.backend.standardize_dtype(rows.dtype) == "int32"
    np.testing.assert_array_equal(ops.convert_to_numpy(rows), [[[1], [8]]])
    assert ids_of().rows().shape == (9, 1)


def test_sequences_are_padded_to_the_length_of_the_source():
    sequences = {
        "embeddings": ids_of().rows([[1, 2, 3], [4, 5, 7]]),
        "padding_mask": ops.convert_to_tensor([[1, 1, 0], [1, 1, 1]], "int32"),
    }
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ids_of().source_inputs(sequences)),
        [[1, 2, 6, 6], [4, 5, 7, 6]],
    )
    spec = ids_of().source_inputs_spec(
        {"padding_mask": keras.KerasTensor((None, 3), "int32")}
    )
    assert (spec.shape, spec.dtype) == ((None, 4), "int32")


def test_vocabularies_of_one_size_are_the_same():
    assert ids_of().is_same(ids_of(length=5))
    assert not ids_of().is_same(ids_of(num_tokens=10))
