"""Patterns that depend on the image (SMM, a trained convolution)."""

import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.pattern import Pattern
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor

MOST_LAYERS = 16
MOST_FILTERS = 1024


class ImagePattern(Pattern):
    """Base class: a pattern computed by a small channels-last network."""

    def build_on(self, canvas: Canvas) -> None:
        self.check_canvas(canvas)
        super().build_on(canvas)

    def check_canvas(self, canvas: Canvas) -> None:
        """Raises a `ValueError` for a canvas that is not an image."""
        if len(canvas.axes.spatial) != 2 or canvas.axes.channel is None:
            raise ValueError(
                f"`{type(self).__name__}` is a pattern for images with "
                f"channels. Received: a canvas of shape {canvas.shape}"
            )

    @property
    def image_shape(self) -> FixedShape:
        """Shape of the canvas, `(height, width, channels)`."""
        return (*self.canvas.spatial_shape, self.canvas.channels)

    def call(self, canvas: Tensor) -> Tensor:
        if self.canvas.axes.channel != 0:
            return self.call_on_images(canvas)
        images = ops.transpose(canvas, (0, 2, 3, 1))
        return ops.transpose(self.call_on_images(images), (0, 3, 1, 2))

    def call_on_images(self, images: Tensor) -> Tensor:
        """Computes the pattern of a batch of channels-last images."""
        raise NotImplementedError


@serializable
class SampleMaskedPattern(ImagePattern):
    """SMM: a learned pattern under a mask for each sample.

    ```
    x' = x + theta * upsample(f_mask(x))
    ```

    `f_mask` is a small convolutional network; its masks, one for each channel,
    are upsampled to patches of pixels.

    Example:

    ```python
    reprogrammer = keras_reprogram.InputReprogrammer(
        source_shape=(224, 224, 3),
        pattern=keras_reprogram.inputs.SampleMaskedPattern(),
    )
    ```

    Args:
        filters: Tuple of integers. Number of channels of the network's layers
            but the last, which has those of the canvas. The paper adds a layer
            of 128 for vision transformers. Defaults to `(8, 16, 32, 64)`.
        patch_size: Integer, a power of two. Height and width in pixels of the
            patches that share a mask value. Defaults to `8`.
        initializer: String or Keras initializer of the pattern. Defaults to
            `"zeros"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [Sample-specific Masks](https://arxiv.org/abs/2406.03150)
    """

    program_objects = {"initializer": keras.initializers.Initializer}

    def __init__(
        self,
        filters: tuple[int, ...] = (8, 16, 32, 64),
        patch_size: int = 8,
        initializer: object = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = positive_integers("filters", filters)
        if max(self.filters) > MOST_FILTERS or len(self.filters) > MOST_LAYERS:
            raise ValueError(
                f"`filters` must hold at most {MOST_LAYERS} numbers of at most "
                f"{MOST_FILTERS}: the network must stay small. Received: "
                f"filters={filters}"
            )
        poolings = math.log2(positive_integer("patch_size", patch_size))
        if poolings != int(poolings) or poolings > len(self.filters):
            raise ValueError(
                "`patch_size` must be a power of two of at most "
                f"{2 ** len(self.filters)}. Received: patch_size={patch_size}"
            )
        self.patch_size = patch_size
        self.initializer = keras.initializers.get(initializer)

    def expected_variables(
        self, canvas: Canvas, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        self.check_canvas(canvas)
        shape = (*canvas.spatial_shape, canvas.channels)
        shapes, channels = [shape], canvas.channels
        for filters in self.filters:
            shapes += [(3, 3, channels, filters), *[(filters,)] * 5]
            channels = filters
        shapes += [(3, 3, channels, canvas.channels), (canvas.channels,)]
        return [ExpectedVariable(shape) for shape in shapes]

    def add_variables(self) -> None:
        shape = self.image_shape
        layers: list[keras.layers.Layer] = []
        channels_last = {"data_format": "channels_last", "dtype": self.dtype}
        for depth, filters in enumerate(self.filters):
            layers += [
                keras.layers.Conv2D(
                    filters, 3, padding="same", **channels_last
                ),
                # The moving averages must converge within a short training.
                keras.layers.BatchNormalization(
                    momentum=0.9, epsilon=1e-5, dtype=self.dtype
                ),
                keras.layers.ReLU(dtype=self.dtype),
            ]
            if 2**depth < self.patch_size:
                layers.append(
                    keras.layers.MaxPooling2D(
                        2, padding="same", **channels_last
                    )
                )
        layers += [
            keras.layers.Conv2D(shape[-1], 3, padding="same", **channels_last),
            keras.layers.UpSampling2D(self.patch_size, **channels_last),
        ]
        self.mask_network = keras.Sequential(layers, name="mask_network")
        self.mask_network.build((None, *shape))
        self.theta = self.add_weight(
            name="theta", shape=shape, initializer=self.initializer
        )

    def call_on_images(self, images: Tensor) -> Tensor:
        height, width, _ = self.theta.shape
        masks = self.mask_network(images)[:, :height, :width]
        return ops.multiply(ops.cast(self.theta, masks.dtype), masks)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "patch_size": self.patch_size,
            "initializer": keras.initializers.serialize(self.initializer),
        }


@serializable
class ConvolutionPattern(ImagePattern):
    """A trainable input layer: `x' = x + W * x + b`, a convolution.

    It is initialized with zeros, so that training starts from the plain sample.

    Args:
        kernel_size: Integer. Height and width of the kernel in pixels. Defaults
            to `3`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - Kloberdanz, Tian and Le, An Improved (Adversarial) Reprogramming
          Technique for Neural Networks, ICANN 2021
    """

    def __init__(self, kernel_size: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size = positive_integer("kernel_size", kernel_size)

    def expected_variables(
        self, canvas: Canvas, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        self.check_canvas(canvas)
        size, channels = self.kernel_size, canvas.channels
        return [
            ExpectedVariable((size, size, channels, channels)),
            ExpectedVariable((channels,)),
        ]

    def add_variables(self) -> None:
        shape = self.image_shape
        if self.kernel_size > min(shape[:2]):
            raise ValueError(
                "The kernel must not be larger than the canvas. Received: "
                f"kernel_size={self.kernel_size}, canvas={shape}"
            )
        self.convolution = keras.layers.Conv2D(
            shape[-1],
            self.kernel_size,
            padding="same",
            data_format="channels_last",
            kernel_initializer="zeros",
            dtype=self.dtype,
        )
        self.convolution.build((None, *shape))

    def call_on_images(self, images: Tensor) -> Tensor:
        return self.convolution(images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_size": self.kernel_size}
