"""Plots of values that training logs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import keras

from keras_reprogram.optional_packages import optional_package
from keras_reprogram.typing import Tensor
from keras_reprogram.visualization.pictures import axes_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The first of these that training has logged is plotted with the alignment.
SCORES = ("val_accuracy", "accuracy", "val_loss", "loss")


def plot_alignment(
    history: keras.callbacks.History | Mapping[str, list[Tensor]],
    start: float | None = None,
    metric: str | None = None,
) -> "Figure":
    """Plots alignment by epoch, together with a metric.

    Smaller values are more aligned, see `diagnostics.alignment`.

    Example:

    ```python
    history = {"alignment": [1.5, 1.2, 1.1], "accuracy": [0.4, 0.6, 0.7]}
    keras_reprogram.visualization.plot_alignment(history, start=1.8)
    ```

    Args:
        history: The `History` that `fit` returns with a
            `diagnostics.AlignmentLog` among its callbacks, or its dictionary.
        start: Float. Alignment before training, `AlignmentLog.start`, plotted
            as epoch 0. Defaults to `None`.
        metric: String. Key of the history that is plotted on a second axis.
            Defaults to `None`, the accuracy or the loss, of validation if
            there is one.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the history has no alignment or no such metric.
    """
    values = getattr(history, "history", history)
    if not isinstance(values, Mapping) or "alignment" not in values:
        raise ValueError(
            "Pass the history of a `fit` with a `diagnostics.AlignmentLog` "
            f"among its callbacks. Received: history={history!r}"
        )
    if metric is not None and metric not in values:
        raise ValueError(
            f"`metric` must be a key of the history, one of {sorted(values)}. "
            f"Received: metric={metric!r}"
        )
    if metric is None:
        metric = next((name for name in SCORES if name in values), None)
    first = 0 if start is not None else 1
    distances = [*([] if start is None else [start]), *values["alignment"]]
    figure, (axis,) = axes_of(1, width=5.0, height=3.0)
    epochs = range(first, first + len(distances))
    axis.plot(epochs, distances, marker=".", color="C0")
    axis.set_xlabel("epoch")
    ticker = optional_package("matplotlib.ticker", "pictures", "A plot")
    axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axis.set_ylabel("distance from the source's samples", color="C0")
    axis.set_ylim(bottom=0.0)
    if metric is not None:
        scores = axis.twinx()
        scores.plot(
            range(1, len(values[metric]) + 1),
            values[metric],
            marker=".",
            color="C1",
        )
        scores.set_ylabel(metric.replace("_", " "), color="C1")
    return figure
