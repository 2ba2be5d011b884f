"""Labels shared by the tests of outputs."""

import numpy as np
import pytest


@pytest.fixture
def binary_labels():
    labels = (np.random.default_rng(0).random((12, 3)) < 0.4).astype("float64")
    labels[1, 2] = labels[5, 0] = np.nan
    return labels
