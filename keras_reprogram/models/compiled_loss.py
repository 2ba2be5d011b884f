"""What a compiled loss expects of labels and predictions."""

import dataclasses
from typing import Any

import keras
from keras import ops

from keras_reprogram.losses import MaskedBinaryCrossentropy
from keras_reprogram.losses import PinballLoss
from keras_reprogram.losses.masked_errors import MaskedError
from keras_reprogram.models import batches
from keras_reprogram.outputs.targets import LabelFormat
from keras_reprogram.typing import Tensor

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

    def values(self, y: Tensor, y_pred: Tensor) -> Tensor:
        """Returns losses that are not averaged, `(batch, ...)`."""
        is_object = isinstance(self.loss, keras.losses.Loss)
        function = self.loss.call if is_object else self.loss
        # As Keras calls them.
        y = ops.convert_to_tensor(y, dtype=y_pred.dtype)
        values = function(y, y_pred)
        if len(values.shape) == 0:
            raise ValueError(
                "This estimator needs a loss of each sample: pass a loss whose "
                "`call` returns one, of shape (batch,), instead of their mean. "
                f"Received: loss={self.loss!r}"
            )
        return values

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
        return LabelFormat(
            self.expects_integers, self.ignored_label, self.allows_missing
        )

    @property
    def allows_missing(self) -> bool:
        """Whether numbers of NaN are targets that are missing."""
        return getattr(self.loss, "missing_values", None) is not None

    @property
    def lacks_last_axis(self) -> bool:
        """Whether labels have an axis less than predictions."""
        return self.expects_integers or isinstance(self.loss, PinballLoss)

    def check_quantiles(self, quantiles: list[float] | None) -> None:
        """Raises a `ValueError` unless the loss compares these quantiles.

        Losses of other packages are not checked.

        Args:
            quantiles: Those of an output mapping, or `None`.
        """
        expected = None
        if isinstance(self.loss, PinballLoss):
            expected = self.loss.quantiles
        elif self.loss is None or not is_of_keras(self.loss):
            return
        if expected == quantiles:
            return
        if quantiles is None:
            raise ValueError(
                "`PinballLoss` compares quantiles: pass them to the output "
                "mapping, such as `ForecastHead(horizon, quantiles=...)`. "
                "Received: an output mapping without quantiles"
            )
        raise ValueError(
            f"An output mapping with quantiles is compiled with "
            f"`keras_reprogram.losses.PinballLoss({quantiles})`, or the loss "
            f'is left out, as `"auto"`. Received: loss={self.loss!r}'
        )

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


def is_of_keras(loss: object) -> bool:
    """Whether a loss is one of Keras, or one that is like it."""
    kind = loss if callable(loss) and hasattr(loss, "__name__") else type(loss)
    module = str(getattr(kind, "__module__", ""))
    return module.startswith("keras.src.") or isinstance(loss, MaskedError)
