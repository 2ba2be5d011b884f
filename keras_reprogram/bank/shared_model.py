"""A model whose tables some threads change while others compute."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_reprogram.bank.shared_lock import SharedLock
from keras_reprogram.kept_state import KeptState
from keras_reprogram.kept_state import lock_of
from keras_reprogram.sources import FrozenSource


class SharedModel(KeptState):
    """Base class: a model that threads compute with, and change in between.

    Threads that predict run at the same time, on JAX one after the other. A
    change waits until no other thread computes.
    """

    frozen_source: FrozenSource
    lock: SharedLock

    @property
    def source_lock(self) -> contextlib.AbstractContextManager[Any]:
        """What lets one thread at a time compute with the source, on JAX."""
        return lock_of(self.frozen_source.source)

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        """Nothing changes, and on JAX no other thread computes."""
        with self.source_lock, self.lock.shared(fixed=True):
            yield

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """No other thread computes or changes anything."""
        with self.source_lock, self.lock.alone():
            yield

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._computing():
            return super().__call__(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        with self._computing():
            return super().predict(*args, **kwargs)

    def predict_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        with self._computing():
            return super().predict_on_batch(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        with self._computing():
            return super().evaluate(*args, **kwargs)

    def save(self, *args: Any, **kwargs: Any) -> None:
        with self._computing():
            super().save(*args, **kwargs)

    def save_weights(self, *args: Any, **kwargs: Any) -> None:
        with self._computing():
            super().save_weights(*args, **kwargs)

    def export(self, *args: Any, **kwargs: Any) -> None:
        with self._computing():
            super().export(*args, **kwargs)

    def get_weights(self) -> list[np.ndarray]:
        with self._computing():
            weights: list[np.ndarray] = super().get_weights()
            return weights

    def set_weights(self, weights: list[np.ndarray]) -> None:
        with self.changing():
            super().set_weights(weights)

    def load_weights(self, *args: Any, **kwargs: Any) -> None:
        with self.changing():
            super().load_weights(*args, **kwargs)

    def __reduce__(self) -> Any:
        with self._computing():  # copies and pickles
            return super().__reduce__()
