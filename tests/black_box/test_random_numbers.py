import numpy as np
import pytest
from keras import ops

from keras_reprogram.black_box import random_numbers


def mixed(bits):
    """The same bijection, in NumPy's unsigned integers."""
    bits = (bits ^ (bits >> 16)) * np.uint32(0x7FEB352D)
    bits = (bits ^ (bits >> 15)) * np.uint32(0x846CA68B)
    return bits ^ (bits >> 16)


def expected(count, seed, step):
    key = mixed(mixed(np.array([seed], "uint32")) ^ np.uint32(step))
    bits = mixed(mixed(np.arange(count, dtype="uint32")) ^ key)
    return ((bits >> 9) + 0.5) / 2**23


@pytest.mark.parametrize("seed, step", [(0, 0), (5, 7), (2**31 - 1, 10**6)])
def test_every_backend_draws_the_same_numbers(seed, step):
    found = random_numbers.uniform((3, 40), seed, ops.convert_to_tensor(step))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(found).reshape(-1), expected(120, seed, step)
    )


def test_normal_numbers_have_the_moments_of_their_distribution():
    drawn = ops.convert_to_numpy(random_numbers.normal((400, 1000), 1, 2))
    assert abs(drawn.mean()) < 5 / np.sqrt(drawn.size)
    assert drawn.std() == pytest.approx(1.0, abs=0.01)
    assert (drawn**4).mean() == pytest.approx(3.0, abs=0.05)
    assert np.isfinite(drawn).all()


def test_rows_steps_and_seeds_are_not_correlated():
    rows = [
        ops.convert_to_numpy(random_numbers.normal((20, 5000), seed, step))
        for seed, step in [(0, 0), (0, 1), (1, 0), (1, 1)]
    ]
    correlations = np.corrcoef(np.concatenate(rows)) - np.eye(80)
    assert np.abs(correlations).max() < 5 / np.sqrt(5000)


def test_the_ends_of_the_unit_interval_are_never_drawn():
    drawn = ops.convert_to_numpy(random_numbers.uniform((2_000_000,), 0, 0))
    assert drawn.min() > 0 and drawn.max() < 1
    counts, _ = np.histogram(drawn, bins=64, range=(0, 1))
    # Chi-square, of 63 degrees of freedom.
    assert ((counts - 31250) ** 2 / 31250).sum() < 120
