"""Training the output mapping alone, on outputs that are computed once."""

from typing import TYPE_CHECKING
from typing import Any

import keras

from keras_reprogram.callbacks.finite_loss import FiniteLoss
from keras_reprogram.callbacks.interruptions import interruptible
from keras_reprogram.callbacks.training_callbacks import prepend_callbacks
from keras_reprogram.models import adaptation
from keras_reprogram.models import automatic_compilation
from keras_reprogram.models import batches
from keras_reprogram.models import cached_outputs
from keras_reprogram.models.label_predictions import named_by_data
from keras_reprogram.outputs.label_weights import ClassWeight
from keras_reprogram.typing import Callbacks
from keras_reprogram.typing import Data

if TYPE_CHECKING:
    from keras_reprogram.models.trainer import ReprogrammingTrainer


def fit(
    model: "ReprogrammingTrainer",
    x: Data,
    y: Data,
    *,
    batch_size: int,
    epochs: int,
    verbose: str | int,
    callbacks: Callbacks,
    validation_data: Data,
    shuffle: bool,
    memory_limit: int,
    class_weight: ClassWeight,
    sample_weight: Data,
    steps_per_epoch: int | None,
    **kwargs: Any,
) -> keras.callbacks.History:
    """Trains the output mapping, as `ReprogrammedModel.fit_label_map`.

    Args:
        model: A `ReprogrammedModel`.
        x: As for `ReprogrammedModel.fit_label_map`, and so the others.
        y: Labels, where `x` is an array.
        batch_size: Integer.
        epochs: Integer.
        verbose: 0, 1, 2 or `"auto"`.
        callbacks: Callbacks of the user.
        validation_data: Arrays or a data set.
        shuffle: Boolean.
        memory_limit: Integer.
        class_weight: Weights of classes, or `"balanced"`.
        sample_weight: Weights, where `x` is an array.
        steps_per_epoch: Integer.
        **kwargs: As for `fit`.

    Returns:
        The history.
    """
    cached_outputs.check(model)
    if kwargs.get("validation_split"):
        raise ValueError(
            "`fit_label_map` splits no samples off: pass them as "
            "`validation_data`. Received: validation_split="
            f"{kwargs['validation_split']!r}"
        )
    named_by_data(model.label_mapper, x, validation_data)
    x = automatic_compilation.before_fit(
        model,
        x,
        y,
        batch_size=batch_size,
        epochs=epochs,
        initial_epoch=kwargs.get("initial_epoch", 0),
        steps_per_epoch=steps_per_epoch,
        verbose=verbose,
        callbacks=callbacks,
    )
    x, y = model.checked(x, y, sample_weight)
    data = cached_outputs.CachedOutputs(
        model,
        x,
        y,
        sample_weight,
        batch_size,
        shuffle,
        memory_limit,
        verbose,
        None if batches.is_array(x) else steps_per_epoch,
        class_weight,
    )
    if validation_data is not None:
        parts = validation_data
        parts = parts if isinstance(parts, (tuple, list)) else (parts,)
        weights = parts[2] if len(parts) > 2 else None
        validation_x, validation_y = model.checked(*parts[:3])
        validation_data = cached_outputs.CachedOutputs(
            model,
            validation_x,
            validation_y,
            weights,
            batch_size,
            False,
            memory_limit,
            verbose,
            kwargs.get("validation_steps"),
            title="Computing the source's outputs on validation data",
        )
    if not model.label_mapper.solved:
        adaptation.adapt_to_outputs(model, data.in_order(), verbose)
    with (
        prepend_callbacks([FiniteLoss()], callbacks) as callbacks,
        interruptible(callbacks) as callbacks,
    ):
        history: keras.callbacks.History = cached_outputs.head_of(
            model, data
        ).fit(
            data,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            shuffle=False,  # The data set shuffles its samples itself.
            **kwargs,
        )
        return history
