"""`compile` with `"auto"`: when it is resolved, and what then happens."""

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.models.automatic_compilation import decay_of
from keras_reprogram.outputs import RegressionHead

X = np.random.default_rng(0).integers(0, 256, (12, 2, 2, 1)).astype("uint8")
Y = np.arange(12) % 3


@pytest.fixture(scope="module")
def source():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 3))
    features = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(6)(features))


def model_of(source, mapping="identity", **settings):
    return keras_reprogram.ReprogrammedModel(
        source,
        InputReprogrammer((2, 2, 1)),
        keras_reprogram.LabelMapper(3, mapping),
        **settings,
    )


def pattern(model):
    return np.concatenate(
        [
            keras.ops.convert_to_numpy(weight).ravel()
            for weight in model.input_reprogrammer.trainable_weights
        ]
    )


def config_of_decay(model):
    return tuple(decay_of(model.optimizer).get_config().values())


def test_a_new_model_is_trained_as_one_that_was_compiled_by_hand(source):
    model = model_of(source)
    assert model.get_compile_config() == {
        "optimizer": "auto",
        "loss": "auto",
        "metrics": "auto",
        "gradient_estimator": "auto",
    }
    settings = dict(batch_size=5, epochs=2, shuffle=False, verbose=0)
    history = model.fit(X, Y, **settings).history
    by_hand = model_of(source)
    decay = keras.optimizers.schedules.CosineDecay(0.02, 6)
    by_hand.compile(
        keras.optimizers.Adam(decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    expected = by_hand.fit(X, Y, **settings).history
    assert list(history) == list(expected) == ["accuracy", "loss"]
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(pattern(model), pattern(by_hand), atol=1e-6)


def test_a_second_fit_begins_with_the_full_rate(source):
    model = model_of(source)
    model.fit(X, Y, batch_size=6, verbose=0)
    before = pattern(model)
    model.fit(X, Y, batch_size=6, epochs=2, verbose=0)
    assert config_of_decay(model) == (0.02, 4, 0)
    assert int(model.optimizer.iterations) == 4
    assert np.abs(pattern(model) - before).max() > 0.02


def test_an_initial_epoch_continues_on_the_decay(source):
    settings = dict(batch_size=6, epochs=3, shuffle=False, verbose=0)
    unbroken = model_of(source)
    unbroken.fit(X, Y, **settings)

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    model = model_of(source)
    model.fit(X, Y, callbacks=[Stop()], **settings)
    model.fit(X, Y, initial_epoch=2, **settings)
    np.testing.assert_allclose(pattern(model), pattern(unbroken), atol=1e-6)


def test_training_that_was_interrupted_continues_on_the_decay(source, tmp_path):
    settings = dict(batch_size=6, epochs=3, shuffle=False, verbose=0)
    unbroken = model_of(source)
    unbroken.fit(X, Y, **settings)

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError

    def resume():
        return keras_reprogram.callbacks.ResumeTraining(tmp_path / "a.npz")

    with pytest.raises(RuntimeError):
        model_of(source).fit(
            X, Y, callbacks=[resume(), Interrupt()], **settings
        )
    model = model_of(source)
    model.fit(X, Y, callbacks=[resume()], **settings)
    np.testing.assert_allclose(pattern(model), pattern(unbroken), atol=1e-6)


def test_a_saved_model_waits_again_or_continues(source, tmp_path):
    model = model_of(source)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.get_compile_config() == model.get_compile_config()
    loaded.fit(X, Y, batch_size=6, epochs=2, verbose=0)
    loaded.save(path)
    again = keras.saving.load_model(path)
    assert int(again.optimizer.iterations) == 4
    assert config_of_decay(again) == (0.02, 4, 0)
    again.fit(X, Y, batch_size=6, verbose=0)
    assert config_of_decay(again) == (0.02, 2, 0)
    assert not keras.saving.load_model(path, compile=False).compiled


def test_single_batches_have_a_constant_rate(source):
    model = model_of(source)
    model.train_on_batch(X, Y)
    assert config_of_decay(model) == (0.02, None, 0)
    model.fit(X, Y, verbose=0)
    before = pattern(model)
    model.train_on_batch(X, Y)  # not with the rate of zero at which it ended
    assert config_of_decay(model) == (0.02, None, 0)
    assert np.abs(pattern(model) - before).max() > 1e-3


@pytest.mark.numpy_alone
def test_evaluation_finds_the_loss_and_leaves_the_decay_to_fit(source):
    model = model_of(source)
    assert len(model.evaluate(X, np.eye(3)[Y], verbose=0)) == 2
    assert type(model.loss) is keras.losses.CategoricalCrossentropy
    model.fit(X, np.eye(3)[Y], batch_size=6, verbose=0)
    assert config_of_decay(model) == (0.02, 2, 0)


@pytest.mark.numpy_alone
def test_what_the_user_passes_is_kept(source):
    model = model_of(source)
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer)
    model.test_on_batch(X, Y)
    assert model.optimizer is optimizer
    assert type(model.loss) is keras.losses.SparseCategoricalCrossentropy
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = model_of(source)
    model.compile(loss=loss, metrics=None)
    assert np.size(model.test_on_batch(X, Y)) == 1
    assert model.loss is loss
    assert config_of_decay(model) == (0.02, None, 0)
    # Metrics alone need no data.
    model.compile(optimizer, loss)
    assert model.compiled
    assert len(model.test_on_batch(X, Y)) == 2


@pytest.mark.numpy_alone
def test_labels_of_a_wrong_shape_decide_nothing(source):
    model = model_of(source)
    for wrong in (np.zeros((12, 2)), [0] * 12, None):
        with pytest.raises(ValueError, match="Received"):
            model.fit(X, wrong, verbose=0)
    model.test_on_batch(X, np.eye(3)[Y])
    assert type(model.loss) is keras.losses.CategoricalCrossentropy


@pytest.mark.numpy_alone
def test_an_iterator_loses_no_batch(source):
    model = model_of(source)

    def batches():
        for part in (slice(0, 5), slice(5, 10), slice(10, 12)):
            yield X[part], Y[part]

    counted = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: counted.append(batch)
    )
    model.fit(batches(), verbose=0, callbacks=[count])
    assert counted == [0, 1, 2]
    assert config_of_decay(model) == (0.02, None, 0)
    model.fit(batches(), steps_per_epoch=3, verbose=0)
    assert config_of_decay(model) == (0.02, 3, 0)


