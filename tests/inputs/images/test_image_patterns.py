from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs import ConvolutionPattern
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import RandomPatchPattern
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.inputs.images.coordinator import Doubling
from keras_reprogram.sources.specification import SourceSpecification


def reprogrammer(pattern, **kwargs):
    return InputReprogrammer(
        (12, 12, 3), (12, 12, 3), pattern=pattern, value_range=(0, 1), **kwargs
    )


def outputs_of(layer, samples):
    return ops.convert_to_numpy(layer(samples))


@pytest.fixture
def samples():
    return np.random.default_rng(0).random((2, 12, 12, 3), "float32")


def test_masks_are_the_samples_own_and_shared_within_a_patch(samples):
    layer = reprogrammer(SampleMaskedPattern((4, 8), patch_size=4))
    np.testing.assert_allclose(outputs_of(layer, samples), samples, atol=1e-6)
    layer.pattern.theta.assign(np.ones((12, 12, 3)))
    added = outputs_of(layer, samples) - samples
    masks = ops.convert_to_numpy(layer.pattern.mask_network(samples))
    np.testing.assert_allclose(added, masks, atol=1e-6)
    blocks = masks.reshape(2, 3, 4, 3, 4, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    assert (masks[0] != masks[1]).any()


def test_masks_cover_canvases_that_patches_do_not_divide():
    layer = InputReprogrammer(
        (10, 13, 3), (10, 13, 3), pattern=SampleMaskedPattern()
    )
    assert layer(np.zeros((1, 10, 13, 3))).shape == (1, 10, 13, 3)


def test_a_convolution_starts_as_the_plain_sample(samples):
    layer = reprogrammer(ConvolutionPattern())
    np.testing.assert_allclose(outputs_of(layer, samples), samples, atol=1e-6)
    kernel = np.zeros((3, 3, 3, 3))
    kernel[1, 1] = np.eye(3)
    layer.pattern.convolution.kernel.assign(kernel)
    np.testing.assert_allclose(
        outputs_of(layer, samples), 2 * samples, atol=1e-5
    )


@pytest.mark.parametrize(
    "pattern", [SampleMaskedPattern((4,), 2), ConvolutionPattern()]
)
def test_channels_first_is_the_same_picture(pattern, samples):
    first = reprogrammer(pattern)
    expected = ops.convert_to_numpy(first(samples))
    copy = type(pattern).from_config(pattern.get_config())
    last = InputReprogrammer(
        (3, 12, 12),
        (3, 12, 12),
        pattern=copy,
        value_range=(0, 1),
        data_format="channels_first",
    )
    last.build((None, 3, 12, 12))
    for new, old in zip(copy.weights, pattern.weights):
        new.assign(old)
    outputs = ops.convert_to_numpy(last(samples.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(
        outputs.transpose(0, 2, 3, 1), expected, atol=1e-5
    )


def test_a_random_patch_moves_in_training_alone(samples):
    layer = reprogrammer(RandomPatchPattern(4, initializer="ones", seed=0))
    layer.build((None, 12, 12, 3))

    def place(training):
        added = ops.convert_to_numpy(layer(samples, training=training))
        rows = np.flatnonzero((added - samples)[0, ..., 0].sum(axis=1) > 0.5)
        assert len(rows) == 4 and (np.diff(rows) == 1).all()
        return rows[0]

    assert place(False) == place(False) == 4
    assert len({place(True) for _ in range(20)}) > 3


def test_a_doubling_is_a_transposed_depthwise_convolution():
    torch = pytest.importorskip("torch")
    inputs = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    layer = Doubling(8)
    outputs = ops.convert_to_numpy(layer(inputs.astype("float32")))
    kernel = ops.convert_to_numpy(layer.kernel.value)
    expected = torch.nn.functional.conv_transpose2d(
        torch.tensor(inputs.transpose(0, 3, 1, 2), dtype=torch.float32),
        torch.tensor(kernel.transpose(2, 3, 0, 1).copy()),
        stride=2,
        groups=4,
    )
    np.testing.assert_allclose(
        outputs, expected.numpy().transpose(0, 2, 3, 1), atol=1e-6
    )


def test_features_are_shared_within_same_samples_and_a_thread_alone(samples):
    layer = reprogrammer(CoordinatorPattern())
    seen = []

    def source(canvas):
        seen.append(len(canvas))
        return ops.mean(canvas, axis=(1, 2))

    known = SourceSpecification((12, 12, 3), (12, 12, 3), 3, "linear")
    layer.resolve(known, source)
    first, second = (outputs_of(layer, part) for part in (samples, samples[:1]))
    seen.clear()
    with layer.same_samples(), ThreadPoolExecutor(1) as other:
        np.testing.assert_array_equal(outputs_of(layer, samples), first)
        np.testing.assert_array_equal(outputs_of(layer, samples), first)
        assert seen == [2]
        elsewhere = other.submit(outputs_of, layer, samples[:1]).result()
        np.testing.assert_allclose(elsewhere, second, atol=1e-6)
    outputs_of(layer, samples)
    assert seen == [2, 1, 2]


@pytest.mark.parametrize(
    "make",
    [
        lambda: SampleMaskedPattern((8, 0)),
        lambda: SampleMaskedPattern((8, 16), patch_size=3),
        lambda: SampleMaskedPattern((8, 16), patch_size=8),
        lambda: ConvolutionPattern(0),
        lambda: RandomPatchPattern(-1),
        lambda: reprogrammer(RandomPatchPattern(13)).build((None, 12, 12, 3)),
        lambda: InputReprogrammer(
            (9,), (9,), pattern=SampleMaskedPattern()
        ).build((None, 9)),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
