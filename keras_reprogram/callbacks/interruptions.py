"""Training that is interrupted, and what is left of it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from keras_reprogram.callbacks.restore_best import RestoreBest
from keras_reprogram.callbacks.resume_training import ResumeTraining
from keras_reprogram.typing import Callbacks


@contextlib.contextmanager
def interruptible(callbacks: Callbacks) -> Iterator[Any]:
    """Leaves the best that was learned, however training ends.

    Puts every `ResumeTraining` behind the other callbacks, so that its file
    holds how they are after an epoch. If training is interrupted, by an
    exception or by Ctrl-C, callbacks that have a method
    `on_train_interrupted` are told; otherwise those that have `on_train_left`.

    Args:
        callbacks: A list of callbacks, which may be nested, or a
            `CallbackList`, whose order is changed.

    Raises:
        ValueError: If callbacks do not go together.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        found = callbacks.callbacks
    else:
        found = callbacks = keras.tree.flatten(callbacks)
    last = [item for item in found if isinstance(item, ResumeTraining)]
    found[:] = [item for item in found if item not in last] + last
    check_averages(found)
    with contextlib.ExitStack() as stack:
        for resume in last:
            stack.callback(resume.release)
            resume.prepare(found)
        try:
            yield callbacks
            for callback in found:
                if hasattr(callback, "on_train_left"):
                    callback.on_train_left()
        except BaseException:
            for callback in found:
                if hasattr(callback, "on_train_interrupted"):
                    callback.on_train_interrupted()
            raise


def check_averages(callbacks: list[keras.callbacks.Callback]) -> None:
    """Raises if what is restored is not what was validated."""
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
            "Validation is of the averaged weights, which `RestoreBest` does "
            "not see: pass `SwapEMAWeights` the argument `swap_on_epoch=True`. "
            "Received: swap_on_epoch=False, with `RestoreBest`"
        )
    if max(swaps) > min(best):
        raise ValueError(
            "`RestoreBest` must see the averaged weights, which are those that "
            "are validated: put `SwapEMAWeights` before it. Received: "
            "`SwapEMAWeights` after `RestoreBest`"
        )
