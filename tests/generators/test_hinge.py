import numpy as np
import pytest
from keras import ops

from keras_reprogram.generators.hinge import discriminator_loss
from keras_reprogram.generators.hinge import generator_loss

REAL = np.array([-0.5, 0.2, 3.0], "float32")
FAKE = np.array([-2.0, 0.5, 1.0], "float32")


def value(tensor):
    return float(ops.convert_to_numpy(tensor))


def test_without_a_share_it_is_the_hinge_loss():
    expected = np.maximum(1 - REAL, 0).mean() + np.maximum(1 + FAKE, 0).mean()
    assert value(discriminator_loss(REAL, FAKE)) == pytest.approx(expected)
    assert value(generator_loss(FAKE)) == pytest.approx(-FAKE.mean())


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_of_generated_samples_counts_as_real(share):
    real, as_fake, fake = (
        np.maximum(values, 0).mean()
        for values in (1 - REAL, 1 + REAL, 1 + FAKE)
    )
    expected = (1 + share) * real + max(0.0, fake - share * as_fake)
    found = value(discriminator_loss(REAL, FAKE, share))
    assert found == pytest.approx(expected)


def test_the_negative_part_is_not_below_zero():
    found = value(discriminator_loss(REAL, -9 * np.ones(3, "float32"), 1.0))
    assert found == pytest.approx(2 * np.maximum(1 - REAL, 0).mean())


def test_weights_are_those_of_samples():
    weights = np.array([2.0, 0.0, 1.0])
    found = value(discriminator_loss(REAL, FAKE, weights=weights))
    expected = (2 * 1.5 + 0.0) / 3 + (0.0 + 2.0) / 3
    assert found == pytest.approx(expected)
    assert value(generator_loss(FAKE, weights)) == pytest.approx(1.0)
