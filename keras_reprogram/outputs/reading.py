"""Conversion of a source's outputs to logits or probabilities.

A source returns logits or features (`"linear"`), probabilities of classes
that exclude each other (`"softmax"`), or independent probabilities
(`"sigmoid"`):

```
linear, softmax    as they are
one sigmoid p      the two classes [1 - p, p]
several sigmoids   the logit of each, log p - log(1 - p)
```

All conversions are computed in float32 at least (`probabilities.py`).
"""

import dataclasses
from types import ModuleType

from keras import ops

from keras_reprogram.probabilities import as_features
from keras_reprogram.probabilities import full_precision
from keras_reprogram.probabilities import logarithm
from keras_reprogram.probabilities import logit
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

ACTIVATIONS = ("linear", "softmax", "sigmoid")


@dataclasses.dataclass(frozen=True)
class Reading:
    """The form of a source's outputs, and their conversion to classes.

    Args:
        activation: String. `"linear"`, `"softmax"` or `"sigmoid"`.
        num_outputs: Integer. Length of the outputs' last axis; 0 if it is not
            known yet.
        splits_sigmoid: Boolean. Whether one sigmoid output becomes two classes,
            which binary targets do not need. Defaults to `True`.
    """

    activation: str
    num_outputs: int
    splits_sigmoid: bool = True

    @property
    def is_split(self) -> bool:
        """Whether one probability becomes the two classes `[1 - p, p]`."""
        return (
            self.splits_sigmoid
            and self.activation == "sigmoid"
            and self.num_outputs == 1
        )

    @property
    def num_classes(self) -> int:
        """Number of classes or features after conversion."""
        return 2 if self.is_split else self.num_outputs

    @property
    def gives_probabilities(self) -> bool:
        """Whether `classes` returns probabilities instead of logits."""
        return self.activation == "softmax" or self.is_split

    def classes(self, outputs: Tensor, library: ModuleType = ops) -> Tensor:
        """Returns the probabilities or logits `[..., S]` of the classes.

        Args:
            outputs: Tensor or array `(..., num_outputs)`.
            library: `keras.ops` for a tensor, `numpy` for an array.
        """
        outputs = full_precision(outputs)
        if self.is_split:
            return library.concatenate([1.0 - outputs, outputs], axis=-1)
        if self.activation == "sigmoid":
            return logit(outputs, library)
        return outputs

    def logits(self, outputs: Tensor, library: ModuleType = ops) -> Tensor:
        """Returns the classes' logits, or logarithms of probabilities."""
        classes = self.classes(outputs, library)
        if self.gives_probabilities:
            return logarithm(classes, library)
        return classes

    def features(self, outputs: Tensor, library: ModuleType = ops) -> Tensor:
        """Returns one feature for each output, a logit for a probability."""
        return as_features(outputs, self.activation, library)


def resolve_activation(
    activation: str | None,
    from_logits: bool | None,
    source_activation: str,
    num_outputs: int,
) -> str:
    """Returns the source's activation that an output mapping assumes.

    Args:
        activation: String or `None`. The mapping's `source_activation`.
        from_logits: Boolean or `None`. The mapping's `from_logits`.
        source_activation: String. The source's activation.
        num_outputs: Integer. Number of the source's outputs.
    """
    if activation is not None:
        return activation
    if from_logits is None:
        return source_activation
    if from_logits:
        return "linear"
    if source_activation != "linear":
        return source_activation
    return "sigmoid" if num_outputs == 1 else "softmax"


def check_activation(
    activation: str | None, from_logits: bool | None
) -> str | None:
    """Checks the arguments that describe a source's outputs."""
    if activation is None:
        return None
    if activation not in ACTIVATIONS or (
        from_logits is not None and from_logits != (activation == "linear")
    ):
        raise ValueError(
            f"`source_activation` must be one of {ACTIVATIONS}, and "
            '`from_logits` true for "linear" alone. Received: '
            f"source_activation={activation!r}, from_logits={from_logits}"
        )
    return activation


def num_outputs_of(shape: Shape) -> int:
    """Returns the number of a source's classes or features.

    Args:
        shape: Tuple. Shape of its outputs, batch included.

    Raises:
        ValueError: If the outputs have no axis of classes.
    """
    num_outputs = shape[-1] if len(shape) > 1 else None
    if num_outputs is None:
        raise ValueError(
            "An output mapping needs a source with an axis of classes or "
            "features: outputs of shape (batch, ..., classes). Received: "
            f"{tuple(shape)}"
        )
    return num_outputs


def resolved(
    name: str,
    before: Reading,
    after: Reading,
    is_resolved: bool,
    is_built: bool,
) -> Reading:
    """Returns the new reading if it is compatible with the previous one.

    Args:
        name: String. Class name of the output mapping.
        before: `Reading`. The previous reading.
        after: `Reading`. The reading for the source.
        is_resolved: Boolean. Whether `before` was resolved for another source.
        is_built: Boolean. Whether the mapping has weights.

    Raises:
        ValueError: If the source's outputs are of another kind.
    """
    if (is_resolved and before != after) or (
        is_built and before.num_classes != after.num_classes
    ):
        raise ValueError(
            f"This `{name}` belongs to a source with other outputs: make "
            "a new one for this source. Received: "
            f"{after.num_outputs} outputs of "
            f"activation {after.activation!r} after {before.num_outputs} of "
            f"activation {before.activation!r}"
        )
    return after