@pytest.mark.numpy_alone
def test_what_was_found_is_shown_unless_fit_is_silent(source, capsys):
    model = model_of(source)
    model.fit(X, Y, batch_size=6, epochs=2, verbose=0)
    assert "compile" not in capsys.readouterr().out
    model = model_of(source)
    model.fit(X, Y, batch_size=6, epochs=2, verbose=2)
    shown = (
        "model.compile(\n"
        "    optimizer=keras.optimizers.Adam("
        "keras.optimizers.schedules.CosineDecay(0.02, 4)),\n"
        "    loss=keras.losses.SparseCategoricalCrossentropy("
        "from_logits=True),\n"
        "    metrics=['accuracy'],\n"
        ")"
    )
    assert model.automatic_compilation.summary == shown
    assert capsys.readouterr().out.startswith(shown + "\n")


def test_a_source_that_is_queried_is_trained_by_queries():
    def answer(images):
        scores = np.exp(images.reshape(len(images), -1)[:, :6] / 255)
        return scores / scores.sum(axis=1, keepdims=True)

    model = model_of(QueriedSource(answer, (4, 4, 3), 6))
    before = pattern(model)
    model.fit(X, Y, verbose=0)
    assert np.abs(pattern(model) - before).max() > 0
    assert not model.loss.from_logits


@pytest.mark.numpy_alone
def test_numbers_are_trained_on(source):
    model = keras_reprogram.ReprogrammedModel(
        source, InputReprogrammer((2, 2, 1)), RegressionHead()
    )
    history = model.fit(X, 100.0 * Y, verbose=0).history
    assert list(history) == ["loss", "mean_absolute_error"]


def test_a_label_map_alone_is_trained(source):
    model = model_of(source, "linear")
    model.input_reprogrammer.trainable = False
    model.fit_label_map(X, Y, batch_size=6, epochs=2, verbose=0)
    assert decay_of(model.optimizer).decay_steps == 4


@pytest.mark.numpy_alone
def test_a_model_may_come_without(source):
    model = model_of(source, compile=False)
    with pytest.raises(ValueError, match="compile"):
        model.fit(X, Y, verbose=0)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow's replicas"
)
def test_replicas_of_tensorflow_begin_anew_and_continue(source):
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = model_of(source)
    model.fit(X, Y, batch_size=6, verbose=0)
    model.fit(X, Y, batch_size=6, epochs=2, verbose=0)
    assert config_of_decay(model) == (0.02, 4, 0)
    assert int(model.optimizer.iterations.numpy()) == 4


@pytest.mark.numpy_alone
def test_no_samples_are_what_is_wrong_with_no_samples(source):
    with pytest.raises(ValueError, match="at least one sample"):
        model_of(source).fit(X[:0], Y[:0], verbose=0)


@pytest.mark.numpy_alone
def test_a_callback_that_sets_the_rate_needs_an_optimizer_with_one(source):
    model = model_of(source)
    for callback in (
        keras.callbacks.ReduceLROnPlateau(monitor="loss"),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
    ):
        settings = dict(callbacks=[callback], verbose=0)
        with pytest.raises(ValueError, match=type(callback).__name__):
            model.fit(X, Y, **settings)
        with pytest.raises(ValueError, match=type(callback).__name__):
            fixed_ends = keras_reprogram.ReprogrammedModel(
                source, InputReprogrammer((2, 2, 1), pattern=None)
            )
            fixed_ends.fit_label_map(X, Y, **settings)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(X, Y, **settings)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
