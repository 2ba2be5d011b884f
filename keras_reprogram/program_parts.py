"""What a class declares so that a program file may hold its objects.

A program file may come from anyone. Its objects are made from what their
classes declare here and from nothing else, and their variables are no larger
than those that the file holds.
"""

import inspect
import math
from collections.abc import Collection
from collections.abc import Mapping
from typing import ClassVar
from typing import NamedTuple
from typing import Protocol
from typing import TypeAlias

import keras
import numpy as np

from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape

FLOAT, INTEGER = "float", "int32"
# Numbers of a sample, and of what is computed while a program is built.
LARGEST_SAMPLE = 2**25
LONGEST_SEQUENCE = 2**17
# Keras's own functions by their names, whatever is registered with Keras.
ACTIVATIONS = {
    name: function
    for name, function in vars(keras.activations).items()
    if inspect.isfunction(function)
    and name not in ("deserialize", "get", "serialize")
}

Objects: TypeAlias = Mapping[str, type | tuple[type, ...]]
Strings: TypeAlias = Mapping[str, Collection[str]]


class ProgramPart:
    """Base class: an object that the config of a program file may name.

    A class of this package that `configurable.serializable` registers, and
    that has this base, is one that a file may name. It declares, besides what
    its bases declare:

    - `program_objects`: the keys of its config that hold objects;
    - `program_strings`: the keys that hold strings.

    Anything else in a config is a number, a boolean, `None`, or a list of
    these, and may be of any size: constructors check numbers, and allocate
    nothing by them. Lists of indices, such as token ids, are values like
    others. What is allocated are variables: the classes that have some tell
    in `expected_variables` how many and how large they will be, before they
    are built, and raise a `ValueError` where building takes too much besides.

    Attributes:
        program_objects: Dictionary. A class, or a tuple of some, for each key
            of the config whose value is an object of it, or a list of them.
        program_strings: Dictionary. The strings that each key may have, as a
            collection, or as a dictionary of what the constructor is given.
    """

    program_objects: ClassVar[Objects] = {}
    program_strings: ClassVar[Strings] = {}


class ExpectedVariable(NamedTuple):
    """A variable that a part of a program will have.

    Attributes:
        shape: Tuple. `None` for a size that is found when it is built.
        dtype: String. `"float"` for any floating point dtype, or `"int32"`.
            Defaults to `"float"`.
        largest: Integer. Most numbers of a variable with a size that is not
            known. Defaults to `0`.
    """

    shape: Shape
    dtype: str = FLOAT
    largest: int = 0

    def admits(self, shape: FixedShape, dtype: str) -> bool:
        """Whether a variable of a file is such a variable."""
        if dtype != self.dtype or len(shape) != len(self.shape):
            return False
        same = all(
            wanted in (None, size) for size, wanted in zip(shape, self.shape)
        )
        return same and (
            None not in self.shape or math.prod(shape) <= self.largest
        )


class StoredValues(Protocol):
    """The values of a layer's `learned_variables` in a program file."""

    def take(self, index: int, shape: FixedShape, dtype: str) -> np.ndarray:
        """Returns a value that a variable is created with.

        It is not assigned again once the layer is built.

        Args:
            index: Integer. The variable's place in `learned_variables`.
            shape: Tuple of integers. Its shape.
            dtype: String. Its dtype.

        Raises:
            ValueError: If the file's value is of another kind.
        """


def check_size(shape: Shape, largest: int) -> int:
    """Returns the number of values of a tensor, if it is a sensible one.

    Args:
        shape: Tuple of integers.
        largest: Integer. Most numbers of the tensor.

    Raises:
        ValueError: If a size is no integer of at least 0, or there are more
            numbers.
    """
    sizes = [size for size in shape if type(size) is int]
    if (
        len(sizes) != len(shape)
        or not all(0 <= size <= largest for size in sizes)
        or math.prod(sizes) > largest
    ):
        raise ValueError(f"a tensor of shape {shape} is absurd")
    return math.prod(sizes)
