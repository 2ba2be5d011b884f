"""What a compiled loss expects of labels and predictions."""

import dataclasses
from typing import Any

import keras

from keras_reprogram.losses import MaskedBinaryCrossentropy
from keras_reprogram.models import batches
from keras_reprogram.outputs.targets import LabelFormat

SPARSE = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.sparse_categorical_crossentropy,
)
# Losses of class labels, which take logits or probabilities.
CLASSIFICATION = (
    *SPARSE,
    MaskedBinaryCrossentropy,
    keras.losses.BinaryCrossentropy,
    keras.losses.BinaryFocalCrossentropy,
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
)
# These take one-hot labels.
CATEGORICAL = (
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
)
# These take probabilities and nothing else.
OF_PROBABILITIES = (keras.losses.KLDivergence, keras.losses.kl_divergence)
# What these compare is no difference: another unit makes another loss.
WITH_A_UNIT = (
    keras.losses.MeanSquaredLogarithmicError,
    keras.losses.mean_squared_logarithmic_error,
    keras.losses.CosineSimilarity,
    keras.losses.cosine_similarity,
)


@dataclasses.dataclass(frozen=True)
class CompiledLoss:
    """The loss that a model was compiled with, and what is known of it.

    Args:
        loss: A loss, its name, or a function; `None` for a model that is not
            compiled.
    """

    loss: Any

    @classmethod
    def of(cls, model: keras.Model) -> "CompiledLoss":
        return cls.given(getattr(model, "loss", None))

    @classmethod
    def given(cls, loss: object) -> "CompiledLoss":
        """What was passed to `compile`: a loss, its name, or one in a list."""
        loss = batches.unwrap_single(loss)
        if isinstance(loss, str):
            loss = keras.losses.get(loss)
        return cls(loss)

    def is_one_of(self, kinds: tuple[Any, ...]) -> bool:
        classes = tuple(kind for kind in kinds if isinstance(kind, type))
        return isinstance(self.loss, classes) or any(
            self.loss is kind for kind in kinds
        )

    @property
    def expects_integers(self) -> bool:
        """Whether a label is one integer."""
        return self.is_one_of(SPARSE)

    @property
    def expects_one_hot(self) -> bool:
        return self.is_one_of(CATEGORICAL)

    @property
    def ignored_label(self) -> int | None:
        """The integer label that does not count, if there is one."""
        if not self.expects_integers:
            return None
        # A function has no such setting.
        ignored: int | None = getattr(self.loss, "ignore_class", None)
        return ignored

    @property
    def labels(self) -> LabelFormat:
        """The form of labels that the loss takes."""
        return LabelFormat(self.expects_integers, self.ignored_label)

    @property
    def from_logits(self) -> bool | None:
        """Whether predictions are logits; `None` where that is not known."""
        if self.is_one_of(CLASSIFICATION):
            return bool(getattr(self.loss, "from_logits", False))
        return False if self.is_one_of(OF_PROBABILITIES) else None

    @property
    def has_a_unit(self) -> bool:
        """Whether targets and predictions cannot be divided by a number."""
        return self.is_one_of(WITH_A_UNIT)
