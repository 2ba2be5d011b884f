"""A functional model of one input, which takes a batch in several forms."""

from typing import Any

from keras_reprogram.dtypes import within_int32
from keras_reprogram.kept_state import KeptState
from keras_reprogram.models import batches
from keras_reprogram.models.static_shape import with_static_shape
from keras_reprogram.training_step import StepSamples
from keras_reprogram.typing import Tensor


class ModelOfSamples(KeptState):
    """Takes samples as a tensor, or in a dictionary, a list or a tuple.

    A dictionary of one, of any name, is what it holds; one of several is what
    the model's `input_reprogrammer` makes of it.
    """

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Any:
        # Before Keras compares names with that of the input.
        if not isinstance(inputs, StepSamples):
            inputs = self.one_input(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor = None
    ) -> Tensor:
        return super().call(self.one_input(inputs), training, mask)

    def one_input(self, inputs: Tensor) -> Tensor:
        """A batch's samples as one tensor, of sizes that are known."""
        inputs = batches.unwrap_single(inputs)
        if isinstance(inputs, dict):
            inputs = self.input_reprogrammer.merge(inputs)
        if self.inputs[0].dtype == "int32":
            inputs = within_int32(inputs)
        return with_static_shape(inputs, self.inputs[0].shape)
