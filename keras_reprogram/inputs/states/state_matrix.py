"""One symmetric matrix that multiplies the states of all living cells."""

import math
from typing import Any

import numpy as np
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.states.cell_transformation import CellTransformation
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.cell_rule import of_each_cell
from keras_reprogram.sources.living_cells import LivingCells
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class StateMatrix(CellTransformation):
    """Multiplies the states of living cells by one symmetric matrix.

    ```
    x' = clip(x M, -limit, limit)
    ```

    with `M = I + D`. The upper triangle of `D` is trained; it starts from
    zero. `D` may be scaled afterwards: `matrix.offset.assign(k *
    matrix.offset)` interpolates between the source, at `k = 0`, and what was
    trained, at `k = 1`.

    Example:

    ```python
    matrix = keras_reprogram.inputs.StateMatrix()
    states = np.random.rand(1, 8, 8, 16)
    matrix(states)  # the same numbers, before it is trained
    ```

    Args:
        limit: Float greater than 0. Largest absolute value of a state; it
            must exceed those that the source itself reaches, which otherwise
            does not start as it is. Defaults to `3.0`; `None` for no limit.
        fixed_channels: Integer. The number of first channels that the matrix
            does not change, nor read. Defaults to `0`.
        living: A `keras_reprogram.sources.LivingCells`, the cells that are
            multiplied. Defaults to `None`, for all cells.
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
        limit: float | None = 3.0,
        fixed_channels: int = 0,
        living: LivingCells | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fixed_channels, living, **kwargs)
        self.limit = None if limit is None else number("limit", limit, 1e-6)

    @property
    def largest_state(self) -> float:
        return math.inf if self.limit is None else self.limit

    def expected_variables(self, state_shape: Shape) -> list[ExpectedVariable]:
        width = self.num_changed(state_shape)
        check_size((width, width), LARGEST_SAMPLE)
        return [ExpectedVariable((width * (width + 1) // 2,))]

    def build(self, input_shape: Shape) -> None:
        width = self.num_changed(tuple(input_shape[1:]))
        rows, columns = np.triu_indices(width)
        # Where each entry of the matrix is in its upper triangle.
        self.positions = np.zeros((width, width), "int32")
        self.positions[rows, columns] = np.arange(len(rows))
        self.positions[columns, rows] = np.arange(len(rows))
        self.offset = self.add_weight(
            name="offset", shape=(len(rows),), initializer="zeros"
        )
        self.built = True

    @property
    def matrix(self) -> Tensor:
        """The symmetric matrix, `(channels, channels)`."""
        width = len(self.positions)
        # As rows, since PyTorch exports no other lookup to ONNX.
        rows = ops.take(self.offset[:, None], self.positions, axis=0)
        entries = ops.reshape(rows, (width, width))
        return ops.add(ops.eye(width, dtype=entries.dtype), entries)

    def call(self, states: Tensor) -> Tensor:
        kept = self.fixed_channels
        changed = of_each_cell(states[..., kept:], self.matrix)
        if self.limit is not None:
            changed = ops.clip(changed, -self.limit, self.limit)
        if kept:
            changed = ops.concatenate([states[..., :kept], changed], axis=-1)
        return self.of_living(changed, states)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "limit": self.limit}
