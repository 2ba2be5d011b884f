import numpy as np
import pytest

from keras_reprogram.outputs.principal_components import principal_components


@pytest.mark.numpy_alone
@pytest.mark.parametrize("shape", [(9, 30), (30, 9)])
def test_components_are_those_of_a_singular_value_decomposition(shape):
    rows = np.random.default_rng(0).normal(size=shape) + 3
    mean, components = principal_components(rows, 4)
    np.testing.assert_allclose(mean, rows.mean(axis=0))
    expected = np.linalg.svd(rows - rows.mean(axis=0))[2][:4]
    norms = np.linalg.norm(components, axis=0)
    np.testing.assert_allclose(norms, norms[0])
    np.testing.assert_allclose(
        np.abs(expected @ components / norms), np.eye(4), atol=1e-8
    )
    squares = np.square((rows - mean) @ components).sum(axis=1)
    np.testing.assert_allclose(squares.mean(), 1)


@pytest.mark.numpy_alone
def test_components_beyond_the_rank_are_zero():
    rows = np.outer(np.arange(5), np.ones(3))
    components = principal_components(rows, 6)[1]
    assert components.shape == (3, 6)
    assert components[:, 0].all() and not components[:, 1:].any()
    for constant in (np.ones((4, 3)), np.ones((1, 3))):
        assert not principal_components(constant, 2)[1].any()


@pytest.mark.numpy_alone
def test_many_rows_are_thinned_evenly():
    rows = np.repeat(np.eye(2), 5000, axis=0)
    mean, components = principal_components(rows, 1)
    np.testing.assert_allclose(mean, 0.5)
    np.testing.assert_allclose(np.abs(components), 1.0)
