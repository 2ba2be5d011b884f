import keras
import pytest

from keras_reprogram import training_step

pytestmark = pytest.mark.numpy_alone


@pytest.mark.parametrize("data", ["x", ("x",), ("x", "y"), ("x", "y", "w")])
def test_a_step_has_its_samples_wrapped_once(data):
    expected = keras.utils.unpack_x_y_sample_weight(data)
    x, y, weight = training_step.with_step_samples(data)
    assert isinstance(x, training_step.StepSamples)
    assert (training_step.samples_of(x), y, weight) == expected
    assert training_step.samples_of("x") == "x"
