"""The logarithm of probabilities, on which trained label ends act."""

from typing import Any

from keras import ops

SMALLEST_PROBABILITY = 1e-12


def logarithm(probabilities: Any, library: Any = ops) -> Any:
    """Returns `log(max(p, 1e-12))`.

    Args:
        probabilities: A tensor or an array.
        library: `keras.ops` for a tensor, `numpy` for an array.
    """
    return library.log(library.maximum(probabilities, SMALLEST_PROBABILITY))
