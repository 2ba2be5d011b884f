"""The output mapping of a regressor whose numbers are the predictions."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class SourceNumbers(OutputMapping):
    """Returns the source's outputs as predictions, in their own unit.

    For a source that already predicts what the target needs, such as a
    regressor that was trained on another population. It has no variables; for
    a trained map of outputs or features, use
    `keras_reprogram.outputs.RegressionHead`.

    Example:

    ```python
    mapping = keras_reprogram.outputs.SourceNumbers()
    mapping(np.random.rand(8, 2), None).shape  # (8, 2)
    ```

    Args:
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, ..., S)`, the source's outputs.
        samples: Not used.

    Returns:
        The outputs, of float32 at least. Labels are of the same shape; with
        one output, its axis may be left out.
    """

    def build(self, input_shape: Shape) -> None:
        self.targets = targets.NumberTargets(tuple(input_shape[1:]))
        self.built = True

    def call(self, outputs: Tensor, samples: Tensor = None) -> Tensor:
        return ops.cast(outputs, self.full_dtype)

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        return []

    def compute_output_spec(
        self,
        outputs: keras.KerasTensor,
        samples: keras.KerasTensor | None = None,
    ) -> Any:
        return keras.KerasTensor(outputs.shape, self.full_dtype)
