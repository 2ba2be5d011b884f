"""The output mapping that reads channels of a state as numbers."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class StateChannels(OutputMapping):
    """Returns the first channels of every cell's state, such as its color.

    Example:

    ```python
    mapping = keras_reprogram.outputs.StateChannels(4)
    mapping(np.random.rand(2, 8, 8, 16)).shape  # (2, 8, 8, 4)
    ```

    Args:
        num_channels: Integer. Defaults to `4`: red, green, blue and alpha.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, ..., channels)`, the source's states.
        samples: Not used.

    Returns:
        A tensor `(batch, ..., num_channels)`, of float32 at least. Labels are
        numbers of the same shape.

    Raises:
        ValueError: If states have fewer channels.
    """

    def __init__(self, num_channels: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_channels = positive_integer("num_channels", num_channels)

    def resolve(self, specification: SourceSpecification) -> None:
        check_channels(
            "num_channels", self.num_channels, specification.num_classes
        )

    def build(self, input_shape: Shape) -> None:
        check_channels("num_channels", self.num_channels, input_shape[-1])
        sizes = tuple(input_shape[1:-1])
        self.targets = targets.NumberTargets((*sizes, self.num_channels))
        self.built = True

    def call(self, outputs: Tensor, samples: Tensor = None) -> Tensor:
        outputs = ops.cast(outputs, self.full_dtype)
        return outputs[..., : self.num_channels]

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        return []

    def compute_output_spec(
        self,
        outputs: keras.KerasTensor,
        samples: keras.KerasTensor | None = None,
    ) -> Any:
        shape = (*outputs.shape[:-1], self.num_channels)
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_channels": self.num_channels}


def check_channels(name: str, value: int, num_channels: int | None) -> None:
    """Raises a `ValueError` if states have fewer channels."""
    if num_channels is not None and value > num_channels:
        raise ValueError(
            f"`{name}` must be at most the number of channels of a state, "
            f"{num_channels}. Received: {name}={value}"
        )
