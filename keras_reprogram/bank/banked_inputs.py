"""Many input transformations in one layer, one for each row of a batch."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.bank.affine_form import AffineForm
from keras_reprogram.bank.tables import RowChange
from keras_reprogram.bank.tables import gather_rows
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

LETTERS = "abcdefgh"


@serializable
class BankedInputs(keras.layers.Layer):
    """Gives each row of a batch its own placement and pattern.

    ```
    x'_i = clip(gain_p * (A_p x_i B_p^T) + pattern_p),  p = program of row i
    ```

    Args:
        sample_shape: Tuple of integers. Shape that samples are padded to with
            zeros, with as many channels as the canvas.
        source_shape: Tuple of integers. Shape of the canvas.
        capacity: Integer. Number of programs that there is room for.
        placements: Integer. Number of different placements that there is room
            for.
        data_format: String. As for `InputReprogrammer`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        samples: Tensor `(batch, *sample_shape)`.
        programs: Integer tensor `(batch,)`. Index of each row's program.

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

    def build(self, samples_shape: Shape, programs_shape: Shape) -> None:
        channels = self.axes.channels(self.source_shape)
        self.pattern = self.add_table("pattern", *self.source_shape)
        self.gain = self.add_table("gain", channels)
        self.low = self.add_table("low", channels)
        self.high = self.add_table("high", channels)
        self.placement = self.add_table("placement", dtype="int32")
        self.matrices = [
            self.add_table(
                f"matrix_{axis}",
                self.source_shape[axis],
                self.sample_shape[axis],
                rows=self.num_placements,
            )
            for axis in self.axes.spatial
        ]

    def add_table(
        self,
        name: str,
        *shape: int,
        dtype: str | None = None,
        rows: int | None = None,
    ) -> keras.Variable:
        """Adds a variable with a row of zeros for each program."""
        return self.add_weight(
            name=name,
            shape=(rows or self.capacity, *shape),
            dtype=dtype,
            initializer="zeros",
            trainable=False,
        )

    def call(self, samples: Tensor, programs: Tensor) -> Tensor:
        dtype = self.compute_dtype
        canvas = ops.cast(samples, dtype)
        placement = gather_rows(self.placement, programs)
        axes = LETTERS[: self.axes.rank]
        for axis, matrices in zip(self.axes.spatial, self.matrices):
            placed = axes.replace(axes[axis], "y")
            canvas = ops.einsum(
                f"zy{axes[axis]},z{axes}->z{placed}",
                gather_rows(matrices, placement, dtype),
                canvas,
            )
        gain, low, high = (
            self.along_channels(gather_rows(variable, programs, dtype))
            for variable in (self.gain, self.low, self.high)
        )
        pattern = gather_rows(self.pattern, programs, dtype)
        canvas = ops.add(ops.multiply(canvas, gain), pattern)
        return ops.minimum(ops.maximum(canvas, low), high)

    def along_channels(self, values: Tensor) -> Tensor:
        """Reshapes `(batch, channels)` to broadcast to canvases."""
        shape = [1] * self.axes.rank
        if self.axes.channel is not None:
            shape[self.axes.channel] = values.shape[-1]
        return ops.reshape(values, (-1, *shape))

    # === Adding programs ===

    def changes(
        self, forms: Mapping[int, AffineForm], kept: Iterable[int]
    ) -> list[RowChange]:
        """Returns the changes of the tables that write programs.

        Args:
            forms: Mapping from the index of a program to its `AffineForm`.
            kept: Iterable of integers. Indices of the programs that stay.

        Raises:
            ValueError: If there are more placements than there is room for.
        """
        rows = list(forms)
        placements, new = self.placement_rows(forms.values(), kept)
        columns = [
            (self.pattern, [form.pattern for form in forms.values()]),
            (self.gain, [form.gain for form in forms.values()]),
            (self.low, [form.low for form in forms.values()]),
            (self.high, [form.high for form in forms.values()]),
            (self.placement, [np.asarray(row) for row in placements]),
        ]
        changes = [RowChange(table, rows, values) for table, values in columns]
        for axis, table in enumerate(self.matrices):
            values = [matrices[axis] for matrices in new.values()]
            changes.append(RowChange(table, list(new), values))
        return changes

    def placement_rows(
        self, forms: Iterable[AffineForm], kept: Iterable[int]
    ) -> tuple[list[int], dict[int, list[np.ndarray]]]:
        """Returns the row of each form's matrices, and rows to be written."""
        placement = ops.convert_to_numpy(self.placement.value)
        tables = [ops.convert_to_numpy(table.value) for table in self.matrices]
        known = {
            int(row): [table[row] for table in tables]
            for row in {placement[index] for index in kept}
        }
        new: dict[int, list[np.ndarray]] = {}
        rows: list[int] = []
        for form in forms:
            padded = [
                np.pad(matrix, ((0, 0), (0, table.shape[2] - matrix.shape[1])))
                for matrix, table in zip(form.matrices, tables)
            ]
            row = next(
                (row for row, found in known.items() if equal(found, padded)),
                None,
            )
            if row is None:
                row = self.free_row(known)
                known[row] = new[row] = padded
            rows.append(row)
        return rows, new

    def free_row(self, taken: Iterable[int]) -> int:
        """Returns the first row of the matrices that is not taken."""
        free = set(range(self.num_placements)) - set(taken)
        if not free:
            raise ValueError(
                f"There is room for {self.num_placements} different placements "
                "and sizes of samples: make a bank with more `placements`. "
                "Received: one more"
            )
        return min(free)

    def compute_output_shape(
        self, samples_shape: Shape, programs_shape: Shape
    ) -> Shape:
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


def equal(found: list[np.ndarray], matrices: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, found, matrices))
