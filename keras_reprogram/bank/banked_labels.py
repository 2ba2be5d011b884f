"""Many label maps in one layer, one for each row of a batch."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.bank.tables import RowChange
from keras_reprogram.bank.tables import gather_rows
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.outputs.reading import Reading
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.probabilities import logarithm
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


class BankedLabels(keras.layers.Layer):
    """Base class: gives each row of a batch its own label map.

    Args:
        num_classes: Integer. Largest number of target classes of a program.
            Outputs beyond a program's own classes are zero.
        capacity: Integer. Number of programs that there is room for.
        source_activation: String. As for `LabelMapper`. Defaults to
            `"linear"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        source_outputs: Tensor `(batch, S)`.
        programs: Integer tensor `(batch,)`. Index of each row's program.

    Returns:
        A tensor `(batch, num_classes)`.
    """

    def __init__(
        self,
        num_classes: int,
        capacity: int,
        source_activation: str = "linear",
        **kwargs: Any,
    ) -> None:
        # Values of float32 are not cast down before they are read.
        super().__init__(**{"autocast": False, **kwargs})
        self.num_classes = positive_integer("num_classes", num_classes)
        self.capacity = positive_integer("capacity", capacity)
        self.source_activation = source_activation

    def add_table(
        self, name: str, *shape: int, dtype: str | None = None
    ) -> keras.Variable:
        """Adds a variable with a row of zeros for each program."""
        return self.add_weight(
            name=name,
            shape=(self.capacity, *shape),
            dtype=dtype or full_dtype(self.variable_dtype),
            initializer="zeros",
            trainable=False,
        )

    def read(self, source_outputs: Tensor) -> Tensor:
        """Returns the classes that label maps act on, in float32 at least."""
        dtype = full_dtype(self.compute_dtype)
        outputs = ops.cast(source_outputs, dtype)
        return self.reading_of(outputs.shape[-1]).classes(outputs)

    def reading_of(self, num_outputs: int | None) -> Reading:
        """Returns how the outputs of the bank's source are read."""
        return Reading(self.source_activation, num_outputs or 0)

    @property
    def tables(self) -> list[keras.Variable]:
        """The variables with a row for each program."""
        raise NotImplementedError

    def row(self, mapper: LabelMapper) -> list[np.ndarray]:
        """Returns what the tables hold of a label map.

        Args:
            mapper: A built `LabelMapper` that `check` accepts.

        Returns:
            A list of arrays, one for each of `tables`.
        """
        raise NotImplementedError

    def changes(self, rows: Mapping[int, list[np.ndarray]]) -> list[RowChange]:
        """Returns the changes of the tables that write label maps.

        Args:
            rows: Mapping from the index of a program to what `row` returned.
        """
        return [
            RowChange(table, list(rows), list(values))
            for table, values in zip(self.tables, zip(*rows.values()))
        ]

    def check(self, mapper: LabelMapper) -> None:
        """Raises unless a map is a matrix, and solved, and there is room.

        Args:
            mapper: A built `LabelMapper`.

        Raises:
            ValueError: If the tables cannot hold the map.
        """
        kind = type(mapper)
        is_matrix = mapper.mapping.is_linear and (
            # A subclass with a computation of its own says what matrix it is.
            kind.call is LabelMapper.call
            or kind.matrix is not LabelMapper.matrix
        )
        if mapper.num_position_axes or not is_matrix:
            raise ValueError(
                "A bank holds label maps that are one matrix, for one output a "
                f"sample. Received: a {type(mapper.mapping).__name__}"
            )
        mapper.check_solved()
        wanted = self.reading_of(mapper.reading.num_outputs)
        if what_is_read(mapper.reading) != what_is_read(wanted):
            raise ValueError(
                "A bank reads its source's outputs in one way, as "
                f"{self.source_activation!r}: train the program again, or "
                "serve it by its own model. Received: a program that reads "
                f"them as {mapper.reading.activation!r}"
            )
        if mapper.num_classes > self.num_classes:
            raise ValueError(
                f"The bank has room for {self.num_classes} classes a program: "
                "make one with more `num_classes`. Received: a program of "
                f"{mapper.num_classes} classes"
            )

    def compute_output_shape(
        self, source_outputs_shape: Shape, programs_shape: Shape
    ) -> Shape:
        return (source_outputs_shape[0], self.num_classes)

    def compute_output_spec(
        self, source_outputs: keras.KerasTensor, programs: keras.KerasTensor
    ) -> keras.KerasTensor:
        shape = (source_outputs.shape[0], self.num_classes)
        return keras.KerasTensor(shape, full_dtype(self.compute_dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "capacity": self.capacity,
            "source_activation": self.source_activation,
        }


@serializable
class BankedMatrices(BankedLabels):
    """Label maps of every kind, a matrix each.

    ```
    outputs_i = source_outputs_i @ matrix_p + bias_p,  p = program of row i
    ```

    Args:
        num_classes: Integer. As for `BankedLabels`.
        capacity: Integer. As for `BankedLabels`.
        source_activation: String. As for `LabelMapper`. Defaults to
            `"linear"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def build(self, source_outputs_shape: Shape, programs_shape: Shape) -> None:
        self.num_outputs = source_outputs_shape[-1]
        num_sources = self.reading_of(self.num_outputs).num_classes
        self.matrix = self.add_table("matrix", num_sources, self.num_classes)
        self.bias = self.add_table("bias", self.num_classes)
        # 1 where a map acts on logarithms of probabilities.
        self.takes_logits = self.add_table("takes_logits")

    def call(self, source_outputs: Tensor, programs: Tensor) -> Tensor:
        outputs = self.read(source_outputs)
        if self.reading_of(self.num_outputs).gives_probabilities:
            share = gather_rows(self.takes_logits, programs)[:, None]
            logits = logarithm(outputs)
            outputs = ops.where(share > 0, logits, outputs)
        matrix = gather_rows(self.matrix, programs, outputs.dtype)
        bias = gather_rows(self.bias, programs, outputs.dtype)
        mapped = ops.squeeze(ops.matmul(outputs[:, None], matrix), axis=1)
        return ops.add(mapped, bias)

    @property
    def tables(self) -> list[keras.Variable]:
        return [self.matrix, self.bias, self.takes_logits]

    def row(self, mapper: LabelMapper) -> list[np.ndarray]:
        matrix, bias = (
            np.zeros(table.shape[1:], "float32") for table in self.tables[:2]
        )
        matrix[:, : mapper.num_classes] = as_array(mapper.matrix)
        if mapper.intercept is not None:
            bias[: mapper.num_classes] = as_array(mapper.intercept)
        return [matrix, bias, np.asarray(mapper.mapping.has_bias, "float32")]


def what_is_read(found: Reading) -> tuple[str, int, bool]:
    """Returns what distinguishes readings of the same outputs."""
    return found.activation, found.num_classes, found.gives_probabilities


def as_array(values: Tensor) -> np.ndarray:
    array: np.ndarray = ops.convert_to_numpy(ops.cast(values, "float32"))
    return array
