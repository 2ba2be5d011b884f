"""Neural cellular automata: a model of one step."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import optional
from keras_reprogram.configurable import serializable
from keras_reprogram.program_parts import claim
from keras_reprogram.sources.cell_rule import CellRule
from keras_reprogram.sources.cell_rule import checked_state_shape
from keras_reprogram.sources.living_cells import LivingCells
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class CellularStep(keras.layers.Layer):
    """Changes all cells of an automaton at once.

    ```
    y = x + rule(x)
    x' = y where a cell is alive in x and in y, otherwise 0
    ```

    Args:
        rule: A `CellRule`. Defaults to `None`, for `CellRule()`.
        living: A `LivingCells`. Defaults to `None`, for `LivingCells()`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        states: Tensor `(batch, height, width, channels)`.

    Returns:
        A tensor of the same shape.
    """

    def __init__(
        self,
        rule: CellRule | dict[str, Any] | None = None,
        living: LivingCells | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rule: CellRule = optional(
            "rule", rule, CellRule, "a `CellRule`"
        ) or CellRule(dtype=self.dtype_policy)
        self.living: LivingCells = (
            optional("living", living, LivingCells, "a `LivingCells`")
            or LivingCells()
        )

    def build(self, input_shape: Shape) -> None:
        num_channels = checked_state_shape(input_shape)[-1]
        self.living.check_channels(num_channels)
        claim(self.rule, self)
        if self.rule.built:
            self.rule.check_channels(num_channels)
        else:
            self.rule.build(input_shape)
        self.built = True

    def call(self, states: Tensor) -> Tensor:
        changed = states + self.rule(states)
        living = self.living.mask(states) * self.living.mask(changed)
        return changed * ops.stop_gradient(living)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "rule": serialize(self.rule),
            "living": serialize(self.living),
        }


def cellular_automaton(
    state_shape: tuple[int | None, int | None, int],
    rule: CellRule | None = None,
    living: LivingCells | None = None,
) -> keras.Model:
    """Returns a model of one step of a neural cellular automaton.

    Cells change synchronously and without chance. The model starts as an
    automaton in which nothing changes; it is trained through many steps by
    `keras_reprogram.inputs.Recurrence`, which applies it to its own output:

    Example:

    ```python
    step = keras_reprogram.sources.cellular_automaton((16, 16, 8))
    growing = keras_reprogram.ReprogrammedModel(
        step,
        keras_reprogram.inputs.Recurrence(num_steps=8),
        keras_reprogram.outputs.StateChannels(4),
        trainable_source_layers=["cells"],
    )
    growing.compile("adam", "mse")
    seed = np.zeros((1, 16, 16, 8), "float32")
    seed[:, 8, 8, 3:] = 1.0
    growing.fit(seed, np.ones((1, 16, 16, 4)), verbose=0)
    ```

    Args:
        state_shape: Tuple of three integers, `(height, width, channels)`; the
            first two may be `None`.
        rule: A `CellRule`, how cells change. Defaults to `CellRule()`.
        living: A `LivingCells`, which cells are alive; the others are zero.
            Defaults to `LivingCells()`.

    Returns:
        A functional `keras.Model` of one layer, `"cells"`.

    Raises:
        ValueError: If the shape is none of a state, or has too few channels.

    References:
        - [Growing neural cellular automata](https://doi.org/10.23915/distill.00023)
        - [Self-classifying MNIST digits](https://doi.org/10.23915/distill.00027.002)
    """
    if not isinstance(state_shape, (tuple, list)):
        state_shape = (state_shape,)
    checked_state_shape((None, *state_shape))
    states = keras.Input(state_shape, name="states")
    outputs = CellularStep(rule, living, name="cells")(states)
    return keras.Model(states, outputs, name="cellular_automaton")
