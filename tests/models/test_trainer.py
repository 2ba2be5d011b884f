import numpy as np
import pytest
from keras import ops
from tiny import reprogrammed

from keras_reprogram.models import batches
from keras_reprogram.models import checks


@pytest.fixture
def model(source, images, labels):
    model = reprogrammed(source, "linear")
    model.adapt(images, labels, verbose=0)
    return model


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, x, y: m.train_on_batch(np.nan * x, y), "finite"),
        (lambda m, x, y: m.train_on_batch(x, y + 1), "from 0 to 2"),
        (lambda m, x, y: m.test_on_batch(x, y + 1), "from 0 to 2"),
        (lambda m, x, y: m.train_on_batch(x[:, :3], y), "target_shape"),
        (lambda m, x, y: m.train_on_batch(x, y[:3]), "as many samples"),
        (lambda m, x, y: m.predict_on_batch(x.astype(str)), "numbers"),
    ],
)
def test_batches_that_are_not_valid_are_a_value_error(
    model, images, labels, call, message
):
    with pytest.raises(ValueError, match=message):
        call(model, images, labels)


@pytest.mark.parametrize("mapping", ["linear", "iterative"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_step_on_an_invalid_batch_changes_nothing(
    source, images, labels, mapping, is_first
):
    model = reprogrammed(source, mapping)
    model.adapt(images, labels, verbose=0)
    if not is_first:
        model.train_on_batch(images, labels)
    one_is_nan = images.astype("float32")
    one_is_nan[3] = np.nan
    variables = model.trainable_variables + model.non_trainable_variables
    before = [ops.convert_to_numpy(variable.value) for variable in variables]
    for samples, targets in [(one_is_nan, labels), (images, labels + 1)]:
        with pytest.raises(ValueError, match="must be"):
            model.train_on_batch(samples, targets)
    for variable, value in zip(variables, before):
        found = ops.convert_to_numpy(variable.value)
        np.testing.assert_array_equal(found, value)
    for variable in model.optimizer.variables:
        assert np.isfinite(ops.convert_to_numpy(variable.value)).all()


def test_a_batch_of_nan_is_predicted_as_nan(model, images):
    assert np.isnan(model.predict_on_batch(np.nan * images)).all()


def test_batches_and_validation_are_neither_copied_nor_scanned(
    model, images, labels, monkeypatch
):
    model.fit(images, labels, verbose=0)
    scanned = []

    def counted(name, function):
        def call(data, *args, **kwargs):
            if data is not None:
                scanned.append((name, len(data)))
            return function(data, *args, **kwargs)

        return call

    for module in (batches, checks):
        monkeypatch.setattr(
            module, "to_numpy", counted("to_numpy", batches.to_numpy)
        )
    monkeypatch.setattr(
        checks, "check_samples", counted("check", checks.check_samples)
    )
    model.train_on_batch(images, labels)
    model.test_on_batch(images, labels)
    model.predict_on_batch(images)
    assert not scanned
    few = images[:5], labels[:5]
    model.fit(images, labels, epochs=4, validation_data=few, verbose=0)
    # Samples and labels of training, and of validation, once each.
    assert [size for name, size in scanned if name == "check"] == [24, 5]
    assert len(scanned) <= 8
