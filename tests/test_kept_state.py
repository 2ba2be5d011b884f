"""Whatever interrupts a call, no variable is left without its value."""

import threading

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.kept_state import KeptState
from keras_reprogram.kept_state import lock_of
from keras_reprogram.models.cached_outputs import Head

METHODS = ["fit", "evaluate", "predict", "predict_source"]


class Refused(Exception):
    pass


class Refusing(keras.utils.PyDataset):
    """Batches of which one cannot be read."""

    def __init__(self, refused: int, **kwargs):
        super().__init__(**kwargs)
        self.refused = refused

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == self.refused:
            raise Refused("refused")
        return np.full((4, 4, 4, 1), 100, "uint8"), np.arange(4) % 3


def values_of(model: keras.Model) -> list[np.ndarray]:
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(one.value) for one in variables]


@pytest.fixture(scope="module")
def model():
    """One for all tests, since most of a test is compilation."""
    samples = keras.Input((8, 8, 3))
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(samples / 255))
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(samples, keras.layers.Dense(6)(x)),
        keras_reprogram.InputReprogrammer((4, 4, 1)),
        keras_reprogram.LabelMapper(3, "iterative"),
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(np.full((24, 4, 4, 1), 9), np.arange(24) % 3, verbose=0)
    return model


@pytest.mark.parametrize("method", METHODS)
def test_data_that_cannot_be_read_cost_no_value(model, method):
    # What was learned since the last training is kept as well.
    model.label_mapper.sources.assign([[5], [4], [3]])
    for refused in (1, 2):
        before = values_of(model)
        settings = {"shuffle": False} if method == "fit" else {}
        # The first batch is looked at, and the last one met, by Keras alone.
        # TensorFlow makes an error of its own of it.
        with pytest.raises(Exception, match="[Rr]efused"):
            getattr(model, method)(Refusing(refused), verbose=0, **settings)
        after = values_of(model)
        assert all(np.isfinite(value).all() for value in after)
        if method != "fit":
            for one, other in zip(after, before):
                np.testing.assert_array_equal(one, other)


class Interrupting(keras.callbacks.Callback):
    """Presses Ctrl-C at one moment."""

    def __init__(self, moment: str):
        super().__init__()
        setattr(self, moment, self.interrupt)

    def interrupt(self, *args, **kwargs):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "method, moment",
    [
        ("fit", "on_epoch_begin"),
        ("fit", "on_train_batch_begin"),
        ("fit", "on_test_batch_end"),
        ("evaluate", "on_test_batch_end"),
        ("predict", "on_predict_batch_end"),
    ],
)
def test_ctrl_c_costs_no_value(model, images, labels, method, moment):
    arguments = {"verbose": 0, "callbacks": [Interrupting(moment)]}
    if method != "predict":
        arguments["y"] = labels
    if method == "fit":
        arguments["validation_data"] = (images, labels)
    before = model.source.get_weights()
    wanted = model.predict(images, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        getattr(model, method)(images, **arguments)
    for one, other in zip(model.source.get_weights(), before):
        np.testing.assert_array_equal(one, other)
    if moment != "on_test_batch_end" or method != "fit":
        found = model.predict(images, verbose=0)
        np.testing.assert_array_equal(found, wanted)
    assert all(np.isfinite(value).all() for value in values_of(model))


def test_what_a_callback_changed_is_kept(model, images, labels):
    class Changing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            bias = self.model.optimizer.iterations
            bias.assign(7)
            if epoch:
                raise Refused("refused")

        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations.value == 7:
                raise Refused("refused")

    with pytest.raises(Refused):
        model.fit(images, labels, epochs=2, callbacks=[Changing()], verbose=0)
    assert int(model.optimizer.iterations.value) == 7


def test_a_step_on_a_batch_that_fails_takes_nothing(
    model, images, labels, monkeypatch
):
    model.train_on_batch(images, labels)
    model.predict_on_batch(images)
    model.label_mapper.sources.assign([[5], [4], [3]])
    before = values_of(model)

    def refuse(*args):
        raise Refused

    for name in ("train_function", "predict_function"):
        monkeypatch.setattr(model, name, refuse)
    for call in (
        lambda: model.train_on_batch(images, labels),
        lambda: model.predict_on_batch(images),
    ):
        with pytest.raises(Refused):
            call()
        for one, other in zip(values_of(model), before):
            np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(
    keras.config.backend() != "jax", reason="JAX compiles with donation"
)
def test_a_compiled_step_leaves_its_state_alone(model, images, labels):
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
    )
    model._jax_state = None
    _, new = model.train_function(state, iter([(images, labels, None)]))
    assert not any(value.is_deleted() for part in state for value in part)
    # The source's weights are not copied.
    source = {id(weight.value) for weight in model.source.weights}
    assert source <= {id(value) for part in new for value in part}


def test_all_models_keep_their_state():
    for kind in (
        keras_reprogram.ReprogrammedModel,
        keras_reprogram.ProgramBank,
        Head,
    ):
        assert issubclass(kind, KeptState)


@pytest.mark.skipif(
    keras.config.backend() != "jax", reason="other backends need no lock"
)
def test_models_that_share_layers_share_a_lock():
    samples = keras.Input((4,))
    hidden = keras.layers.Dense(3)(samples)
    outputs = keras.layers.Dense(2)(hidden)
    first = keras.Model(samples, outputs)
    second = keras.Model(samples, hidden)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    over_both = keras.Sequential([keras.Input((4,)), first, other])

    def is_free(model):
        """Whether another thread can enter the model's lock."""
        entered = threading.Event()

        def enter():
            with lock_of(model):
                entered.set()

        thread = threading.Thread(target=enter, daemon=True)
        thread.start()
        return entered.wait(0.3)

    with lock_of(first), lock_of(first):
        assert not is_free(second) and not is_free(first)
        assert is_free(other)
        assert not is_free(over_both)
    assert is_free(over_both)
    with lock_of(over_both):
        assert not is_free(second) and not is_free(other)


def test_a_lock_is_entered_again_and_again():
    inputs = keras.Input((2,))
    lock = lock_of(keras.Model(inputs, keras.layers.Dense(1)(inputs)))
    for _ in range(2):
        with lock, lock:
            pass
