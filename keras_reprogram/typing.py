"""Types that the signatures of the package share."""

from collections.abc import Sequence
from typing import Any
from typing import TypeAlias

import keras

# Sizes of the axes of an array or tensor, `None` where one is not known.
Shape: TypeAlias = tuple[int | None, ...]
FixedShape: TypeAlias = tuple[int, ...]
# A tensor of the backend in use, symbolic or not.
Tensor: TypeAlias = Any
# What `fit` takes: arrays, tensors, tables, or data sets of batches.
Data: TypeAlias = Any
# What a user passes as the callbacks of `fit`.
Callbacks: TypeAlias = (
    keras.callbacks.CallbackList
    | keras.callbacks.Callback
    | Sequence[keras.callbacks.Callback]
    | None
)
