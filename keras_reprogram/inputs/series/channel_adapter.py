"""The layer that mixes channels in front of a forecaster of single series."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import length_and_channels
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.series.standardization import standardize
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class ChannelAdapter(InputTransformation):
    """Maps the channels of a series to components, single series each.

    ```
    z_t = dropout(standardized(x)_t @ kernel + bias)
    ```

    at every step `t`. A series of `D` channels becomes `D'` components, which
    the source, a forecaster of single series, takes one by one. With
    `keras_reprogram.outputs.ChannelDecoder` behind the source, the two ends
    are an autoencoder of channels around it.

    Every channel is standardized over its own past; the decoder scales the
    forecast back. A trained affine map of each channel in addition, as in
    reversible instance normalization, would be a part of the linear maps.

    With as many components as channels, the kernel starts from the identity:
    the model starts as the source, channel by channel. Otherwise it starts from
    a random kernel with orthogonal rows or columns.

    Example:

    ```python
    series = keras.Input((96,))
    forecast = keras.layers.Dense(24)(series)
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(series, forecast),  # stands for a pretrained forecaster
        keras_reprogram.inputs.ChannelAdapter((96, 7)),
        keras_reprogram.outputs.ChannelDecoder(),
    )
    model.compile("adam", "mse")
    past, future = np.random.rand(8, 96, 7), np.random.rand(8, 24, 7)
    model.fit(past, future, verbose=0)
    model.predict(past, verbose=0).shape  # (8, 24, 7)
    ```

    Args:
        target_shape: Tuple of two integers. Shape of a sample,
            `(length, channels)`. The length is that of the source's input.
        num_components: Integer. Number of components, `D'`. Defaults to
            `None`, for the number of channels.
        dropout: Float in `[0, 1)`. Share of the components' values that are
            set to zero in training. Defaults to `0.0`.
        seed: Integer. Seed of the kernel and the dropout. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, length, channels)`.
        training: Boolean. Whether to apply the dropout. Defaults to `None`.

    Returns:
        A tensor `(batch * D', length)`. The source's outputs,
        `(batch * D', horizon)`, are passed on as `(batch, D', horizon)`.

    Raises:
        ValueError: If the source is not a forecaster of single series of this
            length.

    References:
        - [AdaPTS](https://arxiv.org/abs/2502.10235)
    """

    def __init__(
        self,
        target_shape: tuple[int, int],
        num_components: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Without autocast, samples beyond float16's range are standardized
        # first.
        super().__init__(**{"autocast": False, **kwargs})
        self.target_shape = length_and_channels("target_shape", target_shape)
        if num_components is not None:
            num_components = positive_integer("num_components", num_components)
        self.num_components = num_components
        self.dropout = number("dropout", dropout, 0.0, 1.0 - 1e-6)
        self.seed = check_seed(seed)
        self.drop = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy
        )

    @property
    def inputs_per_sample(self) -> int:
        return self.num_components or self.target_shape[1]

    @property
    def sample_shape(self) -> Shape:
        return self.target_shape

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        self.check_source(specification)
        if not self.built:
            self.build((None, *self.target_shape))

    def check_source(self, specification: SourceSpecification) -> None:
        """Raises a `ValueError` unless the source forecasts single series."""
        accepted, length = specification.accepted_shape, self.target_shape[0]
        if len(accepted) != 1 or accepted[0] not in (None, length):
            raise ValueError(
                "The source must be a forecaster that takes single series of "
                f"shape (batch, {length}): build it for this length, or wrap "
                "it in a `keras.Model` that reshapes them. Received: a source "
                f"that takes {accepted}, target_shape={self.target_shape}"
            )
        if specification.num_position_axes:
            raise ValueError(
                "The source must return one forecast, (batch, horizon), for a "
                "series: wrap it in a `keras.Model` that does, or ask it for "
                "one quantile. Received: a source with outputs of "
                f"{specification.num_position_axes + 2} axes"
            )

    def build(self, input_shape: Shape) -> None:
        channels = self.target_shape[1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, self.inputs_per_sample),
            initializer=channel_kernel(
                channels, self.inputs_per_sample, self.seed
            ),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.inputs_per_sample,), initializer="zeros"
        )
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        series, _, _ = standardize(inputs)
        series = ops.cast(series, self.compute_dtype)
        components = ops.add(ops.matmul(series, self.kernel), self.bias)
        components = self.drop(components, training=training)
        components = ops.transpose(components, (0, 2, 1))
        return ops.reshape(components, (-1, self.target_shape[0]))

    def select_outputs(self, outputs: Tensor, samples: Tensor) -> Tensor:
        """Returns the forecasts, component by component."""
        return ops.reshape(
            outputs, (-1, self.inputs_per_sample, outputs.shape[-1])
        )

    def compute_output_spec(
        self, inputs: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        batch = inputs.shape[0]
        rows = None if batch is None else batch * self.inputs_per_sample
        return keras.KerasTensor(
            (rows, self.target_shape[0]), self.compute_dtype
        )

    @property
    def expected_inputs(self) -> Shape | None:
        return self.target_shape[:1]

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        self.check_source(specification)
        check_size(self.target_shape, LARGEST_SAMPLE)
        components = self.inputs_per_sample
        check_size((self.target_shape[0], components), LARGEST_SAMPLE)
        shape = (self.target_shape[1], components)
        check_size(shape, LARGEST_SAMPLE)
        return [
            ExpectedVariable(shape),
            ExpectedVariable((components,)),
        ]

    def expected_outputs(self, outputs_shape: Shape) -> Shape:
        return (None, self.inputs_per_sample, outputs_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "target_shape": self.target_shape,
            "num_components": self.num_components,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def channel_kernel(
    channels: int, num_components: int, seed: int
) -> keras.initializers.Initializer:
    """Returns the initializer of a kernel from channels to components.

    The transpose of the kernel inverts it, or projects on its columns.
    """
    if channels == num_components:
        return keras.initializers.Identity()
    return keras.initializers.Orthogonal(seed=seed)
