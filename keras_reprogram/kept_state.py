"""Models that keep their variables when a call is interrupted on JAX.

On JAX, Keras removes the values from a model's variables while it trains,
evaluates or predicts, and donates their memory to the compiled step. After an
exception or Ctrl-C the variables, including those of a source that several
models share, would have no values. Here steps donate no memory, and the values
are written back.
"""

import contextlib
import itertools
import operator
import threading
import weakref
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras

from keras_reprogram import keras_internals
from keras_reprogram.keras_internals import JaxTraining
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor


class KeptStateMixin(JaxTraining):
    """What keeps a model's variables when a call is interrupted.

    For functional models, use `KeptState`; a model of another kind inherits
    from this class and from `keras.Model`.

    On JAX only one thread at a time computes with a source. On TensorFlow and
    PyTorch the model behaves like any `keras.Model`.

    The variables to train are those that each layer declares. A frozen source
    is therefore not trained when its variables have been made trainable.
    """

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        return self._with_state_kept(super().fit, *args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._with_state_kept(super().evaluate, *args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._with_state_kept(super().predict, *args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._with_state_kept(super().train_on_batch, *args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._with_state_kept(super().test_on_batch, *args, **kwargs)

    def predict_on_batch(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._with_state_kept(super().predict_on_batch, *args, **kwargs)

    def _with_state_kept(
        self, method: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        with lock_of(shared_part(self)):
            try:
                return method(*args, **kwargs)
            except BaseException:
                if keras.config.backend() == "jax":
                    to_the_end(self.restore_jax_state)
                raise

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        if not self.trainable:
            return []
        own = keras_internals.own_trainable_variables(self)
        variables = [variable for variable in own if variable.trainable]
        for layer in keras_internals.sublayers(self):
            variables += layer.trainable_variables
        return list({id(variable): variable for variable in variables}.values())

    @property
    def trainable_weights(self) -> list[keras.Variable]:
        return self.trainable_variables

    @property
    def non_trainable_variables(self) -> list[keras.Variable]:
        return self._not_trained(self.variables)

    @property
    def non_trainable_weights(self) -> list[keras.Variable]:
        return self._not_trained(self.weights)

    def _not_trained(
        self, variables: list[keras.Variable]
    ) -> list[keras.Variable]:
        trained = set(map(id, self.trainable_variables))
        return [it for it in variables if id(it) not in trained]

    def compile_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return without_donation(step)


class KeptState(KeptStateMixin, keras.Model):
    """A functional model that keeps its variables in an interrupted call."""


def to_the_end(action: Callable[[], Any]) -> Any:
    """Repeats an action until it completes without Ctrl-C."""
    while True:
        try:
            return action()
        except KeyboardInterrupt:
            continue


# The number of the lock and the lock of each layer of a source.
locks: Any = weakref.WeakKeyDictionary()
numbers = itertools.count()
locks_guard = threading.Lock()


def lock_of(source: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """The lock under which one thread at a time computes with a source.

    During a call on JAX, Keras removes the values of all variables, for every
    model that shares them. Models that share layers therefore share a lock.

    Args:
        source: Keras model. The source, or any model.

    Returns:
        A reentrant context manager. It does nothing on the other backends.
    """
    if keras.config.backend() != "jax":
        return contextlib.nullcontext()
    layers = keras_internals.flatten_layers(source)
    with locks_guard:
        source_locks = {locks[layer] for layer in layers if layer in locks}
        source_locks = source_locks or {(next(numbers), threading.RLock())}
        in_order = sorted(source_locks, key=operator.itemgetter(0))
        for layer in layers:
            locks.setdefault(layer, in_order[0])
    return LocksInOrder([lock for _, lock in in_order])


class LocksInOrder(contextlib.AbstractContextManager[None]):
    """A reentrant context manager that acquires several locks.

    Args:
        locks: Sequence of reentrant locks, acquired in this order.
    """

    def __init__(
        self, locks: Sequence[contextlib.AbstractContextManager[Any]]
    ) -> None:
        self.locks = locks
        # Changed only by the thread that holds the locks.
        self.held: list[contextlib.ExitStack] = []

    def __enter__(self) -> None:
        with contextlib.ExitStack() as stack:
            for lock in self.locks:
                stack.enter_context(lock)
            self.held.append(stack.pop_all())

    def __exit__(self, *error: object) -> None:
        self.held.pop().close()


def shared_part(model: keras.Model) -> keras.Model:
    """Returns the source of a model, or the model itself if it has none."""
    for layer in model.layers:
        source = getattr(layer, "source", None)
        if isinstance(source, keras.Model):
            return source
    return model


def without_donation(step: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a compiled step that does not donate its state's memory.

    Without donation, a step would copy the part of the state that it does not
    change, such as the weights of the source. This one returns only the rest.

    Args:
        step: Function compiled by `jax.jit`, from a state and a batch to
            outputs and the next state.

    Returns:
        A function of the same arguments and outputs.
    """
    import jax

    plain = getattr(step, "__wrapped__", None)
    if plain is None:  # not compiled by `jax.jit`
        return step
    shardings: list[Any] = []

    def changes(state: Tensor, data: Data) -> tuple[Any, dict[int, Any]]:
        outputs, new = plain(state, data)
        pairs = zip(jax.tree.leaves(state), jax.tree.leaves(new), strict=True)
        changed = {
            index: after
            for index, (before, after) in enumerate(pairs)
            if after is not before
        }
        if shardings:
            constrain: Callable[..., Any] = jax.lax.with_sharding_constraint
            changed = {
                index: constrain(value, shardings[index])
                for index, value in changed.items()
            }
        return outputs, changed

    compiled = jax.jit(changes)

    def whole_state(state: Tensor, data: Data) -> tuple[Any, Any]:
        leaves, structure = jax.tree.flatten(state)
        if keras.distribution.distribution() is not None and not shardings:
            shardings.extend(leaf.sharding for leaf in leaves)
        outputs, changed = compiled(state, data)
        for index, value in changed.items():
            leaves[index] = value
        return outputs, jax.tree.unflatten(structure, leaves)

    return whole_state
