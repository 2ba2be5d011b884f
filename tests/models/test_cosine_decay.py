import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.models import cosine_decay
from keras_reprogram.models.cosine_decay import CosineDecayOverFit


def test_the_decay_is_that_of_keras():
    expected = keras.optimizers.schedules.CosineDecay(0.02, 40)
    decay = CosineDecayOverFit(0.02, 40)
    later = CosineDecayOverFit(0.02, 40, offset=10)
    for step in (0, 1, 7, 20, 39, 40, 50):
        for found, wanted in (
            (decay(step), expected(step)),
            (later(step), expected(step + 10)),
        ):
            np.testing.assert_allclose(float(found), float(wanted), atol=1e-8)


def test_without_a_number_of_steps_the_rate_is_the_mean_of_the_decay():
    decay = CosineDecayOverFit(0.02)
    known = CosineDecayOverFit(0.02, 1000)
    mean = np.mean([float(known(step)) for step in range(1000)])
    np.testing.assert_allclose(float(decay(0)), mean, rtol=2e-3)
    np.testing.assert_allclose(float(decay(10**6)), 0.01)


def test_the_decay_survives_serialization():
    optimizer = keras.optimizers.Adam(CosineDecayOverFit(0.02, 40, 10))
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    decay = cosine_decay.decay_of(again)
    assert decay.get_config() == {
        "initial_learning_rate": 0.02,
        "decay_steps": 40,
        "offset": 10,
    }


@pytest.mark.parametrize(
    "rate", [1e-3, keras.optimizers.schedules.CosineDecay(1e-3, 4)]
)
def test_an_optimizer_of_the_user_has_no_decay_over_fit(rate):
    optimizer = keras.optimizers.Adam(rate)
    assert cosine_decay.decay_of(optimizer) is None


def test_an_invalid_decay_is_refused():
    with pytest.raises(ValueError, match="decay_steps"):
        CosineDecayOverFit(0.02, 0)
    with pytest.raises(ValueError, match="initial_learning_rate"):
        CosineDecayOverFit(-0.02, 4)


def test_an_optimizer_that_begins_anew_takes_its_first_step_again():
    variable = keras.Variable(np.array([1.0, -2.0], "float32"))
    optimizer = keras.optimizers.Adam(CosineDecayOverFit(0.1, 4))
    gradient = ops.convert_to_tensor(np.array([0.5, -1.0], "float32"))
    steps = []
    for _ in range(2):
        before = ops.convert_to_numpy(variable)
        optimizer.apply([gradient], [variable])
        steps.append(ops.convert_to_numpy(variable) - before)
        optimizer.apply([gradient * 3], [variable])
        cosine_decay.begin_anew(optimizer)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-5)
    assert int(optimizer.iterations) == 0
