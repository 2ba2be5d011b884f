import numpy as np
from keras import ops

from keras_reprogram.inputs.tokens.token_policy import first_steps


def numpy(value):
    return ops.convert_to_numpy(value)


def test_steps_of_the_same_context_share_their_first_step():
    tokens = ops.convert_to_tensor([[3, 5, 3, 5], [1, 1, 1, 2]], "int32")
    others = ops.convert_to_tensor([[7, 7, 7, 8], [1, 2, 1, 2]], "int32")
    steps = ops.convert_to_tensor([[0, 1, 2, 3]] * 2, "int32")
    np.testing.assert_array_equal(
        numpy(first_steps([tokens], steps)), [[0, 1, 0, 1], [0, 0, 0, 3]]
    )
    np.testing.assert_array_equal(
        numpy(first_steps([tokens, others], steps)),
        [[0, 1, 0, 3], [0, 1, 0, 3]],
    )
