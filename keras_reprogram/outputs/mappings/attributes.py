"""The mapping from attributes of classes, for image-text sources."""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.mappings.fixed import check_groups
from keras_reprogram.outputs.mappings.mapping import Batches
from keras_reprogram.outputs.mappings.mapping import Mapping
from keras_reprogram.outputs.mappings.mapping import MapShape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import gathered


@serializable
@dataclasses.dataclass(frozen=True)
class AttributeMapping(Mapping):
    """AttrVR: averages the largest outputs among a class's attributes.

    ```
    output[t] = mean over kinds of (mean of the k largest source outputs
                                    among the class's attributes of the kind)
    ```

    The source's classes are attributes: short texts that an image-text source
    compares with the image. The paper uses two kinds for each class, 20
    describing and 20 distinguishing attributes.

    Example:

    ```python
    # Source classes 0 to 3 describe class 0, 4 to 7 describe class 1.
    mapping = keras_reprogram.outputs.AttributeMapping(
        kinds=[[[0, 1, 2, 3], [4, 5, 6, 7]]], top_k=2
    )
    mapper = keras_reprogram.LabelMapper(num_classes=2, mapping=mapping)
    mapper(np.arange(8.0)[None])  # [[2.5, 6.5]]
    ```

    Args:
        kinds: Nested list. For every kind and every target class, the list of
            the source classes that are its attributes.
        top_k: Integer. Number of attributes of a kind that count for a sample.
            Defaults to `3`.

    References:
        - [AttrVR](https://arxiv.org/abs/2501.13982)
    """

    kinds: Any
    top_k: int = 3

    def __post_init__(self) -> None:
        self.set_fields(top_k=positive_integer("top_k", self.top_k))
        try:
            kinds = [
                [[integer(item) for item in group] for group in kind]
                for kind in self.kinds
            ]
        except TypeError:
            kinds = []
        groups = [group for kind in kinds for group in kind]
        if (
            not groups
            or len({len(kind) for kind in kinds}) != 1
            or any(None in group or len(group) < self.top_k for group in groups)
        ):
            raise ValueError(
                "`kinds` must hold, for every kind and target class, a list of "
                f"at least top_k={self.top_k} source classes. Received: "
                f"kinds={self.kinds!r}"
            )
        self.set_fields(kinds=kinds)

    @property
    def is_linear(self) -> bool:
        return False

    def check_shape(self, shape: MapShape) -> None:
        for kind in self.kinds:
            check_groups(kind, shape.num_sources)
        if len(self.kinds[0]) != shape.num_classes:
            raise ValueError(
                f"`kinds` must describe all {shape.num_classes} target "
                f"classes. Received: {len(self.kinds[0])} classes"
            )

    def solve(self, batches: Batches | None, shape: MapShape) -> Solution:
        self.check_shape(shape)
        # The mean of all attributes, the map without `top_k`.
        matrix = np.zeros(shape.matrix)
        for kind in self.kinds:
            for target, group in enumerate(kind):
                share = 1.0 / len(group) / len(self.kinds)
                np.add.at(matrix[:, target], group, share)
        return Solution(matrix, np.zeros(shape.num_classes))

    def apply(self, outputs: Tensor, matrix: Tensor) -> Tensor:
        scores = [
            [self.score(outputs, group) for group in kind]
            for kind in self.kinds
        ]
        by_kind = [ops.stack(columns, axis=-1) for columns in scores]
        return ops.mean(ops.stack(by_kind), axis=0)

    def score(self, outputs: Tensor, group: list[int]) -> Tensor:
        """Returns the mean of the `top_k` largest outputs of each group."""
        attributes = gathered(outputs, np.asarray(group))
        return ops.mean(ops.top_k(attributes, self.top_k)[0], axis=-1)
