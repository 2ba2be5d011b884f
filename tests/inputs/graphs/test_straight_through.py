import numpy as np
from gradients import gradient
from keras import ops

from keras_reprogram.inputs.graphs.straight_through import straight_through


def test_values_are_hard_and_gradients_soft():
    values = np.array([-1.0, 2.0], "float32")

    def decide(x):
        return straight_through(ops.cast(x > 0, "float32"), 3.0 * x)

    np.testing.assert_allclose(
        ops.convert_to_numpy(decide(ops.convert_to_tensor(values))), [0, 1]
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(gradient(decide, values)), [3, 3]
    )
