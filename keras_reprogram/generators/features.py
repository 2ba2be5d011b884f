"""The features that a discriminator is trained on."""

import keras

from keras_reprogram.configurable import positive_integers
from keras_reprogram.constraints import SpectralNorm

SLOPE = 0.1


def image_features(
    image_shape: tuple[int, int, int], widths: tuple[int, ...] = (32, 64, 128)
) -> keras.Model:
    """Returns a small convolutional network for a discriminator of images.

    Each width is a convolution that halves height and width, with a spectral
    norm of 1 at most. Sums over all places of the last one are the features.

    Example:

    ```python
    features = keras_reprogram.generators.image_features((28, 28, 1))
    features.output_shape  # (None, 128)
    ```

    Args:
        image_shape: Tuple `(height, width, channels)`.
        widths: Tuple of integers. Numbers of channels. Defaults to
            `(32, 64, 128)`.

    Returns:
        A `keras.Model` from images to `(batch, widths[-1])`.
    """
    sizes = positive_integers("image_shape", image_shape)
    if len(sizes) != 3:
        raise ValueError(
            "`image_shape` must be (height, width, channels). Received: "
            f"image_shape={image_shape}"
        )
    images = keras.Input(sizes)
    states = images
    for width in positive_integers("widths", widths):
        states = keras.layers.Conv2D(
            width,
            4,
            strides=2,
            padding="same",
            data_format="channels_last",
            kernel_initializer="orthogonal",
            kernel_constraint=SpectralNorm(),
        )(states)
        states = keras.layers.LeakyReLU(SLOPE)(states)
    features = keras.ops.sum(states, axis=(1, 2))
    return keras.Model(images, features, name="image_features")
