"""How an output mapping reads what a source returns.

A source ends in logits or features (`"linear"`), in probabilities of classes
that exclude each other (`"softmax"`), or in independent probabilities
(`"sigmoid"`):

```
linear, softmax    as they are
one sigmoid p      the two classes [1 - p, p]
several sigmoids   the logit of each, log p - log(1 - p)
```

All of it is computed in float32 at least: a probability of float16 has no
value between 0 and 6e-8, and none between 0.9995 and 1.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

ACTIVATIONS = ("linear", "softmax", "sigmoid")
SMALLEST_PROBABILITY = 1e-12
# Half the distance of 1 from the float32 number below it.
SMALLEST_COMPLEMENT = 2.0**-25


def full_dtype(dtype: str) -> str:
    """The dtype itself, or float32 if it has fewer bits than that."""
    dtype = keras.backend.standardize_dtype(dtype)
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def full_precision(values: Any) -> Any:
    """Casts a tensor to float32 unless it is of higher precision."""
    dtype = keras.backend.standardize_dtype(values.dtype)
    if not keras.backend.is_float_dtype(dtype):
        return ops.cast(values, keras.config.floatx())
    return ops.cast(values, full_dtype(dtype))


def logarithm(probabilities: Any, library: Any = ops) -> Any:
    """Returns `log(max(p, 1e-12))`.

    Args:
        probabilities: A tensor or an array, of float32 at least.
        library: `keras.ops` for a tensor, `numpy` for an array.
    """
    return library.log(library.maximum(probabilities, SMALLEST_PROBABILITY))


def logit(probabilities: Any, library: Any = ops) -> Any:
    """Returns `log p - log(1 - p)`, from -17.3 to 17.3.

    Args:
        probabilities: As for `logarithm`.
        library: As for `logarithm`.
    """
    smallest = SMALLEST_COMPLEMENT
    return library.log(library.maximum(probabilities, smallest)) - library.log(
        library.maximum(1.0 - probabilities, smallest)
    )


def is_sigmoid(activation: str) -> bool:
    """Whether probabilities are independent; `"sigmoids"` is never split."""
    return activation in ("sigmoid", "sigmoids")


def is_one_sigmoid(activation: str, num_outputs: int | None) -> bool:
    return activation == "sigmoid" and num_outputs == 1


def num_read(activation: str, num_outputs: int) -> int:
    """Number of classes or features that are read from a source's outputs."""
    return 2 if is_one_sigmoid(activation, num_outputs) else num_outputs


def gives_probabilities(activation: str, num_outputs: int) -> bool:
    """Whether `read` returns probabilities of classes, not logits."""
    return activation == "softmax" or is_one_sigmoid(activation, num_outputs)


def read(outputs: Any, activation: str) -> Any:
    """The classes or logits `[..., S]` of a source's outputs, a tensor."""
    outputs = full_precision(outputs)
    if not is_sigmoid(activation):
        return outputs
    if is_one_sigmoid(activation, outputs.shape[-1]):
        return ops.concatenate([1.0 - outputs, outputs], axis=-1)
    return logit(outputs)


def read_logits(outputs: Any, activation: str) -> Any:
    """The same, with the logarithm of probabilities for these."""
    found = read(outputs, activation)
    if gives_probabilities(activation, outputs.shape[-1]):
        return logarithm(found)
    return found


def read_logits_of_array(outputs: np.ndarray, activation: str) -> np.ndarray:
    """As `read_logits`, for a NumPy array."""
    if outputs.dtype.kind != "f" or outputs.dtype.itemsize < 4:
        outputs = outputs.astype("float32")
    if activation == "softmax":
        return logarithm(outputs, np)
    if is_one_sigmoid(activation, outputs.shape[-1]):
        return logarithm(np.concatenate([1 - outputs, outputs], axis=-1), np)
    return logit(outputs, np) if is_sigmoid(activation) else outputs


def read_features(outputs: Any, activation: str) -> Any:
    """One number for each of a source's outputs: logits of probabilities."""
    outputs = full_precision(outputs)
    if activation == "softmax":
        return logarithm(outputs)
    return logit(outputs) if is_sigmoid(activation) else outputs


def read_features_of_array(outputs: np.ndarray, activation: str) -> np.ndarray:
    """As `read_features`, for a NumPy array."""
    if is_one_sigmoid(activation, outputs.shape[-1]):
        return logit(outputs.astype("float64"), np)
    return read_logits_of_array(outputs, activation)


def resolve(
    activation: str | None,
    from_logits: bool | None,
    of_source: str,
    num_outputs: int | None,
) -> str:
    """What an output mapping takes a source's activation to be.

    Args:
        activation: What was passed to the mapping, if anything.
        from_logits: Likewise.
        of_source: What is known of the source.
        num_outputs: Number of the source's outputs.
    """
    if activation is not None:
        return activation
    if from_logits is None:
        return of_source
    if from_logits:
        return "linear"
    if of_source != "linear":
        return of_source
    return "sigmoid" if num_outputs == 1 else "softmax"


def check_activation(
    activation: str | None, from_logits: bool | None
) -> str | None:
    """Checks the two settings that say how outputs are read."""
    if activation is None:
        return None
    if activation not in ACTIVATIONS or (
        from_logits is not None and from_logits != (activation == "linear")
    ):
        raise ValueError(
            f"`source_activation` must be one of {ACTIVATIONS}, and "
            '`from_logits` true for "linear" alone. Received: '
            f"source_activation={activation!r}, from_logits={from_logits}"
        )
    return activation
