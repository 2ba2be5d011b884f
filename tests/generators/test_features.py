import numpy as np
import pytest

from keras_reprogram.constraints import SpectralNorm
from keras_reprogram.generators import image_features


def test_features_are_sums_over_the_last_convolution():
    model = image_features((8, 6, 3), widths=(4, 5))
    assert model.predict(np.zeros((2, 8, 6, 3)), verbose=0).shape == (2, 5)
    constraints = [
        layer.kernel_constraint for layer in model.layers if layer.weights
    ]
    assert [type(each) for each in constraints] == [SpectralNorm] * 2


def test_what_is_no_image_is_a_value_error():
    for shape in ((8,), (8, 8), (8, 8, 0), "image"):
        with pytest.raises(ValueError, match="image_shape"):
            image_features(shape)


def test_channels_may_be_the_first_axis():
    model = image_features((3, 8, 6), (4,), "channels_first")
    assert model.layers[2].input.shape == (None, 8, 6, 3)
    assert model.output_shape == (None, 4)
    with pytest.raises(ValueError, match="data_format"):
        image_features((3, 8, 6), (4,), "channels")
