"""What happens when training has lost its way."""

import math

import keras


class FiniteLoss(keras.callbacks.Callback):
    """Raises at the end of an epoch whose loss is not a number."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise ValueError(
                "The loss is not finite: look for NaN or infinity in the "
                "samples, or lower the learning rate. Received: "
                f"loss={loss} in epoch {epoch + 1}"
            )
