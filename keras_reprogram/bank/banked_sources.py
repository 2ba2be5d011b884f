"""Many label maps that select source classes, in one layer."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.bank.banked_labels import BankedLabels
from keras_reprogram.bank.banked_labels import BankedMatrices
from keras_reprogram.bank.banked_labels import as_array
from keras_reprogram.bank.tables import gather_rows
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class BankedSources(BankedLabels):
    """Label maps that select source classes, without a matrix.

    ```
    outputs_it = sum_k share_ptk * source_outputs_i[source_ptk]
    ```

    with the sources that target class `t` of program `p` is the mean of.

    Args:
        num_classes: Integer. As for `BankedLabels`.
        capacity: Integer. As for `BankedLabels`.
        sources_per_target: Integer. Largest number of source classes of a
            target class.
        source_activation: String. As for `LabelMapper`. Defaults to
            `"linear"`.
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

    def build(self, source_outputs_shape: Shape, programs_shape: Shape) -> None:
        shape = (self.num_classes, self.sources_per_target)
        self.sources = self.add_table("sources", *shape, dtype="int32")
        self.shares = self.add_table("shares", *shape)

    def call(self, source_outputs: Tensor, programs: Tensor) -> Tensor:
        outputs = self.read(source_outputs)
        shares = gather_rows(self.shares, programs, outputs.dtype)
        # As a matrix of one column, with indices from a cumulative sum:
        # PyTorch can export that.
        rows = ops.cumsum(ops.ones_like(programs)) - 1
        starts = ops.reshape(rows * outputs.shape[-1], (-1, 1, 1))
        indices = ops.add(gather_rows(self.sources, programs), starts)
        selected = ops.take(ops.reshape(outputs, (-1, 1)), indices, axis=0)
        selected = ops.squeeze(selected, axis=-1)
        return ops.sum(ops.multiply(selected, shares), axis=-1)

    @property
    def tables(self) -> list[keras.Variable]:
        return [self.sources, self.shares]

    def row(self, mapper: LabelMapper) -> list[np.ndarray]:
        selected = as_array(mapper.sources).astype("int32")
        num_classes, num_selected = selected.shape
        sources = np.zeros(self.sources.shape[1:], "int32")
        shares = np.zeros(self.shares.shape[1:], "float32")
        sources[:num_classes, :num_selected] = selected
        shares[:num_classes, :num_selected] = 1 / num_selected
        return [sources, shares]

    def check(self, mapper: LabelMapper) -> None:
        super().check(mapper)
        num_selected = 0
        if mapper.sources is not None and type(mapper).call is LabelMapper.call:
            num_selected = mapper.sources.shape[-1]
        if not 0 < num_selected <= self.sources_per_target:
            raise ValueError(
                "This bank selects up to "
                f"{self.sources_per_target} source classes for a target "
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


def label_tables(
    num_classes: int,
    capacity: int,
    sources_per_target: int | None,
    source_activation: str,
) -> BankedLabels:
    """Returns the tables for label maps of any kind, or for selections.

    Args:
        num_classes: Integer. As for `BankedLabels`.
        capacity: Integer. As for `BankedLabels`.
        sources_per_target: Integer. As for `BankedSources`; `None` for label
            maps of any kind.
        source_activation: String. As for `LabelMapper`.
    """
    if sources_per_target is None:
        return BankedMatrices(num_classes, capacity, source_activation)
    return BankedSources(
        num_classes,
        capacity,
        sources_per_target,
        source_activation=source_activation,
    )
