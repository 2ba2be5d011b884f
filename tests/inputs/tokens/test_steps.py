import numpy as np
from keras import ops

from keras_reprogram.inputs.tokens.steps import put_steps
from keras_reprogram.inputs.tokens.steps import take_steps


def numpy(value):
    return ops.convert_to_numpy(value)


def test_steps_are_put_where_they_are_taken_from():
    generator = np.random.default_rng(0)
    values = generator.integers(0, 9, (3, 5)).astype("int32")
    steps = np.stack([generator.permutation(5) for _ in range(3)])
    places = ops.convert_to_tensor(steps, "int32")
    taken = take_steps(ops.convert_to_tensor(values), places)
    np.testing.assert_array_equal(
        numpy(taken), np.take_along_axis(values, steps, axis=1)
    )
    np.testing.assert_array_equal(numpy(put_steps(taken, places)), values)
