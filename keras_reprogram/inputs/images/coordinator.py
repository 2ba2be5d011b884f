"""BlackVIP's coordinator, which decodes features of a sample to a prompt.

References:
    - [BlackVIP](https://arxiv.org/abs/2303.14773)
"""

import contextlib
import contextvars
import dataclasses
import math
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.image_patterns import ImagePattern
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

STRIDE = 32
# Channels after each upsampling but the first, and after the 1x1 convolutions.
WIDENED = (64, 32, 32)
FILTERS = (64, 32, 32, 16)
SMALLEST_DEPTH = 32
NO_ENCODER = (
    "A coordinator used without a `ReprogrammedModel` needs an `encoder`. "
    "Received: encoder=None"
)


@dataclasses.dataclass
class SharedFeatures:
    """Cached features of samples on which several programs are evaluated.

    Args:
        owner: The layer that computes them.
        features: Tensor `(batch, features)`, or `None` before it is computed.
    """

    owner: keras.layers.Layer
    features: Tensor | None = None


# A context variable, because other threads may use other samples.
SHARED: contextvars.ContextVar[SharedFeatures | None] = contextvars.ContextVar(
    "shared_features", default=None
)


@serializable
class CoordinatorPattern(ImagePattern):
    """Decodes a prompt for every sample from a frozen encoder's features.

    ```
    x' = x + strength * decoder([encoder(x), theta])
    ```

    The features and the trained vector `theta` fill a grid with one cell for
    32x32 pixels, 7x7 for a canvas of 224x224, which a small decoder upsamples
    to the canvas. The paper clips the sum: `InputReprogrammer(clip=True)`.

    Example:

    ```python
    reprogrammer = keras_reprogram.InputReprogrammer(
        pattern=keras_reprogram.inputs.CoordinatorPattern(), clip=True
    )
    ```

    Args:
        encoder: Keras layer without trainable weights, such as
            `keras_reprogram.sources.FrozenSource(model)`, from canvases in
            `[0, 1]` to features `(batch, features)`. Defaults to the source,
            with its outputs as features.
        strength: Float. Factor of the prompt. Defaults to `1`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [BlackVIP](https://arxiv.org/abs/2303.14773)
    """

    def __init__(
        self,
        encoder: keras.layers.Layer | None = None,
        strength: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(encoder, dict):
            encoder = keras.saving.deserialize_keras_object(encoder)
        if encoder is not None and encoder.trainable_weights:
            raise ValueError(
                "`encoder` must be frozen: wrap it in "
                "`keras_reprogram.sources.FrozenSource`. Received: an encoder "
                f"with {len(encoder.trainable_weights)} trainable weights"
            )
        self.encoder = encoder
        self.strength = number("strength", strength, 0.0)
        self.encode: Callable[[Tensor], Tensor] | None = None
        self.num_features = 0

    @property
    def uses_source(self) -> bool:
        return self.encoder is None

    def connect(
        self, encode: Callable[[Tensor], Tensor], num_features: int
    ) -> None:
        if self.encoder is None:
            self.encode, self.num_features = encode, num_features

    def expected_variables(
        self, canvas: Canvas, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        self.check_canvas(canvas)
        rows, columns = (
            -(-length // STRIDE) for length in canvas.spatial_shape
        )
        features = specification.num_classes
        step = SMALLEST_DEPTH
        depth = step * (features // (rows * columns * step) + 1)
        shapes: list[FixedShape] = [(rows * columns * depth - features,)]
        channels = depth
        for widened, filters in zip((max(64, depth), *WIDENED), FILTERS):
            shapes += [
                (2, 2, channels, widened // channels),
                (widened,),
                (1, 1, widened, filters),
                *[(filters,)] * 4,
            ]
            channels = filters
        shapes.append((2, 2, canvas.channels, channels))
        return [ExpectedVariable(shape) for shape in shapes]

    def add_variables(self) -> None:
        shape = self.image_shape
        if self.encoder is not None:
            canvas = keras.KerasTensor((None, *shape))
            features = self.encoder.compute_output_spec(canvas)
            self.encode, self.num_features = self.encoder, features.shape[-1]
        if self.encode is None:
            raise ValueError(NO_ENCODER)
        rows, columns = (-(-length // STRIDE) for length in shape[:2])
        depth = SMALLEST_DEPTH
        while rows * columns * depth <= self.num_features:
            depth += SMALLEST_DEPTH
        self.grid_shape = (depth, rows, columns)
        self.theta = self.add_weight(
            name="theta",
            shape=(math.prod(self.grid_shape) - self.num_features,),
            initializer=keras.initializers.RandomUniform(0.0, 0.1),
        )
        self.decoder = decoder((rows, columns, depth), shape[-1], self.dtype)

    @contextlib.contextmanager
    def same_samples(self) -> Iterator[None]:
        token = SHARED.set(SharedFeatures(self))
        try:
            yield
        finally:
            SHARED.reset(token)

    def features(self, images: Tensor) -> Tensor:
        """Returns the encoder's features, cached within `same_samples`."""
        if self.encode is None:
            raise ValueError(NO_ENCODER)
        shared = SHARED.get()
        if shared is not None and shared.owner is self:
            if shared.features is None:
                shared.features = ops.stop_gradient(self.encode(images))
            return shared.features
        return ops.stop_gradient(self.encode(images))

    def call_on_images(self, images: Tensor) -> Tensor:
        features = ops.cast(self.features(images), self.compute_dtype)
        theta = ops.cast(self.theta, self.compute_dtype)
        theta = ops.broadcast_to(
            theta, (ops.shape(features)[0], *self.theta.shape)
        )
        grid = ops.concatenate([features, theta], axis=-1)
        # Channels in the paper's order: the features first.
        grid = ops.reshape(grid, (-1, *self.grid_shape))
        prompt = self.decoder(ops.transpose(grid, (0, 2, 3, 1)))
        size = self.image_shape[:2]
        if tuple(prompt.shape[1:3]) != size:
            prompt = ops.image.resize(prompt, size, data_format="channels_last")
        return ops.multiply(prompt, self.strength)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "strength": self.strength,
        }


def decoder(grid: FixedShape, channels: int, dtype: object) -> keras.Sequential:
    """Upsamples a grid by 2 five times; all but the last are separable."""
    layers: list[keras.layers.Layer] = [keras.Input(grid)]
    for widened, filters in zip((max(64, grid[-1]), *WIDENED), FILTERS):
        layers += [
            Doubling(widened, dtype=dtype),
            keras.layers.Conv2D(
                filters,
                1,
                use_bias=False,
                data_format="channels_last",
                dtype=dtype,
            ),
            keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=dtype
            ),
            keras.layers.Activation("gelu", dtype=dtype),
        ]
    layers.append(
        keras.layers.Conv2DTranspose(
            channels,
            2,
            strides=2,
            use_bias=False,
            data_format="channels_last",
            dtype=dtype,
        )
    )
    return keras.Sequential(layers, name="decoder")


@serializable
class Doubling(keras.layers.Layer):
    """A transposed depthwise 2x2 convolution with stride 2.

    Args:
        filters: Integer. Number of output channels, equal to or a multiple of
            the input's.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape: FixedShape) -> None:
        channels = input_shape[-1]
        self.multiplier = self.filters // channels
        self.kernel = self.add_weight(
            name="kernel",
            shape=(2, 2, channels, self.multiplier),
            initializer=keras.initializers.VarianceScaling(
                mode="fan_avg", distribution="uniform"
            ),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )

    def call(self, inputs: Tensor) -> Tensor:
        _, height, width, _ = inputs.shape
        # Every pixel becomes a block of 2x2 within its channel.
        blocks = ops.repeat(inputs, self.multiplier, axis=-1)
        blocks = ops.repeat(ops.repeat(blocks, 2, axis=1), 2, axis=2)
        kernel = ops.reshape(self.kernel, (2, 2, self.filters))
        kernel = ops.tile(kernel, (height, width, 1))
        return ops.add(ops.multiply(blocks, kernel), self.bias)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes, _ = input_shape
        doubled = (None if size is None else 2 * size for size in sizes)
        return (batch, *doubled, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}
