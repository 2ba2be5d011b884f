"""The placement that renders tokens as image patches (Neekhara et al. 2022).

References:
    - [Cross-modal Adversarial Reprogramming](https://arxiv.org/abs/2102.07325)
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.placement import TrainedPlacement
from keras_reprogram.inputs.sample_range import PIXELS
from keras_reprogram.inputs.sample_range import ValueRange
from keras_reprogram.inputs.valid import known_rows
from keras_reprogram.inputs.valid import known_tokens
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class TokenPatches(TrainedPlacement):
    """Renders each token of a sequence as a learned patch of an image.

    ```
    patch(token) = (1 + tanh(theta[token])) / 2
    ```

    in the unit range, which is scaled to the `value_range` of the
    `InputReprogrammer`, or with `None` to that of pixels, `(0, 255)`.

    The patches are arranged in rows, from left to right, in the middle of the
    canvas, padded with the padding token's patch. Samples are rows of integers,
    `(batch, length)`, for any image classifier. The image depends on a token's
    position: pad samples at the end.

    Example:

    ```python
    # Up to 196 letters of DNA for a classifier of photographs.
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(196,),
        source_shape=(224, 224, 3),
        placement=keras_reprogram.inputs.TokenPatches(vocabulary_size=5),
        pattern=None,
    )
    ```

    Args:
        vocabulary_size: Integer. Number of tokens.
        patch_size: Integer. Height and width of a patch in pixels. Defaults to
            `16`.
        padding_token: Integer. The token that pads a sequence. Defaults to `0`.
        initializer: String or Keras initializer of `theta`. Defaults to
            `"random_normal"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [Cross-modal Adversarial Reprogramming](https://arxiv.org/abs/2102.07325)
    """

    sample_dtype = "int32"
    program_objects = {"initializer": keras.initializers.Initializer}

    def __init__(
        self,
        vocabulary_size: int,
        patch_size: int = 16,
        padding_token: int = 0,
        initializer: object = "random_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer(
            "vocabulary_size", vocabulary_size
        )
        self.patch_size = positive_integer("patch_size", patch_size)
        token = integer(padding_token)
        if token is None or not 0 <= token < self.vocabulary_size:
            raise ValueError(
                "`padding_token` must be a token, from 0 to "
                f"{self.vocabulary_size - 1}. Received: "
                f"padding_token={padding_token!r}"
            )
        self.padding_token = token
        self.initializer = keras.initializers.get(initializer)

    def grid(self, canvas_shape: FixedShape, axes: Axes) -> tuple[int, int]:
        """The number of rows and columns of patches."""
        height, width = axes.spatial_shape(canvas_shape)
        return height // self.patch_size, width // self.patch_size

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        if len(axes.spatial) != 2:
            raise ValueError(
                "`TokenPatches` renders images. Received: source_shape="
                f"{canvas_shape}"
            )
        rows, columns = self.grid(canvas_shape, axes)
        if len(sample_shape) != 1 or not (
            0 < (sample_shape[0] or 0) <= rows * columns
        ):
            raise ValueError(
                f"`TokenPatches` takes rows of at most {rows * columns} "
                f"tokens on a canvas of {canvas_shape}: shorten the samples, "
                "or choose a smaller `patch_size`. Received: samples of shape "
                f"{sample_shape}"
            )

    def check_values(self, samples: np.ndarray) -> None:
        is_integer = samples.dtype.kind in "iu"
        if not is_integer or not (
            0 <= samples.min(initial=0)
            and samples.max(initial=0) < self.vocabulary_size
        ):
            received = f"dtype {samples.dtype}"
            if is_integer:
                received += f", from {samples.min()} to {samples.max()}"
            raise ValueError(
                "Samples must be tokens, integers from 0 to "
                f"{self.vocabulary_size - 1}. Received: samples of {received}"
            )

    def valid(self, samples: Tensor) -> Tensor | None:
        return known_rows(samples, self.vocabulary_size)

    @property
    def valid_values(self) -> str:
        return f"tokens from 0 to {self.vocabulary_size - 1}"

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        size, channels = self.patch_size, axes.channels(canvas_shape)
        return [ExpectedVariable((self.vocabulary_size, size, size, channels))]

    def build_on(self, canvas: Canvas) -> None:
        size = self.patch_size
        self.theta = self.add_weight(
            name="theta",
            shape=(self.vocabulary_size, size, size, canvas.channels),
            initializer=self.initializer,
        )
        self.built = True

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        tiled = [
            cells * self.patch_size for cells in self.grid(canvas_shape, axes)
        ]
        return np.pad(np.ones(tiled, bool), self.margins(canvas_shape, axes))

    def margins(
        self, canvas_shape: FixedShape, axes: Axes
    ) -> list[tuple[int, int]]:
        """Returns the free space around the patches on each spatial axis."""
        free = [
            room - cells * self.patch_size
            for room, cells in zip(
                axes.spatial_shape(canvas_shape), self.grid(canvas_shape, axes)
            )
        ]
        return [((gap + 1) // 2, gap // 2) for gap in free]

    def canvas_range(self, value_range: ValueRange | None) -> ValueRange | None:
        return value_range or PIXELS

    def in_unit_range(
        self, samples: Tensor, value_range: ValueRange | None, dtype: str
    ) -> Tensor:
        # Tokens have no range; patches are in the unit range.
        return samples

    def doubtful_range(
        self, samples: np.ndarray, value_range: ValueRange | None
    ) -> str | None:
        return None

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        rows, columns = self.grid(canvas_shape, axes)
        tokens = ops.cast(samples, "int32")
        tokens = ops.pad(
            tokens,
            [(0, 0), (0, rows * columns - samples.shape[1])],
            constant_values=self.padding_token,
        )
        size, channels = self.patch_size, axes.channels(canvas_shape)
        patches = (1 + ops.tanh(self.theta)) / 2
        # For invalid tokens, a backend's lookup fails or returns another row.
        is_known = known_tokens(tokens, self.vocabulary_size)
        tokens = ops.where(is_known, tokens, ops.zeros_like(tokens))
        images = ops.take(patches, tokens, axis=0)
        is_known = is_known[..., None, None, None]
        images = ops.where(is_known, images, float("nan"))
        images = ops.reshape(images, (-1, rows, columns, size, size, channels))
        images = ops.transpose(images, (0, 1, 3, 2, 4, 5))
        images = ops.reshape(
            images, (-1, rows * size, columns * size, channels)
        )
        images = ops.pad(
            images, [(0, 0), *self.margins(canvas_shape, axes), (0, 0)]
        )
        if axes.channel is None:
            return images[..., 0]
        if axes.channel == 0:
            return ops.transpose(images, (0, 3, 1, 2))
        return images

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "patch_size": self.patch_size,
            "padding_token": self.padding_token,
            "initializer": keras.initializers.serialize(self.initializer),
        }
