"""Models whose variables outlive a call that is interrupted, on JAX.

On JAX Keras takes the values out of a model's variables while it trains,
evaluates or predicts, and gives their memory to the compiled step. A call that
ends by an exception or by Ctrl-C leaves the variables, and with them a source
that many tasks share, without values. Here a step takes over no memory, and
what Keras has taken is given back.
"""

import contextlib
import threading
import weakref
from collections.abc import Callable
from typing import Any

import keras

from keras_reprogram.keras_internals import JaxTraining


class KeptState(JaxTraining):
    """A model that loses no value, whenever a call of it is interrupted.

    Nor does it use a source whose values another thread has taken: on JAX one
    thread at a time computes with a source. On TensorFlow and PyTorch it is a
    `keras.Model` as any other.
    """

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        return self.with_state_kept(super().fit, *args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        return self.with_state_kept(super().evaluate, *args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        return self.with_state_kept(super().predict, *args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        return self.with_state_kept(super().train_on_batch, *args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        return self.with_state_kept(super().test_on_batch, *args, **kwargs)

    def predict_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        return self.with_state_kept(super().predict_on_batch, *args, **kwargs)

    def with_state_kept(
        self, method: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        with lock_of(shared_part(self)):
            try:
                return method(*args, **kwargs)
            except BaseException:
                if keras.config.backend() == "jax":
                    to_the_end(self.restore_jax_state)
                raise

    def compile_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return without_donation(step)


def to_the_end(action: Callable[[], Any]) -> Any:
    """Runs what may be run again, until Ctrl-C does not interrupt it."""
    while True:
        try:
            return action()
        except KeyboardInterrupt:
            continue


locks: Any = weakref.WeakKeyDictionary()
making = threading.Lock()


def lock_of(source: keras.Model) -> contextlib.AbstractContextManager:
    """What lets one thread at a time compute with a source, on JAX.

    There Keras takes the values out of all variables during a call, for every
    model of the same source. On the other backends nothing is held.
    """
    if keras.config.backend() != "jax":
        return contextlib.nullcontext()
    with making:
        return locks.setdefault(source, threading.RLock())


def shared_part(model: keras.Model) -> keras.Model:
    """The source of a model, or a model that has none."""
    for layer in model.layers:
        source = getattr(layer, "source", None)
        if isinstance(source, keras.Model):
            return source
    return model


def without_donation(step: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled step that leaves the state that it is given as it is.

    Without more, a step would copy all that it does not change, such as the
    weights of the source: it returns the others alone.

    Args:
        step: A step that is compiled by `jax.jit`, from a state and a batch
            to outputs and the next state.
    """
    import jax

    plain = getattr(step, "__wrapped__", None)
    if plain is None:  # compiled by something else than `jax.jit`
        return step
    shardings: list[Any] = []

    def changes(state: Any, data: Any) -> tuple[Any, dict[int, Any]]:
        outputs, new = plain(state, data)
        pairs = zip(jax.tree.leaves(state), jax.tree.leaves(new), strict=True)
        changed = {
            index: after
            for index, (before, after) in enumerate(pairs)
            if after is not before
        }
        if shardings:
            changed = {
                index: jax.lax.with_sharding_constraint(value, shardings[index])
                for index, value in changed.items()
            }
        return outputs, changed

    compiled = jax.jit(changes)

    def whole_state(state: Any, data: Any) -> tuple[Any, Any]:
        leaves, structure = jax.tree.flatten(state)
        if keras.distribution.distribution() is not None and not shardings:
            shardings.extend(leaf.sharding for leaf in leaves)
        outputs, changed = compiled(state, data)
        for index, value in changed.items():
            leaves[index] = value
        return outputs, jax.tree.unflatten(structure, leaves)

    return whole_state
