"""Tiny sources and data shared by the tests."""

import gc
import importlib.util
import sys
from types import ModuleType

# PyTorch before TensorFlow: the other order can crash a process.
if importlib.util.find_spec("torch"):
    import torch  # noqa: F401

import keras
import numpy as np
import pytest


class NotInstalled(ModuleType):
    """A module that skips whoever uses it."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
        reason = f"{self.__name__} is not installed"
        pytest.skip(reason, allow_module_level=True)


if importlib.util.find_spec("keras_hub") is None:
    sys.modules["keras_hub"] = NotInstalled("keras_hub")


def pytest_configure(config: pytest.Config):
    if keras.config.backend() == "tensorflow":
        import tensorflow

        # Graphs that run once are not worth being optimized.
        tensorflow.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": True}
        )
    config.addinivalue_line(
        "markers",
        "numpy_alone: what is tested depends on no backend: it runs on one.",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Runs tests of NumPy code on PyTorch alone, which needs no compilation."""
    has_torch = importlib.util.find_spec("torch") is not None
    if not has_torch or keras.config.backend() == "torch":
        return
    for item in items:
        if item.get_closest_marker("numpy_alone"):
            reason = "depends on no backend: PyTorch's suite has it"
            item.add_marker(pytest.mark.skip(reason))


def pytest_collection_finish():
    """Spares the garbage collector what lives to the end: all that is imported.

    Looking through it again and again took a tenth of the time of the tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture
def source() -> keras.Model:
    """A classifier of 8x8 color images, with what must stay frozen in it."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(6)(x))


@pytest.fixture
def images() -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, size=(24, 4, 4, 1), dtype="uint8")


@pytest.fixture
def labels() -> np.ndarray:
    return np.arange(24) % 3


@pytest.fixture
def golden_logits() -> np.ndarray:
    """`Z[i, j] = 3 sin(1.7 i + 2.3 j + 0.5 i j)`, 12 samples, 6 sources."""
    i, j = np.meshgrid(np.arange(12), np.arange(6), indexing="ij")
    return (3 * np.sin(1.7 * i + 2.3 * j + 0.5 * i * j)).astype("float32")


@pytest.fixture
def golden_labels() -> np.ndarray:
    return np.arange(12) % 3


@pytest.fixture
def twelve_classes() -> keras.Model:
    """A classifier of 16x16 color images."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(x))
    return keras.Model(inputs, outputs)


@pytest.fixture
def bright_quadrants() -> tuple[np.ndarray, np.ndarray]:
    """Noise of 8x8 pixels, with one of three quadrants brighter."""
    generator = np.random.default_rng(0)
    labels = np.arange(48) % 3
    images = generator.integers(0, 120, size=(48, 8, 8, 1))
    for image, label in zip(images, labels):
        row, column = divmod(int(label), 2)
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 100
    return images.astype("uint8"), labels
