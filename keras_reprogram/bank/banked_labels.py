"""Many label maps in one layer, one for each row of a batch."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from keras_reprogram.bank.tables import gather_rows
from keras_reprogram.bank.tables import updated_tables
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import reading
from keras_reprogram.outputs.label_mapper import LabelMapper


class BankedLabels(keras.layers.Layer):
    """Base class: gives each row of a batch its own label map.

    Args:
        num_classes: Most target classes of a program. Outputs beyond a
            program's own classes are zero.
        capacity: Number of programs that there is room for.
        source_activation: As for `LabelMapper`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        source_outputs: `(batch, S)`.
        programs: Integers `(batch,)`: the place of each row's program.

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

    def table(
        self, name: str, *shape: int, dtype: str | None = None
    ) -> keras.Variable:
        """A row of zeros for each program."""
        return self.add_weight(
            name=name,
            shape=(self.capacity, *shape),
            dtype=dtype or reading.full_dtype(self.variable_dtype),
            initializer="zeros",
            trainable=False,
        )

    def read(self, source_outputs: Any) -> Any:
        """What the label maps act on, in float32 at least."""
        dtype = reading.full_dtype(self.compute_dtype)
        outputs = ops.cast(source_outputs, dtype)
        return self.reading_of(outputs.shape[-1]).classes(outputs)

    def reading_of(self, num_outputs: int) -> reading.Reading:
        """How the outputs of the bank's source are read."""
        return reading.Reading(self.source_activation, num_outputs)

    def put(self, mappers: Mapping[int, LabelMapper]) -> None:
        """Writes label maps that `check` has passed to their places."""
        raise NotImplementedError

    def check(self, mapper: Any) -> None:
        """Raises unless a map is a matrix, and solved, and there is room."""
        if (
            not isinstance(mapper, LabelMapper)
            or mapper.num_position_axes
            or not mapper.mapping.is_linear
        ):
            raise ValueError(
                "A bank holds label maps that are one matrix, for one output a "
                "sample. Received: a "
                f"{type(getattr(mapper, 'mapping', mapper)).__name__}"
            )
        mapper.check_solved()
        wanted = self.reading_of(mapper.reading.num_outputs)
        if same_reading(mapper.reading) != same_reading(wanted):
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
        self, source_outputs_shape: Any, programs_shape: Any
    ) -> tuple[int | None, ...]:
        return (source_outputs_shape[0], self.num_classes)

    def compute_output_spec(
        self, source_outputs: Any, programs: Any
    ) -> keras.KerasTensor:
        shape = (source_outputs.shape[0], self.num_classes)
        return keras.KerasTensor(shape, reading.full_dtype(self.compute_dtype))

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
        num_classes: As for `BankedLabels`, and so `capacity`.
        capacity: As for `BankedLabels`.
        source_activation: As for `LabelMapper`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def build(self, source_outputs_shape: Any, programs_shape: Any) -> None:
        self.num_outputs = source_outputs_shape[-1]
        num_sources = self.reading_of(self.num_outputs).num_classes
        self.matrix = self.table("matrix", num_sources, self.num_classes)
        self.bias = self.table("bias", self.num_classes)
        # 1 where a map acts on logarithms of probabilities.
        self.takes_logits = self.table("takes_logits")

    def call(self, source_outputs: Any, programs: Any) -> Any:
        outputs = self.read(source_outputs)
        if self.reading_of(self.num_outputs).gives_probabilities:
            share = gather_rows(self.takes_logits, programs)[:, None]
            logits = reading.logarithm(outputs)
            outputs = ops.where(share > 0, logits, outputs)
        matrix = gather_rows(self.matrix, programs, outputs.dtype)
        bias = gather_rows(self.bias, programs, outputs.dtype)
        mapped = ops.squeeze(ops.matmul(outputs[:, None], matrix), axis=1)
        return ops.add(mapped, bias)

    def put(self, mappers: Mapping[int, LabelMapper]) -> None:
        variables = [self.matrix, self.bias, self.takes_logits]
        with updated_tables(variables) as (matrix, bias, takes_logits):
            for place, mapper in mappers.items():
                classes = mapper.num_classes
                matrix[place], bias[place] = 0.0, 0.0
                matrix[place, :, :classes] = ops.convert_to_numpy(mapper.matrix)
                if mapper.bias is not None:
                    bias[place, :classes] = ops.convert_to_numpy(mapper.bias)
                takes_logits[place] = mapper.mapping.has_bias


@serializable
class BankedSources(BankedLabels):
    """Label maps that look source classes up, without a matrix.

    ```
    outputs_it = sum_k share_ptk * source_outputs_i[source_ptk]
    ```

    with the sources that target class `t` of program `p` takes the mean of.

    Args:
        num_classes: As for `BankedLabels`, and so `capacity`.
        capacity: As for `BankedLabels`.
        sources_per_target: Most source classes of a target class.
        source_activation: As for `LabelMapper`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        num_classes: int,
        capacity: int,
        sources_per_target: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, capacity, **kwargs)
        self.sources_per_target = positive_integer(
            "sources_per_target", sources_per_target
        )

    def build(self, source_outputs_shape: Any, programs_shape: Any) -> None:
        shape = (self.num_classes, self.sources_per_target)
        self.sources = self.table("sources", *shape, dtype="int32")
        self.shares = self.table("shares", *shape)

    def call(self, source_outputs: Any, programs: Any) -> Any:
        outputs = self.read(source_outputs)
        shares = gather_rows(self.shares, programs, outputs.dtype)
        # As a matrix of one column, and with rows that are counted: PyTorch
        # can export that.
        rows = ops.cumsum(ops.ones_like(programs)) - 1
        starts = ops.reshape(rows * outputs.shape[-1], (-1, 1, 1))
        places = ops.add(gather_rows(self.sources, programs), starts)
        chosen = ops.take(ops.reshape(outputs, (-1, 1)), places, axis=0)
        chosen = ops.squeeze(chosen, axis=-1)
        return ops.sum(ops.multiply(chosen, shares), axis=-1)

    def put(self, mappers: Mapping[int, LabelMapper]) -> None:
        with updated_tables([self.sources, self.shares]) as (sources, shares):
            for place, mapper in mappers.items():
                found = ops.convert_to_numpy(mapper.sources.value)
                classes, num_selected = found.shape
                sources[place], shares[place] = 0, 0.0
                sources[place, :classes, :num_selected] = found
                shares[place, :classes, :num_selected] = 1 / num_selected

    def check(self, mapper: Any) -> None:
        super().check(mapper)
        num_selected = 0 if mapper.sources is None else mapper.sources.shape[-1]
        if not 0 < num_selected <= self.sources_per_target:
            raise ValueError(
                "This bank looks up to "
                f"{self.sources_per_target} source classes up for a target "
                "class: make one with another `sources_per_target`, or "
                "without it for maps of any kind. Received: a "
                f"{type(mapper.mapping).__name__} "
                + (f"of {num_selected}" if num_selected else "that is a matrix")
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sources_per_target": self.sources_per_target,
        }


def same_reading(found: reading.Reading) -> tuple[str, int, bool]:
    """What distinguishes two ways to read outputs."""
    return found.activation, found.num_classes, found.gives_probabilities
