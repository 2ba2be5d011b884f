"""The loss of quantiles."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.losses.known_targets import counted
from keras_reprogram.losses.known_targets import known_targets
from keras_reprogram.typing import Tensor


@serializable
class PinballLoss(keras.losses.Loss):
    """The mean pinball loss of several quantiles.

    ```
    loss_q = max(q (y - y_q), (q - 1) (y - y_q))
    ```

    It is smallest if `y_q` is the `q`-quantile of `y`: a share `q` of the
    targets is below it. For the median alone it is half the mean absolute
    error.

    Example:

    ```python
    loss = keras_reprogram.losses.PinballLoss((0.1, 0.9))
    loss(np.array([1.0]), np.array([[0.0, 3.0]]))  # (0.1 + 0.2) / 2
    ```

    Args:
        quantiles: List of increasing floats above 0 and below 1, those of the
            predictions' last axis.
        missing_values: String. With `"mask"`, a target of NaN is missing, and
            the mean is over the known targets of a batch. Defaults to `None`:
            NaN makes the loss NaN.
        **kwargs: Keyword arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: Tensor `(batch, ...)`.
        y_pred: Tensor `(batch, ..., quantiles)`.

    Raises:
        ValueError: If `quantiles` or `missing_values` is not valid, or the
            shapes do not match.

    References:
        - Koenker and Bassett 1978, "Regression quantiles"
    """

    def __init__(
        self,
        quantiles: Sequence[float],
        missing_values: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.quantiles = check_quantiles(quantiles)
        if missing_values not in (None, "mask"):
            raise ValueError(
                '`missing_values` must be `None` or "mask". Received: '
                f"missing_values={missing_values!r}"
            )
        self.missing_values = missing_values

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_pred = ops.cast(y_pred, "float32")
        if y_pred.shape[-1] != len(self.quantiles):
            raise ValueError(
                "Predictions must have a last axis of quantiles, of size "
                f"{len(self.quantiles)}. Received: predictions of shape "
                f"{tuple(y_pred.shape)}"
            )
        targets, known = known_targets(y_true, y_pred.shape[:-1])
        difference = targets[..., None] - y_pred
        quantiles = ops.convert_to_tensor(self.quantiles, "float32")
        losses = ops.maximum(
            quantiles * difference, (quantiles - 1.0) * difference
        )
        losses = ops.mean(losses, axis=-1)
        if self.missing_values is None:
            return ops.where(known, losses, float("nan"))
        return counted(losses, known)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "quantiles": self.quantiles,
            "missing_values": self.missing_values,
        }


def check_quantiles(quantiles: Sequence[float]) -> list[float]:
    """Returns quantiles as a list of floats if they are valid.

    Raises:
        ValueError: If they are not increasing numbers above 0 and below 1.
    """
    found = np.ravel([] if isinstance(quantiles, str) else quantiles)
    valid = found.size > 0 and found.dtype.kind == "f"
    if (
        not valid
        or not (np.diff(found) > 0).all()
        or not 0 < found[0] <= found[-1] < 1
    ):
        raise ValueError(
            "`quantiles` must be increasing numbers above 0 and below 1. "
            f"Received: quantiles={quantiles!r}"
        )
    return [float(quantile) for quantile in found]
