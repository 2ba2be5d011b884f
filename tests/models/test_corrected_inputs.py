import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import methods
from keras_reprogram.models import fit_correction
from keras_reprogram.models import inverted_inputs
from keras_reprogram.models import nearest_source_inputs

X = np.random.default_rng(0).normal(size=(6, 8, 1)).astype("float32")
SUMS = X.sum(axis=1)


def adder():
    inputs = keras.Input((8, 1))
    return keras.Model(inputs, ops.sum(inputs, axis=1))


@pytest.mark.numpy_alone
def test_the_nearest_input_has_the_nearest_target_in_its_own_unit():
    sources = np.arange(3)[:, None, None] * np.ones((1, 8, 1))
    numbers = np.array([[0.0, 0.0], [1.0, 1000.0], [2.0, 0.0]])
    found = nearest_source_inputs(
        np.array([[0.1, 900.0], [1.6, 0.0]]), sources, numbers
    )
    np.testing.assert_array_equal(found[:, 0, 0], [1, 2])
    with pytest.raises(ValueError, match="a target each"):
        nearest_source_inputs(numbers, sources[:2], numbers)
    with pytest.raises(ValueError, match="a target each"):
        nearest_source_inputs(numbers[:, 0], sources, numbers)
    missing = np.where(numbers == 1.0, np.nan, numbers)
    for y, source_y in ((missing, numbers), (numbers, missing)):
        with pytest.raises(ValueError, match="must be finite"):
            nearest_source_inputs(y, sources, source_y)


def test_inverted_inputs_have_the_targets_and_stay_near():
    source = adder()
    inverted = inverted_inputs(source, X, SUMS + 4.0, 60, 0.05, 0.0)
    np.testing.assert_allclose(inverted.sum(axis=1), SUMS + 4.0, atol=0.3)
    # The smallest change spreads over all steps.
    np.testing.assert_allclose(inverted - X, 0.5, atol=0.1)
    near = inverted_inputs(source, X, SUMS + 4.0, 10, 0.1, 1e4)
    assert np.abs(near - X).max() < 0.2
    for x, y in ((X[:, :4], SUMS), (X, SUMS[:2]), (X[..., 0], SUMS)):
        with pytest.raises(ValueError, match="a target each"):
            inverted_inputs(source, x, y)
    with pytest.raises(ValueError, match="finite"):
        inverted_inputs(source, X * np.nan, SUMS)


def test_a_correction_learns_inputs_and_then_targets():
    source = adder()
    model = methods.remap(source, (8, 1), kernel_size=1)
    fit_correction(
        model, X, SUMS[:, 0] + 4.0, X + 0.5, 30, 0, learning_rate=0.05
    )
    corrected = ops.convert_to_numpy(model.input_reprogrammer(X))
    np.testing.assert_allclose(corrected, X + 0.5, atol=0.2)
    fit_correction(
        model, X, SUMS + 8.0, X - 9.0, 0, 8, 1e-6, learning_rate=0.05
    )
    errors = np.abs(model.predict_on_batch(X) - SUMS - 8.0)
    assert errors.max() < 3.0
    with pytest.raises(ValueError, match="for each sample"):
        fit_correction(model, X, SUMS, X[:2])
    with pytest.raises(ValueError, match="`corrected` must be finite"):
        fit_correction(model, X, SUMS, X * np.nan)
    with pytest.raises(ValueError, match="`correction_weight`"):
        fit_correction(model, X, SUMS, X, correction_weight=-1.0)


@pytest.mark.parametrize("epochs", [(2, 0), (0, 2)])
def test_a_correction_that_diverges_leaves_the_weights_as_they_were(epochs):
    model = methods.remap(adder(), (8, 1), kernel_size=1)
    before = model.get_weights()
    with pytest.raises(ValueError, match="lower the learning rate.*1e"):
        fit_correction(
            model, X, SUMS, (X + 1.0).tolist(), *epochs, learning_rate=1e30
        )
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match="lower the learning rate.*1e"):
        inverted_inputs(adder(), X, SUMS + 1.0, 3, learning_rate=1e30)


def test_an_interrupted_correction_leaves_a_model(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    model = methods.remap(adder(), (8, 1), kernel_size=1)
    monkeypatch.setattr(keras.callbacks.History, "on_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit_correction(model, X, SUMS, X, 1, 0)
    assert np.isfinite(model.predict_on_batch(X)).all()


def test_arguments_of_a_correction_are_checked_before_training():
    source = adder()
    model = methods.remap(source, (8, 1), kernel_size=1)
    for name in ("correction_epochs", "epochs", "batch_size"):
        for number in (-1, 1.5, None):
            with pytest.raises(ValueError, match=f"`{name}`.*Received"):
                fit_correction(model, X, SUMS, X, **{name: number})
    with pytest.raises(ValueError, match="`batch_size`.*=0"):
        fit_correction(model, X, SUMS, X, batch_size=0)
    with pytest.raises(ValueError, match="`ReprogrammedModel`.*Functional"):
        fit_correction(source, X, SUMS, X)
    with pytest.raises(ValueError, match="`learning_rate`"):
        inverted_inputs(source, X, SUMS, learning_rate=np.nan)
    with pytest.raises(ValueError, match="`steps`"):
        inverted_inputs(source, X, SUMS, 1.5)
    with pytest.raises(ValueError, match="functional.*function"):
        inverted_inputs(lambda x: x, X, SUMS)
    with pytest.raises(ValueError, match="as many numbers as the source"):
        inverted_inputs(source, X, np.repeat(SUMS, 2, axis=1))
    for y in (None, 3.0, SUMS[:0], ["a"] * 6):
        with pytest.raises(ValueError, match="Targets must be.*Received"):
            inverted_inputs(source, X, y)
