"""Inputs for which a frozen regressor gives the right answer, and training."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.callbacks import training_state
from keras_reprogram.configurable import non_negative_integer
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.kept_state import KeptState
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel
from keras_reprogram.models.reprogrammed_model import check_reprogrammed
from keras_reprogram.progress import show
from keras_reprogram.typing import Tensor


def nearest_source_inputs(
    y: np.ndarray, source_x: np.ndarray, source_y: np.ndarray
) -> np.ndarray:
    """Returns for each target the source's sample with the nearest target.

    Example:

    ```python
    source_x, source_y = np.random.rand(50, 80, 3), np.random.rand(50, 1)
    y = np.random.rand(8, 1)  # of samples of another population
    keras_reprogram.models.nearest_source_inputs(y, source_x, source_y).shape
    ```

    Args:
        y: Array of targets, `[N]` or `[N, T]`. Several count by the squared
            difference, in units of their deviation in `source_y`.
        source_x: Array of the source's own samples, `[M, ...]`.
        source_y: Array of their targets, `[M]` or `[M, T]`.

    Returns:
        An array `[N, ...]` of samples of `source_x`.

    Raises:
        ValueError: If the numbers of samples or of targets differ,
            or a target is not finite.
    """
    rows, sources = two_axes(y), two_axes(source_y)
    if len(source_x) != len(sources) or rows.shape[1] != sources.shape[1]:
        raise ValueError(
            "The source's samples need a target each, and as many numbers in "
            f"it as `y`. Received: {len(source_x)} samples, `source_y` of "
            f"shape {np.shape(source_y)}, `y` of shape {np.shape(y)}"
        )
    if not (np.isfinite(rows).all() and np.isfinite(sources).all()):
        raise ValueError(
            "`y` and `source_y` must be finite: leave out samples without a "
            "target. Received: NaN or infinity"
        )
    unit = sources.std(axis=0)
    unit[unit == 0] = 1.0
    nearest = [
        np.square((sources - row) / unit).sum(axis=1).argmin() for row in rows
    ]
    return np.asarray(source_x)[nearest]


def inverted_inputs(
    source: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    steps: int = 100,
    learning_rate: float = 0.05,
    penalty: float = 0.01,
) -> np.ndarray:
    """Returns inputs near samples for which the source gives their targets.

    ```
    x' = argmin (source(x') - y)^2 + penalty * mean((x' - x)^2)
    ```

    by steps of Adam from `x`.

    Example:

    ```python
    inputs = keras.Input((80, 3))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a trained regressor
    x, y = np.random.rand(8, 80, 3), np.random.rand(8, 1)
    keras_reprogram.models.inverted_inputs(source, x, y, steps=5).shape
    ```

    Args:
        source: `keras.Model`. The frozen regressor.
        x: Array of samples, `[N, ...]`, of the shape of the source's inputs.
        y: Array of their targets, `[N]` or `[N, T]`.
        steps: Integer. Number of steps. Defaults to `100`.
        learning_rate: Float. Rate of Adam, in the unit of the samples.
            Defaults to `0.05`.
        penalty: Float of at least 0. Weight of the distance from `x`. Defaults
            to `0.01`.

    Returns:
        An array of the shape of `x`.

    Raises:
        ValueError: If the source does not take such samples, there is not one
            target for each, or a number is not finite, those found included.
    """
    tensors = [getattr(source, kind, None) for kind in ("inputs", "outputs")]
    if not all(isinstance(it, list) and len(it) == 1 for it in tensors):
        raise ValueError(
            "`source` must be a functional `keras.Model` of one input and one "
            f"output. Received: source of type {type(source).__name__}"
        )
    steps = positive_integer("steps", steps)
    number("learning_rate", learning_rate, 0.0)
    penalty = number("penalty", penalty, 0.0)
    x, rows = np.asarray(x, "float32"), two_axes(y)
    (output,) = source.outputs
    if (
        len(x) != len(rows)
        or rows.shape[1] != math.prod(size or 1 for size in output.shape[1:])
        or x.ndim != len(source.input_shape)
        or any(
            None not in pair and pair[0] != pair[1]
            for pair in zip(x.shape, source.input_shape)
        )
    ):
        raise ValueError(
            "`x` must hold inputs of the source, with a target each in `y`, "
            "of as many numbers as the source returns. Received: x of shape "
            f"{x.shape}, y of shape {np.shape(y)}, and a source from "
            f"{source.input_shape} to {output.shape}"
        )
    if not (np.isfinite(x).all() and np.isfinite(rows).all()):
        raise ValueError(
            "`x` and `y` must be finite. Received: NaN or infinity"
        )
    model = FreeInputs(source, x, penalty)
    model.compile(keras.optimizers.Adam(learning_rate), "mse")
    everything = len(x)
    model.fit(
        np.arange(everything)[:, None],
        rows.reshape((everything, *output.shape[1:])),
        batch_size=everything,
        epochs=steps,
        shuffle=False,
        verbose=0,
    )
    inverted: np.ndarray = x + ops.convert_to_numpy(model.change.value)
    if not np.isfinite(inverted).all():
        raise ValueError(
            "The inputs that were found are not finite: lower the learning "
            f"rate. Received: learning_rate={learning_rate}"
        )
    return inverted


class FreeInputs(keras.Model):
    """A source with an input for each sample, which is trained."""

    def __init__(
        self, source: keras.Model, x: np.ndarray, penalty: float
    ) -> None:
        super().__init__()
        # As an attribute, the source would be a layer that is trained.
        self.call_source: Callable[[Tensor], Tensor] = functools.partial(
            source, training=False
        )
        self.x, self.penalty = x, penalty
        self.change = self.add_weight(
            name="change", shape=x.shape, initializer="zeros"
        )

    def call(self, indices: Tensor) -> Tensor:
        indices = indices[:, 0]
        change = ops.take(self.change, indices, axis=0)
        self.add_loss(self.penalty * ops.mean(ops.square(change)))
        samples = ops.take(ops.convert_to_tensor(self.x), indices, axis=0)
        return self.call_source(ops.add(samples, change))


def fit_correction(
    model: ReprogrammedModel,
    x: np.ndarray,
    y: np.ndarray,
    corrected: np.ndarray,
    correction_epochs: int = 50,
    epochs: int = 50,
    correction_weight: float = 0.1,
    learning_rate: float = 0.001,
    batch_size: int = 32,
    verbose: str | int = 0,
) -> None:
    """Trains an input transformation on inputs, and then on targets too.

    The first epochs minimize `mean((x' - corrected)^2)`, with `x'` the inputs
    of the source; the others `mean((prediction - y)^2)` and
    `correction_weight` times the first.

    Example:

    ```python
    inputs = keras.Input((80, 3))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a trained regressor
    model = keras_reprogram.methods.remap(source, target_shape=(80, 3))
    x, y = np.random.rand(8, 80, 3), np.random.rand(8, 1)
    corrected = keras_reprogram.models.inverted_inputs(source, x, y, steps=5)
    keras_reprogram.models.fit_correction(model, x, y, corrected, 2, 2)
    ```

    Args:
        model: A `ReprogrammedModel` whose samples have the shape of the
            source's inputs.
        x: Array of samples.
        y: Array of targets.
        corrected: Array of the inputs that the source should get, of the shape
            of `x`, such as those of `nearest_source_inputs` or
            `inverted_inputs`.
        correction_epochs: Integer. Epochs on the inputs alone. Defaults to
            `50`.
        epochs: Integer. Epochs on both. Defaults to `50`.
        correction_weight: Float. Weight of the loss on inputs, beside the
            loss on targets. Defaults to `0.1`.
        learning_rate: Float. Learning rate of Adam. Defaults to `0.001`.
        batch_size: Integer. Samples of a batch. Defaults to `32`.
        verbose: As for `fit`. Defaults to `0`.

    Raises:
        ValueError: If the model is no `ReprogrammedModel`, samples, targets or
            numbers are not valid, `corrected` has another shape or is not
            finite, or the loss became not finite. The weights are then those
            from before.
    """
    check_reprogrammed(model)
    correction_epochs = non_negative_integer(
        "correction_epochs", correction_epochs
    )
    epochs = non_negative_integer("epochs", epochs)
    batch_size = positive_integer("batch_size", batch_size)
    number("correction_weight", correction_weight, 0.0)
    number("learning_rate", learning_rate, 0.0)
    x, y = model.checked(x, y)
    corrected = np.asarray(corrected, "float32")
    inputs = model.input_reprogrammer(model.input)
    if np.shape(corrected) != (len(x), *inputs.shape[1:]):
        raise ValueError(
            "`corrected` must hold an input of the source for each sample. "
            f"Received: corrected of shape {np.shape(corrected)}, {len(x)} "
            f"samples, and a source that takes {inputs.shape[1:]}"
        )
    if not np.isfinite(corrected).all():
        raise ValueError(
            "`corrected` must be finite. Received: NaN or infinity"
        )
    # Keeps the source's weights if it is interrupted.
    trained = KeptState(
        model.input, {"inputs": inputs, "prediction": model.output}
    )
    y = np.asarray(y, "float32").reshape((len(x), *model.output_shape[1:]))
    before = training_state.trained_values(model)
    for weight, number_of_epochs in (
        (0.0, correction_epochs),
        (1.0, epochs),
    ):
        weights: dict[str, Any] = {
            "inputs": correction_weight if weight else 1.0,
            "prediction": weight,
        }
        trained.compile(
            keras.optimizers.Adam(learning_rate),
            {"inputs": "mse", "prediction": "mse"},
            loss_weights=weights,
        )
        if number_of_epochs:
            purpose = "corrected inputs" + (" and targets" if weight else "")
            show(f"Training on {purpose}", verbose)
        history = trained.fit(
            x,
            {"inputs": corrected, "prediction": y},
            batch_size=batch_size,
            epochs=number_of_epochs,
            verbose=verbose,
        )
        losses = history.history.get("loss", [])
        after = training_state.trained_values(model)
        lost = training_state.lost_and_learned(model, before, after)
        if lost or not np.isfinite(losses).all():
            variables = training_state.trained_variables(model)
            training_state.assign(variables, before)
            raise ValueError(
                "The loss is not finite: lower the learning rate. The model "
                "is as it was before. Received: learning_rate="
                f"{learning_rate}, loss={losses[-1]}, and {lost} weights that "
                "became not finite"
            )


def two_axes(values: np.ndarray) -> np.ndarray:
    """Targets as a matrix of floats, with a row for each sample."""
    array = np.asarray(values)
    if not array.size or not array.ndim or array.dtype.kind not in "biuf":
        raise ValueError(
            "Targets must be an array of numbers, with one or more for each "
            f"sample. Received: an array of shape {array.shape} and dtype "
            f"{array.dtype}"
        )
    return array.astype("float64").reshape(len(array), -1)
