import numpy as np
import pytest
from keras import ops

from keras_reprogram.vectors import gathered
from keras_reprogram.vectors import unit_vectors

VECTORS = np.array([[3.0, -4.0], [1.0, 0.0], [0.0, 0.0]], "float32")
UNITS = np.array([[0.6, -0.8], [1.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_tensors_and_arrays_of_any_size_become_unit_vectors(scale):
    vectors = VECTORS * np.float32(scale)
    found = unit_vectors(ops.convert_to_tensor(vectors))
    np.testing.assert_allclose(ops.convert_to_numpy(found), UNITS, rtol=1e-6)
    found = unit_vectors(vectors, library=np)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, UNITS, rtol=1e-6)


def test_all_components_may_be_one_vector():
    found = unit_vectors(VECTORS, axis=None, library=np)
    np.testing.assert_allclose(found, VECTORS / np.sqrt(26), rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 6), (3, 4, 2, 6)])
@pytest.mark.parametrize("indices", [[4, 0], [[1, 2, 3], [0, 5, 0]]])
def test_entries_of_the_last_axis_are_gathered(shape, indices):
    values = np.random.default_rng(0).random(shape, "float32")
    for given in (np.array(indices), ops.convert_to_tensor(indices)):
        found = gathered(ops.convert_to_tensor(values), given)
        np.testing.assert_array_equal(
            ops.convert_to_numpy(found), values[..., indices]
        )
