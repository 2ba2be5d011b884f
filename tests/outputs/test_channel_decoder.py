import numpy as np
import pytest
from keras import ops

from keras_reprogram.outputs import ChannelDecoder


def built():
    decoder = ChannelDecoder()
    decoder.build((None, 2, 4), (None, 6, 3))
    return decoder


def test_a_forecast_is_in_the_unit_of_its_channel():
    decoder = built()
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(5, 2, 4)).astype("float32")
    samples = rng.normal(3.0, 7.0, size=(5, 6, 3)).astype("float32")
    kernel = rng.normal(size=(2, 3)).astype("float32")
    decoder.kernel.assign(kernel)
    decoder.bias.assign([1.0, 2.0, 3.0])
    expected = outputs.swapaxes(1, 2) @ kernel + np.array([1.0, 2.0, 3.0])
    expected = expected * samples.std(axis=1, keepdims=True)
    expected += samples.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(decoder(outputs, samples)), expected, rtol=1e-4
    )


def test_the_loss_compares_channels_in_units_of_their_deviation():
    decoder = built()
    future = np.random.default_rng(0).normal(size=(50, 4, 3)) * [1, 10, 100]
    decoder.adapt([(None, future)])
    assert decoder.solved
    np.testing.assert_allclose(
        ops.convert_to_numpy(decoder.scale), [1, 10, 100], rtol=0.2
    )
    units, _ = decoder.loss_units(future.astype("float32"), future)
    deviation = ops.convert_to_numpy(units).std(axis=(0, 1))
    np.testing.assert_allclose(deviation, 1.0, rtol=1e-2)


@pytest.mark.numpy_alone
def test_outputs_and_samples_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="components, horizon"):
        ChannelDecoder().build((None, 4), (None, 6, 3))
    with pytest.raises(ValueError, match="ChannelAdapter"):
        ChannelDecoder().build((None, 2, 4), (None, 6))
    with pytest.raises(ValueError, match="call `adapt`"):
        built().check_ready_to_train()
