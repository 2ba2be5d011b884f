"""Types that the signatures of the package share."""

from typing import Any
from typing import TypeAlias

# Sizes of the axes of an array or tensor, `None` where one is not known.
Shape: TypeAlias = tuple[int | None, ...]
FixedShape: TypeAlias = tuple[int, ...]
# A tensor of the backend in use, symbolic or not.
Tensor: TypeAlias = Any
