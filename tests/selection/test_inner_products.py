import numpy as np
import pytest

from keras_reprogram.selection.inner_products import InnerProducts

pytestmark = pytest.mark.numpy_alone

SIZES = [(3, 4), (5,)]


def products(count=8):
    generator = np.random.default_rng(0)
    features = [
        generator.normal(size=(count, sum(sizes))).astype("float32") + 2
        for sizes in SIZES
    ]
    return InnerProducts(features, SIZES), features, generator


def test_every_block_is_centered_and_has_a_mean_norm_of_one():
    found, _, _ = products()
    assert len(found.blocks([0, 1])) == 3
    for kernel in found.blocks([0, 1]):
        np.testing.assert_allclose(kernel.sum(axis=0), 0, atol=1e-5)
        norms = np.sqrt(np.diag(kernel))
        np.testing.assert_allclose(norms.mean(), 1, rtol=1e-5)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("rows", [None, np.array([0, 2, 5])])
def test_a_combination_of_samples_is_a_linear_map_of_features(exponent, rows):
    found, features, generator = products()
    indices = np.arange(8) if rows is None else rows
    coefficients = generator.normal(size=(len(indices), 2))
    weights, bias = found.weights([0, 1], coefficients, rows, exponent)
    kernel = found.kernel([0, 1], exponent)
    np.testing.assert_allclose(
        np.concatenate(features, axis=1) @ weights + bias,
        kernel[:, indices] @ coefficients,
        atol=1e-5,
    )


def test_a_block_without_variance_counts_for_nothing():
    found = InnerProducts([np.ones((4, 2), "float32")], [(2,)])
    np.testing.assert_array_equal(found.kernel([0]), np.zeros((4, 4)))


def test_an_exponent_of_zero_keeps_the_norms_of_blocks_within_a_source():
    found, features, _ = products()
    centered = features[0] - features[0].mean(axis=0)
    kernel = centered @ centered.T
    ratio = found.kernel([0], 0.0) / kernel
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_sources_of_other_units_and_more_blocks_count_as_much(exponent):
    generator = np.random.default_rng(0)
    one = generator.normal(size=(500, 4)).astype("float32")
    other = 1000 * generator.normal(size=(500, 12)).astype("float32")
    found = InnerProducts([one, other], [(4,), (4, 4, 4)])
    factors = found.factors([0, 1], exponent)
    np.testing.assert_allclose([each.sum() for each in factors], 1)
    traces = [np.trace(found.kernel([part], exponent)) for part in (0, 1)]
    np.testing.assert_allclose(*traces, rtol=0.05)
