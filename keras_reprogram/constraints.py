"""Constraints of weights from papers on reprogramming."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor

__all__ = ["SpectralNorm"]

# The norm is at most `n ** (1 / 2 ** (SQUARINGS + 1))` times too large, for a
# matrix with `n` rows or columns: 1 % for 128 of them.
SQUARINGS = 8
SMALLEST = 1e-30


@serializable
class SpectralNorm(keras.constraints.Constraint):
    """Limits the spectral norm of a kernel, its largest singular value.

    ```
    W <- W / max(1, s(W) / limit)
    ```

    The last axis is that of outputs, and all others are one axis of inputs. A
    dense layer of a norm of 1 at most changes no distance between two inputs
    by more than that.

    The norm is found from powers of the Gram matrix, from above: it is at most
    a few percent too large, and never too small.

    Example:

    ```python
    layer = keras.layers.Dense(
        8, kernel_constraint=keras_reprogram.constraints.SpectralNorm(1.0)
    )
    ```

    Args:
        limit: Float, more than 0. Defaults to `1.0`.

    References:
        - [Spectral normalization](https://arxiv.org/abs/1802.05957), which
          divides by the norm in each call instead of after each step
        - [Invertible residual networks](https://arxiv.org/abs/1811.00995)
    """

    def __init__(self, limit: float = 1.0) -> None:
        self.limit = number("limit", limit, 0.0)
        if not self.limit:
            raise ValueError(
                f"`limit` must be more than 0. Received: limit={limit}"
            )

    def __call__(self, w: Tensor) -> Tensor:
        is_double = keras.backend.standardize_dtype(w.dtype) == "float64"
        kernel = ops.cast(w, "float64" if is_double else "float32")
        ratio = spectral_norm(kernel) / self.limit
        return ops.cast(kernel / ops.maximum(1.0, ratio), w.dtype)

    def get_config(self) -> dict[str, Any]:
        return {"limit": self.limit}


def spectral_norm(kernel: Tensor) -> Tensor:
    """Returns the largest singular value of a kernel, from above.

    With `A` the Gram matrix of `n` rows, whose largest eigenvalue is the
    square of the norm, and `k` a power of two,

    ```
    norm^2 <= trace(A^k)^(1 / k) <= n^(1 / k) * norm^2
    ```

    Args:
        kernel: Tensor `(..., outputs)`, of float32 at least.
    """
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
    if matrix.shape[0] > matrix.shape[1]:
        matrix = ops.transpose(matrix)
    power = ops.matmul(matrix, ops.transpose(matrix))
    logarithm = 0.0
    for squaring in range(SQUARINGS + 1):
        trace = ops.maximum(ops.trace(power), SMALLEST)
        logarithm = logarithm + ops.log(trace) / 2**squaring
        # Of trace 1, so that no power overflows.
        power = power / trace
        power = ops.matmul(power, power)
    return ops.exp(logarithm / 2)
