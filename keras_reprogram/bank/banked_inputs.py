"""Many input transformations in one layer, one for each row of a batch."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.bank.affine_form import AffineForm
from keras_reprogram.bank.tables import gather_rows
from keras_reprogram.bank.tables import updated_tables
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes

LETTERS = "abcdefgh"


@serializable
class BankedInputs(keras.layers.Layer):
    """Gives each row of a batch its own placement and program.

    ```
    x'_i = clip(gain_p * (A_p x_i B_p^T) + pattern_p),  p = program of row i
    ```

    Args:
        sample_shape: Shape that samples are filled up to with zeros, with as
            many channels as the canvas.
        source_shape: Shape of the canvas.
        capacity: Number of programs that there is room for.
        placements: Number of different placements that there is room for.
        data_format: As for `InputReprogrammer`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        samples: `(batch, *sample_shape)`.
        programs: Integers `(batch,)`: the place of each row's program.

    Returns:
        A tensor `(batch, *source_shape)`.
    """

    def __init__(
        self,
        sample_shape: Sequence[int],
        source_shape: Sequence[int],
        capacity: int,
        placements: int,
        data_format: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sample_shape = tuple(sample_shape)
        self.source_shape = tuple(source_shape)
        self.capacity = positive_integer("capacity", capacity)
        self.num_placements = positive_integer("placements", placements)
        self.data_format = data_format
        self.axes = Axes(len(self.source_shape), data_format)

    def build(self, samples_shape: Any, programs_shape: Any) -> None:
        def table(name: str, *shape: int, dtype: str | None = None) -> Any:
            return self.add_weight(
                name=name,
                shape=shape,
                dtype=dtype,
                initializer="zeros",
                trainable=False,
            )

        channels = self.axes.channels(self.source_shape)
        self.pattern = table("pattern", self.capacity, *self.source_shape)
        self.gain, self.low, self.high = (
            table(name, self.capacity, channels)
            for name in ("gain", "low", "high")
        )
        self.placement = table("placement", self.capacity, dtype="int32")
        self.operators = [
            table(
                f"operator_{axis}",
                self.num_placements,
                self.source_shape[axis],
                self.sample_shape[axis],
            )
            for axis in self.axes.spatial
        ]

    def call(self, samples: Any, programs: Any) -> Any:
        dtype = self.compute_dtype
        canvas = ops.cast(samples, dtype)
        placement = gather_rows(self.placement, programs)
        axes = LETTERS[: self.axes.rank]
        for axis, operators in zip(self.axes.spatial, self.operators):
            placed = axes.replace(axes[axis], "y")
            canvas = ops.einsum(
                f"zy{axes[axis]},z{axes}->z{placed}",
                gather_rows(operators, placement, dtype),
                canvas,
            )
        gain, low, high = (
            self.along_channels(gather_rows(variable, programs, dtype))
            for variable in (self.gain, self.low, self.high)
        )
        pattern = gather_rows(self.pattern, programs, dtype)
        canvas = ops.add(ops.multiply(canvas, gain), pattern)
        return ops.minimum(ops.maximum(canvas, low), high)

    def along_channels(self, values: Any) -> Any:
        shape = [1] * self.axes.rank
        if self.axes.channel is not None:
            shape[self.axes.channel] = values.shape[-1]
        return ops.reshape(values, (-1, *shape))

    def put(self, forms: Mapping[int, AffineForm], kept: Iterable[int]) -> None:
        """Writes programs to their places.

        Args:
            forms: What to write, by place.
            kept: Places whose programs stay.

        Raises:
            ValueError: If there are more placements than there is room for.
        """
        variables = [
            self.pattern,
            self.gain,
            self.low,
            self.high,
            self.placement,
            *self.operators,
        ]
        with updated_tables(variables) as tables:
            pattern, gain, low, high, placement, *operators = tables
            taken = {int(placement[place]) for place in kept}
            for place, form in forms.items():
                pattern[place], gain[place] = form.pattern, form.gain
                low[place], high[place] = form.low, form.high
                filled = [
                    np.pad(
                        operator,
                        ((0, 0), (0, table.shape[2] - operator.shape[1])),
                    )
                    for operator, table in zip(form.operators, operators)
                ]
                row = self.row_of(filled, operators, taken)
                for table, operator in zip(operators, filled):
                    table[row] = operator
                placement[place] = row
                taken.add(row)

    def row_of(
        self, filled: list[np.ndarray], tables: list[np.ndarray], taken: set
    ) -> int:
        """Where these operators are, or else may be written."""
        for row in taken:
            if all(
                np.array_equal(table[row], operator)
                for table, operator in zip(tables, filled)
            ):
                return row
        free = set(range(self.num_placements)) - taken
        if not free:
            raise ValueError(
                f"There is room for {self.num_placements} different placements "
                "and sizes of samples: make a bank with more `placements`. "
                "Received: one more"
            )
        return min(free)

    def compute_output_shape(
        self, samples_shape: Any, programs_shape: Any
    ) -> tuple[int | None, ...]:
        return (samples_shape[0], *self.source_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sample_shape": self.sample_shape,
            "source_shape": self.source_shape,
            "capacity": self.capacity,
            "placements": self.num_placements,
            "data_format": self.data_format,
        }
