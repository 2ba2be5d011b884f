"""A few cells with a trained rule amid those of the source."""

from typing import Any

import numpy as np
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.states.cell_transformation import CellTransformation
from keras_reprogram.keras_internals import concrete_value
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.cell_rule import CellRule
from keras_reprogram.sources.cell_rule import checked_state_shape
from keras_reprogram.sources.living_cells import LivingCells
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class InjectedCells(CellTransformation):
    """Gives a fixed random share of the cells a trained rule of their own.

    ```
    y = x + mask * rule(x),    x <- f(y)
    ```

    With `f` the source, the other cells go from `y` to `f(y)`, as before, and
    the injected ones to `f(y) + rule(f(y))`. The rule starts from zero.

    Example:

    ```python
    injected = keras_reprogram.inputs.InjectedCells(share=0.1)
    states = np.random.rand(1, 8, 8, 16)
    injected(states)  # the same numbers, before it is trained
    ```

    Args:
        share: Float between 0 and 1. The share of all cells that are injected.
            Defaults to `0.1`.
        hidden_units: Integer. Width of the rule's hidden layer. Defaults to
            `64`.
        fixed_channels: Integer. The number of first channels that the rule
            does not change. Defaults to `0`.
        living: A `keras_reprogram.sources.LivingCells`. Injected cells that
            are not alive are not changed. Defaults to `None`, for all cells.
        seed: Integer. Seed of the cells and of the rule. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        states: Tensor `(batch, height, width, channels)`.

    Returns:
        A tensor of the same shape.

    References:
        - [Adversarial reprogramming of neural cellular automata](https://doi.org/10.23915/distill.00027.004)
    """

    def __init__(
        self,
        share: float = 0.1,
        hidden_units: int = 64,
        fixed_channels: int = 0,
        living: LivingCells | dict[str, Any] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(fixed_channels, living, **kwargs)
        self.share = number("share", share, 0.0, 1.0)
        if not 0.0 < self.share < 1.0:
            raise ValueError(
                "`share` must be a part of the cells, more than 0 and less "
                f"than 1. Received: share={share}"
            )
        self.hidden_units = positive_integer("hidden_units", hidden_units)
        self.seed = check_seed(seed)
        self.rule = CellRule(
            self.hidden_units,
            self.fixed_channels,
            self.seed,
            dtype=self.dtype_policy,
        )

    def _mask_shape(self, state_shape: Shape) -> tuple[int, int, int]:
        height, width, _ = checked_state_shape((None, *state_shape))
        if height is None or width is None:
            raise ValueError(
                "Injected cells are at fixed places: pass a source of states "
                f"of a known height and width. Received: {state_shape}"
            )
        check_size((height, width), LARGEST_SAMPLE)
        if self._num_injected(height * width) < 1:
            raise ValueError(
                "`share` must be at least one cell of the state. Received: "
                f"share={self.share} of {height}x{width} cells"
            )
        return height, width, 1

    def _num_injected(self, num_cells: int) -> int:
        return round(self.share * num_cells)

    def expected_variables(self, state_shape: Shape) -> list[ExpectedVariable]:
        self.num_changed(state_shape)
        *_, num_channels = checked_state_shape((None, *state_shape))
        shapes: list[Shape] = [
            self._mask_shape(state_shape),
            *self.rule.variable_shapes(num_channels),
        ]
        for shape in shapes:
            check_size(shape, LARGEST_SAMPLE)
        return [ExpectedVariable(shape) for shape in shapes]

    def build(self, input_shape: Shape) -> None:
        state_shape = tuple(input_shape[1:])
        self.num_changed(state_shape)
        shape = self._mask_shape(state_shape)
        mask = np.zeros(shape, "float32")
        cells = np.random.default_rng(self.seed).permutation(mask.size)
        mask.flat[cells[: self._num_injected(mask.size)]] = 1.0
        # A program file holds it: it does not depend on NumPy's version.
        self.mask = self.add_weight(
            name="mask",
            shape=shape,
            initializer=constant(mask),
            trainable=False,
        )
        self.rule.build(input_shape)
        self.built = True

    def call(self, states: Tensor) -> Tensor:
        changed = states + ops.multiply(self.mask, self.rule(states))
        return self.of_living(changed, states)

    def check_variables(self) -> None:
        mask = concrete_value(self.mask)
        if mask is not None and not np.isin(mask, (0.0, 1.0)).all():
            raise ValueError(
                "The mask of injected cells holds 0 and 1. Received: other "
                "numbers"
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "share": self.share,
            "hidden_units": self.hidden_units,
            "seed": self.seed,
        }
