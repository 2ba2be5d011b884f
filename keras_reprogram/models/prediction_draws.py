"""Predictions with dropout, which differ from draw to draw."""

import numpy as np

from keras_reprogram.configurable import positive_integer
from keras_reprogram.kept_state import KeptState
from keras_reprogram.models.batches import is_array
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel
from keras_reprogram.models.reprogrammed_model import check_reprogrammed
from keras_reprogram.typing import Tensor


def predict_draws(
    model: ReprogrammedModel,
    x: np.ndarray,
    num_draws: int = 25,
    batch_size: int = 32,
) -> np.ndarray:
    """Returns predictions with dropout and other random layers active.

    Their mean is a prediction, and their quantiles over the draws are a band
    around it. The frozen source computes as in inference.

    Example:

    ```python
    series = keras.Input((96,))
    source = keras.Model(series, keras.layers.Dense(24)(series))
    model = keras_reprogram.methods.adapts(source, target_shape=(96, 7))
    past = np.random.rand(8, 96, 7)
    draws = keras_reprogram.models.predict_draws(model, past)
    forecast = draws.mean(axis=0)  # (8, 24, 7)
    low, high = np.quantile(draws, [0.1, 0.9], axis=0)
    ```

    Args:
        model: A `ReprogrammedModel`.
        x: Array of samples.
        num_draws: Integer. Number of draws. Defaults to `25`.
        batch_size: Integer. Samples of a batch. Defaults to `32`.

    Returns:
        An array of floats, `[num_draws, samples, ...]`.

    Raises:
        ValueError: If the model is no `ReprogrammedModel`, the samples or a
            number are not valid, or all draws are the same because nothing in
            the model is random.
    """
    check_reprogrammed(model)
    num_draws = positive_integer("num_draws", num_draws)
    batch_size = positive_integer("batch_size", batch_size)
    x, _ = model.checked(x)
    if not is_array(x):
        raise ValueError(
            "Each draw takes the same samples again: pass `x` as an array. "
            f"Received: x of type {type(x).__name__}"
        )
    drawn = DrawnModel(model.input, model.output)
    draws = np.stack(
        [
            drawn.predict(x, batch_size=batch_size, verbose=0)
            for _ in range(num_draws)
        ]
    )
    if num_draws > 1 and (draws == draws[0]).all():
        raise ValueError(
            "Draws differ by dropout or another random layer of the program, "
            "which this model does not have: set `dropout` of its input "
            "transformation. Received: equal draws"
        )
    return draws


class DrawnModel(KeptState):
    """Computes as in training, and keeps the weights if it is interrupted."""

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor = None
    ) -> Tensor:
        return super().call(inputs, training=True, mask=mask)
