"""Declarations of the classes whose objects program files may contain.

Program files are untrusted. Their objects are created only from what their
classes declare here, and their variables are no larger than those in the file.
"""

import inspect
import math
import weakref
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
# The largest size of samples and of intermediate values in building a program.
LARGEST_SAMPLE = 2**25
LONGEST_SEQUENCE = 2**17
# Keras's own functions by name, whatever is registered with Keras.
ACTIVATIONS = {
    name: function
    for name, function in vars(keras.activations).items()
    if inspect.isfunction(function)
    and name not in ("deserialize", "get", "serialize")
}

Objects: TypeAlias = Mapping[str, type | tuple[type, ...]]
Strings: TypeAlias = Mapping[str, Collection[str]]


class ProgramPart:
    """Base class: an object that the config of a program file may contain.

    A file may contain objects of subclasses that belong to this package and are
    registered by `configurable.serializable`. A subclass declares, in addition
    to its bases:

    - `program_objects`: the keys of its config whose values are objects;
    - `program_strings`: the keys whose values are strings.

    All other values of a config are numbers, booleans, `None`, or lists of
    these, and may be of any size: constructors check numbers, and do not
    allocate memory for them. Lists of indices, such as token ids, are no
    exception. Memory is allocated for variables: `expected_variables` returns
    how many there will be and how large, before they are built, and raises a
    `ValueError` if building needs too much memory in addition.

    Attributes:
        program_objects: Dictionary. The class, or a tuple of classes, of the
            object or list of objects of each key.
        program_strings: Dictionary. The valid strings of each key, as a
            collection, or as a dictionary of the constructor's values.
    """

    program_objects: ClassVar[Objects] = {}
    program_strings: ClassVar[Strings] = {}


class ExpectedVariable(NamedTuple):
    """A variable of a part of a program that is not built yet.

    Attributes:
        shape: Tuple. `None` for a size that is unknown before it is built.
        dtype: String. `"float"` for any floating point dtype, or `"int32"`.
            Defaults to `"float"`.
        largest: Integer. Largest number of values if a size is unknown.
            Defaults to `0`.
    """

    shape: Shape
    dtype: str = FLOAT
    largest: int = 0

    def admits(self, shape: FixedShape, dtype: str) -> bool:
        """Whether a variable of a file matches."""
        if dtype != self.dtype or len(shape) != len(self.shape):
            return False
        sizes_match = all(
            expected in (None, size)
            for size, expected in zip(shape, self.shape)
        )
        return sizes_match and (
            None not in self.shape or math.prod(shape) <= self.largest
        )


class StoredValues(Protocol):
    """The values of a layer's `learned_variables` in a program file."""

    def take(self, index: int, shape: FixedShape, dtype: str) -> np.ndarray:
        """Returns the initial value of a variable.

        It is not assigned after the layer is built.

        Args:
            index: Integer. The variable's index in `learned_variables`.
            shape: Tuple of integers. Its shape.
            dtype: String. Its dtype.

        Raises:
            ValueError: If the file's value is of another kind.
        """


# The layers that parts belong to, by the parts.
OWNERS: weakref.WeakKeyDictionary[
    keras.layers.Layer, weakref.ref[keras.layers.Layer]
] = weakref.WeakKeyDictionary()


def check_new(part: keras.layers.Layer) -> None:
    """Raises a `ValueError` for a part that another layer has built."""
    if part.built:
        raise ValueError(in_another_place(part))


def claim(part: keras.layers.Layer, owner: keras.layers.Layer) -> None:
    """Records which layer a part belongs to, which may be built before.

    Raises:
        ValueError: If it belongs to another one.
    """
    known = OWNERS.get(part)
    if known is not None and known() not in (None, owner):
        raise ValueError(in_another_place(part))
    OWNERS[part] = weakref.ref(owner)


def in_another_place(part: keras.layers.Layer) -> str:
    return (
        f"A `{type(part).__name__}` has one place in one layer: make a new one "
        f"for this place. Received: {part!r}, which belongs to another one"
    )


def check_size(shape: Shape, largest: int) -> int:
    """Returns the number of values of a tensor of a valid shape.

    Args:
        shape: Tuple of integers.
        largest: Integer. Largest number of values.

    Raises:
        ValueError: If a size is not an integer of at least 0, or there are more
            values.
    """
    sizes = [size for size in shape if type(size) is int]
    if (
        len(sizes) != len(shape)
        or not all(0 <= size <= largest for size in sizes)
        or math.prod(sizes) > largest
    ):
        raise ValueError(f"a tensor of shape {shape} is absurd")
    return math.prod(sizes)
