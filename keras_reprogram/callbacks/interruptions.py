"""The context in which callbacks handle interrupted training."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from keras_reprogram.callbacks.restore_best import RestoreBest
from keras_reprogram.callbacks.resume_training import ResumeTraining
from keras_reprogram.typing import Callbacks


@contextlib.contextmanager
def interruptible(callbacks: Callbacks) -> Iterator[Any]:
    """Context of a `fit` that callbacks complete if it is interrupted.

    Moves every `ResumeTraining` behind the other callbacks, so that it saves
    their states after an epoch. If training is interrupted by an exception or
    Ctrl-C, the method `on_train_interrupted` of callbacks that define it is
    called; otherwise `on_train_left`.

    Args:
        callbacks: List of callbacks, which may be nested, or a `CallbackList`,
            which is reordered in place.

    Raises:
        ValueError: If callbacks cannot be combined.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        members = callbacks.callbacks
    else:
        members = callbacks = keras.tree.flatten(callbacks)
    last = [item for item in members if isinstance(item, ResumeTraining)]
    members[:] = [item for item in members if item not in last] + last
    check_averages(members)
    with contextlib.ExitStack() as stack:
        for resume in last:
            stack.callback(resume.release)
            resume.prepare(members)
        try:
            yield callbacks
            for callback in members:
                if hasattr(callback, "on_train_left"):
                    callback.on_train_left()
        except BaseException:
            for callback in members:
                if hasattr(callback, "on_train_interrupted"):
                    callback.on_train_interrupted()
            raise


def check_averages(callbacks: list[keras.callbacks.Callback]) -> None:
    """Raises a `ValueError` if averaged weights are not restored."""
    swaps = [
        index
        for index, callback in enumerate(callbacks)
        if isinstance(callback, keras.callbacks.SwapEMAWeights)
    ]
    best = [
        index
        for index, callback in enumerate(callbacks)
        if isinstance(callback, RestoreBest)
    ]
    if not swaps or not best:
        return
    if not all(callbacks[index].swap_on_epoch for index in swaps):
        raise ValueError(
            "Validation uses the averaged weights, which `RestoreBest` would "
            "not save: pass `swap_on_epoch=True` to `SwapEMAWeights`. "
            "Received: swap_on_epoch=False, with `RestoreBest`"
        )
    if max(swaps) > min(best):
        raise ValueError(
            "`RestoreBest` must save the averaged weights, which are "
            "validated: put `SwapEMAWeights` before it. Received: "
            "`SwapEMAWeights` after `RestoreBest`"
        )
