"""What every output mapping has in common."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.dtypes import is_float
from keras_reprogram.keras_internals import concrete_value
from keras_reprogram.keras_internals import in_symbolic_scope
from keras_reprogram.outputs.reading import full_dtype
from keras_reprogram.sources.specification import SourceSpecification


class OutputMapping(keras.layers.Layer):
    """Base class: from the source's outputs to the target's.

    Attributes:
        uses_samples: Whether the layer is called with the source's
            outputs and the samples, instead of the outputs alone.
        needs_data: Whether `adapt` finds something from data before training.
        needs_outputs: Whether it needs the source's outputs for that, and not
            the labels alone.
        updates_statistics: Whether training steps gather statistics, by
            `update_statistics`.
        is_solved: Variable that is 1 once the layer has seen the data that it
            needs; `None` for a layer that needs none.
    """

    uses_samples: bool = False
    needs_data: bool = False
    needs_outputs: bool = True
    updates_statistics: bool = False
    is_solved: keras.Variable | None = None
    was_solved: bool = False

    @property
    def solved(self) -> bool:
        """Whether the layer has seen the data that it needs."""
        if self.is_solved is None:
            return True
        value = concrete_value(self.is_solved)
        if value is not None:
            # Kept, since it cannot be read while a step is traced on JAX.
            self.was_solved = bool(value)
        return self.was_solved

    @property
    def variables(self) -> list[keras.Variable]:
        # Whoever is about to compile a step around this layer asks for its
        # variables first: the last moment at which they can be read on JAX.
        if self.built and not self.was_solved:
            _ = self.solved
        return super().variables

    @property
    def full_dtype(self) -> str:
        """The dtype that the layer computes in: float32 at least."""
        return full_dtype(self.compute_dtype)

    def require_solved(self) -> None:
        """Raises in a call if the layer needs data and has seen none."""
        # What is known is not read again in every step.
        if not self.was_solved and not in_symbolic_scope():
            self.check_solved()

    def set_weights(self, weights: list[np.ndarray]) -> None:
        super().set_weights(weights)
        self.was_solved = False

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        self.was_solved = False

    def check_ready_to_train(self) -> None:
        """Raises if training needs data that the layer has not seen."""
        self.check_solved()

    def completed(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """The values of `learned_variables`, of files that lack some."""
        return values

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

    def check_targets(
        self, targets: np.ndarray, sparse: bool, ignored: int | None = None
    ) -> None:
        """Raises if an array of labels is not valid.

        Args:
            targets: The labels.
            sparse: Whether the loss takes integers.
            ignored: An integer label that the loss leaves out, if any.
        """
        self.check_target_shape(targets.shape, sparse)

    def valid(
        self, targets: Any, sparse: bool, ignored: int | None = None
    ) -> Any:
        """Whether labels are valid, of a batch in a step.

        Args:
            targets: The labels, a tensor.
            sparse: As for `check_targets`, and so `ignored`.
            ignored: As for `check_targets`.

        Returns:
            A boolean tensor of the labels' shape; `None` where they always
            are.
        """
        if not is_float(targets):
            return None
        return ops.isfinite(targets)

    @property
    def valid_values(self) -> str:
        """What labels may be, in words."""
        return "finite numbers"

    @property
    def returns_logits(self) -> bool | None:
        """Whether the outputs are logits of classes, or `None` for numbers."""
        return None

    def begin_step(self) -> None:
        """Expects the outputs of a training step, and then its loss."""

    def end_step(self) -> None:
        """Forgets what was kept from a training step's outputs to its loss."""

    def in_loss_units(self, y: Any, y_pred: Any) -> tuple[Any, Any]:
        """Targets and predictions as a loss compares them.

        A layer whose targets have a unit of their own gives them in one that
        does not depend on it, so that neither the loss nor the steps do.
        """
        return y, y_pred

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """What prediction needs, without the statistics of training."""
        return self.weights

    def restored(self) -> None:
        """Notes that the learned variables were read from a file."""
        if self.is_solved is not None:
            self.is_solved.assign(1)
            self.was_solved = True

    def head(self, outputs: Any, samples: Any, **kwargs: Any) -> Any:
        """Calls the layer with what it looks at."""
        if self.uses_samples:
            return self(outputs, samples, **kwargs)
        return self(outputs, **kwargs)
