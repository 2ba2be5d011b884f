import numpy as np
import pytest

from keras_reprogram.inputs import StateTransformation


@pytest.mark.numpy_alone
def test_a_transformation_keeps_the_shape_and_says_what_it_lacks():
    layer = StateTransformation()
    assert layer.compute_output_shape((None, 4, 4, 3)) == (None, 4, 4, 3)
    layer.check_variables()
    with pytest.raises(NotImplementedError):
        layer.expected_variables((4, 4, 3))
    with pytest.raises(NotImplementedError):
        layer.call(np.zeros((1, 4, 4, 3)))
