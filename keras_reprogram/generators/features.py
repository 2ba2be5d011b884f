"""The features that a discriminator is trained on."""

import keras

from keras_reprogram.configurable import positive_integers
from keras_reprogram.constraints import SpectralNorm

SLOPE = 0.1


def image_features(
    image_shape: tuple[int, int, int],
    widths: tuple[int, ...] = (32, 64, 128),
    data_format: str | None = None,
) -> keras.Model:
    """Returns a small convolutional network for a discriminator of images.

    Each width is a convolution that halves height and width, whose kernel has a
    spectral norm of 1 at most. Sums over all places of the last one are the
    features.

    Example:

    ```python
    features = keras_reprogram.generators.image_features((28, 28, 1))
    features.output_shape  # (None, 128)
    ```

    Args:
        image_shape: Tuple `(height, width, channels)`, or `(channels, height,
            width)` with `"channels_first"`.
        widths: Tuple of integers. Numbers of channels. Defaults to
            `(32, 64, 128)`.
        data_format: String, `"channels_last"` or `"channels_first"`. Defaults
            to `None`, for `keras.config.image_data_format()`.

    Returns:
        A `keras.Model` from images to `(batch, widths[-1])`.
    """
    sizes = positive_integers("image_shape", image_shape)
    if len(sizes) != 3:
        raise ValueError(
            "`image_shape` must be (height, width, channels); for samples that "
            "are no images, use a `keras.Model` of your own as `features`. "
            f"Received: image_shape={image_shape}"
        )
    images = keras.Input(sizes)
    data_format = data_format or keras.config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            '`data_format` must be "channels_last" or "channels_first". '
            f"Received: data_format={data_format!r}"
        )
    states = images
    if data_format == "channels_first":
        states = keras.layers.Permute((2, 3, 1))(images)
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
