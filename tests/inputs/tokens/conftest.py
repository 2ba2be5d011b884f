"""Embeddings shared by the tests of tokens."""

import keras
import numpy as np
import pytest


@pytest.fixture
def vocabulary():
    values = np.random.default_rng(0).normal(size=(20, 8)).astype("float32")
    return keras.Variable(values, trainable=False)
