"""What every label end has in common."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.specification import SourceSpecification


class LabelEnd(keras.layers.Layer):
    """Base class: from the source's outputs to the target's.

    Attributes:
        looks_at_samples: Whether the layer is called with the source's
            outputs and the samples, instead of the outputs alone.
        needs_data: Whether `adapt` finds something from data before training.
        gathers: Whether training steps gather statistics, by `gather`.
        is_solved: Variable that is 1 once the layer has seen the data that it
            needs; `None` for a layer that needs none.
    """

    looks_at_samples: bool = False
    needs_data: bool = False
    gathers: bool = False
    is_solved: keras.Variable | None = None

    @property
    def solved(self) -> bool:
        """Whether the layer has seen the data that it needs."""
        if self.is_solved is None:
            return True
        return bool(ops.convert_to_numpy(self.is_solved.value))

    def accept(self, specification: SourceSpecification) -> None:
        """Takes from the source what was left out."""

    def check_solved(self) -> None:
        """Raises a `ValueError` if the layer needs data and has seen none."""

    def check_target_shape(self, shape: tuple, sparse: bool) -> None:
        """Raises if labels of this shape, batch included, are not valid.

        Args:
            shape: The shape.
            sparse: Whether the loss takes integers.
        """

    def check_targets(self, targets: np.ndarray, sparse: bool) -> None:
        """Raises if an array of labels is not valid."""
        self.check_target_shape(targets.shape, sparse)

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """What prediction needs, without the statistics of training."""
        return self.weights

    def restored(self) -> None:
        """Notes that the learned variables were read from a file."""
        if self.is_solved is not None:
            self.is_solved.assign(1)

    def head(self, outputs: Any, samples: Any, **kwargs: Any) -> Any:
        """Calls the layer with what it looks at."""
        if self.looks_at_samples:
            return self(outputs, samples, **kwargs)
        return self(outputs, **kwargs)
