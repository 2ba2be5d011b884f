"""The input transformation that applies a source to its own outputs."""

import math
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import optional
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.states.state_transformation import (
    StateTransformation,
)
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import claim
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

# Within a few times the limit are states that a step of the source made.
FAR_BEYOND = 10.0


@serializable
class Recurrence(InputTransformation):
    """Applies a source to its own outputs, and a program at every step.

    With `f` the source, which maps a state to the next one, and `P` a
    transformation of states,

    ```
    x_{t + 1} = f(P(x_t)),    t = 0, ..., num_steps - 1
    ```

    The sample is `x_0`. The layer returns `P(x_{num_steps - 1})`, to which a
    `ReprogrammedModel` applies the source as to any other input.

    Example:

    ```python
    step = keras_reprogram.sources.cellular_automaton((16, 16, 8))
    model = keras_reprogram.ReprogrammedModel(
        step,  # stands for a trained automaton
        keras_reprogram.inputs.Recurrence(
            num_steps=8, transformation=keras_reprogram.inputs.StateMatrix()
        ),
        keras_reprogram.outputs.StateChannels(4),
    )
    states = np.random.rand(2, 16, 16, 8)
    model.predict(states, verbose=0).shape  # (2, 16, 16, 4)
    ```

    Args:
        num_steps: Integer. How often the source is applied.
        transformation: A `StateTransformation`, such as
            `keras_reprogram.inputs.StateMatrix` or
            `keras_reprogram.inputs.InjectedCells`. Defaults to `None`, the
            source alone.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, *state_shape)`.

    Returns:
        A tensor of the same shape.

    Raises:
        ValueError: If the source's outputs are no states that it takes.
    """

    program_objects = {"transformation": StateTransformation}

    def __init__(
        self,
        num_steps: int,
        transformation: StateTransformation | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_steps = positive_integer("num_steps", num_steps)
        self.transformation = optional(
            "transformation",
            transformation,
            StateTransformation,
            "a `StateTransformation` such as `StateMatrix()`, or `None`",
        )
        self.state_shape: Shape = ()
        self.has_warned = False
        self.run_source: Callable[[Tensor], Tensor] | None = None

    # === The source ===

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        state_shape = checked_states(specification)
        outputs = source(keras.KerasTensor((None, *state_shape)))
        if not agree(tuple(outputs.shape[1:]), state_shape):
            raise ValueError(wrong_source(state_shape, outputs.shape[1:]))
        if self.built and not agree(state_shape, self.state_shape):
            raise ValueError(
                "The layer was built for another source: make a new one. "
                f"Received: states of shape {state_shape}, not "
                f"{self.state_shape}"
            )
        # A function is not tracked: the source is no part of this layer.
        self.run_source = lambda states: source(states)
        self.state_shape = state_shape
        if not self.built:
            self.build((None, *state_shape))

    @property
    def sample_shape(self) -> Shape:
        return self.state_shape

    @property
    def uses_source(self) -> bool:
        return True

    def check_sample_shape(self, shape: Shape) -> None:
        if not agree(shape, self.state_shape):
            raise ValueError(
                "Samples are states of the source, of shape "
                f"{self.state_shape}. Received: samples of shape {shape}"
            )

    def check_values(self, samples: np.ndarray) -> None:
        """Warns once of samples in another unit than the states."""
        largest = float(np.abs(samples.astype("float64")).max(initial=0.0))
        most = FAR_BEYOND * self.largest_state
        is_integer = samples.dtype.kind in "iu"
        if self.has_warned or not (
            largest > most or is_integer and largest > 1
        ):
            return
        self.has_warned = True
        warnings.warn(
            "Samples are states of the source, in its own unit: divide pixels "
            "from 0 to 255 by 255, if it was trained on such. Received: "
            f"samples of dtype {samples.dtype} up to {largest:g}, of which "
            f"a program keeps at most {self.largest_state:g}",
            stacklevel=2,
        )

    @property
    def largest_state(self) -> float:
        """The largest absolute value of a state that a program keeps."""
        if self.transformation is None:
            return math.inf
        return self.transformation.largest_state

    # === The layer ===

    def build(self, input_shape: Shape) -> None:
        if self.transformation is not None:
            claim(self.transformation, self)
            if self.transformation.built:
                self.transformation.check_states(tuple(input_shape[1:]))
            else:
                self.transformation.build(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        states = ops.cast(inputs, self.compute_dtype)
        states = repeated(self.step, states, self.num_steps - 1)
        return self._transformed(states)

    def step(self, states: Tensor) -> Tensor:
        """Returns the states after one step of the reprogrammed source."""
        outputs = self._source_function()(self._transformed(states))
        return ops.cast(outputs, self.compute_dtype)

    def _source_function(self) -> Callable[[Tensor], Tensor]:
        if self.run_source is None:
            raise ValueError(
                "A `Recurrence` applies a source: use it as the "
                "`input_reprogrammer` of a `ReprogrammedModel`. Received: a "
                "layer without a source"
            )
        return self.run_source

    def _transformed(self, states: Tensor) -> Tensor:
        if self.transformation is None:
            return states
        return ops.cast(self.transformation(states), self.compute_dtype)

    def trajectory(
        self, states: Tensor, num_steps: int | None = None
    ) -> Iterator[np.ndarray]:
        """Yields the states before, between and after all steps.

        Args:
            states: Array `(batch, *state_shape)`.
            num_steps: Integer. Defaults to `None`, for the layer's own.
        """
        self._source_function()
        steps = self.num_steps if num_steps is None else num_steps
        states = np.asarray(states, self.compute_dtype)
        self.check_sample_shape(states.shape[1:])
        if not np.isfinite(states).all():
            raise ValueError(
                f"`states` must be finite numbers in {self.compute_dtype}. "
                "Received: states with NaN or infinity"
            )
        yield states
        for _ in range(positive_integer("num_steps", steps)):
            states = ops.convert_to_numpy(self.step(states))
            yield states

    def compute_output_spec(self, inputs: keras.KerasTensor) -> Any:
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    # === Saving ===

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        if self.transformation is None:
            return []
        return self.transformation.expected_variables(
            checked_states(specification)
        )

    def check_variables(self) -> None:
        if self.transformation is not None:
            self.transformation.check_variables()

    def get_build_config(self) -> dict[str, Any] | None:
        return None  # The model builds it, with the source.

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_steps": self.num_steps,
            "transformation": keras.saving.serialize_keras_object(
                self.transformation
            ),
        }


def repeated(
    function: Callable[[Tensor], Tensor], value: Tensor, times: int
) -> Tensor:
    """Applies a function to its own result, with a gradient.

    The function is compiled once, however often it is applied.

    Args:
        function: Function of a tensor that returns one of the same shape.
        value: Tensor.
        times: Integer.
    """
    if not times:
        return value
    if keras.config.backend() == "tensorflow":
        # XLA computes the gradient of a loop if its length is bounded.
        _, value = ops.while_loop(
            lambda index, _: ops.less(index, times),
            lambda index, value: (index + 1, function(value)),
            (0, value),
            maximum_iterations=times,
        )
        return value
    return ops.fori_loop(0, times, lambda _, value: function(value), value)


def checked_states(specification: SourceSpecification) -> Shape:
    """Returns the shape of a source's inputs, if its outputs may have it."""
    shape = specification.accepted_shape
    position_axes = specification.num_position_axes
    if (
        not shape
        or len(shape) != position_axes + 1
        or shape[-1] != specification.num_classes
    ):
        outputs = (*(None,) * position_axes, specification.num_classes)
        raise ValueError(wrong_source(shape, outputs))
    return shape


def wrong_source(inputs: Shape, outputs: Shape) -> str:
    return (
        "A `Recurrence` applies the source to its own outputs, which must have "
        "the shape of its inputs. Received: a source from "
        f"{tuple(inputs)} to {tuple(outputs)}"
    )


def agree(shape: Shape, other: Shape) -> bool:
    """Whether two shapes may be those of one array."""
    return len(shape) == len(other) and all(
        None in pair or pair[0] == pair[1] for pair in zip(shape, other)
    )
