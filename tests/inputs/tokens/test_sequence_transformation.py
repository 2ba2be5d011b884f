import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs.tokens.sequence_transformation import (
    SequenceTransformation,
)


def test_rows_are_repeated_for_every_sequence_in_the_layers_dtype():
    layer = SequenceTransformation(dtype="bfloat16")
    rows = np.arange(6.0).reshape(2, 3)
    found = layer.repeat(rows, ops.zeros((4, 7)))
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    found = ops.convert_to_numpy(ops.cast(found, "float32"))
    np.testing.assert_array_equal(found, np.repeat(rows[None], 4, axis=0))


@pytest.mark.numpy_alone
def test_the_symbolic_outputs_are_embeddings_and_their_mask():
    spec = SequenceTransformation().sequence_spec(None, 5, 8)
    assert {name: value.shape for name, value in spec.items()} == {
        "embeddings": (None, 5, 8),
        "padding_mask": (None, 5),
    }
    assert spec["padding_mask"].dtype == "int32"


@pytest.mark.numpy_alone
def test_a_sequence_longer_than_the_source_takes_is_a_value_error():
    layer = SequenceTransformation()
    layer.check_steps(9, None, "", "")
    layer.check_steps(8, 8, "", "")
    with pytest.raises(ValueError, match="8 steps: cut it. Received: 9 steps"):
        layer.check_steps(9, 8, "cut it", "9 steps")
