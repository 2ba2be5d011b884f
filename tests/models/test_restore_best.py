import keras
import numpy as np
import pytest
from keras import ops
from tiny import Sequence
from tiny import reprogrammed

from keras_reprogram.models import RestoreBest


def fitted(model, images, labels, best, **kwargs):
    return model.fit(
        images,
        labels,
        validation_data=(images, labels),
        callbacks=[best],
        batch_size=8,
        verbose=0,
        **kwargs,
    ).history


@pytest.mark.parametrize("mapping", ["linear", "iterative"])
def test_training_ends_with_the_best_epoch(source, images, labels, mapping):
    model = reprogrammed(source, mapping)
    best = RestoreBest((images, labels))
    history = fitted(model, images, labels, best, epochs=4)
    losses = history["val_loss"]
    if best.best_epoch:
        assert best.best == min(losses) == losses[best.best_epoch - 1]
    loss, _ = model.evaluate(images, labels, verbose=0)
    np.testing.assert_allclose(loss, best.best, rtol=1e-5)


def test_the_start_is_restored_with_a_warning(source, images, labels):
    model = reprogrammed(source)
    model.adapt(images, labels, verbose=0)
    model.optimizer.learning_rate = 1e3
    expected = model.predict(images, verbose=0)
    best = RestoreBest((images, labels))
    with pytest.warns(UserWarning, match="before training"):
        fitted(model, images, labels, best, epochs=2)
    assert best.best_epoch == 0
    np.testing.assert_allclose(model.predict(images, verbose=0), expected)


def test_a_metric_that_rises_and_a_data_set(source, images, labels):
    model = reprogrammed(source)
    data = Sequence(images, labels)
    best = RestoreBest(data, monitor="val_accuracy")
    history = model.fit(
        data, validation_data=data, epochs=3, callbacks=[best], verbose=0
    ).history
    assert best.best >= max(history["val_accuracy"])


def test_patience_ends_training(source, images, labels):
    model = reprogrammed(source)
    model.adapt(images, labels, verbose=0)
    model.optimizer.learning_rate = 0.0
    best = RestoreBest((images, labels), patience=2)
    with pytest.warns(UserWarning, match="before training"):
        history = fitted(model, images, labels, best, epochs=9)
    assert len(history["loss"]) == 2


def test_the_optimizer_goes_on_from_the_restored_program(
    source, images, labels
):
    model = reprogrammed(source)
    best = RestoreBest((images, labels))
    fitted(model, images, labels, best)
    fitted(model, images, labels, best)
    program = model.input_reprogrammer.program
    assert np.isfinite(ops.convert_to_numpy(program.theta.value)).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: RestoreBest((1, 2), monitor="loss"),
        lambda: RestoreBest((1, 2), mode="best"),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_an_unknown_metric_is_a_value_error(source, images, labels):
    model = reprogrammed(source, "random")
    best = RestoreBest((images, labels), monitor="val_auc")
    with pytest.raises(ValueError, match="known: "):
        fitted(model, images, labels, best)


def test_it_is_a_keras_callback():
    assert isinstance(RestoreBest((1, 2)), keras.callbacks.Callback)


@pytest.mark.parametrize(
    "monitor, sign",
    [
        ("val_loss", -1),
        ("val_mae", -1),
        ("val_mean_squared_error", -1),
        ("val_binary_crossentropy", -1),
        ("val_accuracy", 1),
        ("val_auc", 1),
    ],
)
def test_what_is_better_follows_from_the_metrics_name(monitor, sign):
    assert RestoreBest((1, 2), monitor=monitor).sign == sign
