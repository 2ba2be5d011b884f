"""Random numbers that are the same on every backend."""

import math

import numpy as np
from keras import ops

from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor

# Multipliers of a 32-bit hash function with little bias
# (https://github.com/skeeto/hash-prospector).
FIRST, SECOND = np.array([0x7FEB352D, 0x846CA68B], "uint32").view("int32")


def uniform(shape: FixedShape, seed: int, step: Tensor) -> Tensor:
    """Uniform random numbers between 0 and 1, both excluded.

    A number depends on its index, the seed and the step only. It is computed
    in 32-bit integers that wrap around, so all backends return the same bits;
    the generators of `keras.random` differ from backend to backend.

    Args:
        shape: Tuple of integers, with a product below 2^31.
        seed: Integer. Taken modulo 2^31.
        step: Integer scalar tensor. The number of the step.

    Returns:
        A float32 tensor of odd multiples of 2^-24.
    """
    key = hash_bits(ops.convert_to_tensor(np.int32(seed % 2**31)))
    key = hash_bits(ops.bitwise_xor(key, ops.cast(step, "int32")))
    indices = ops.arange(math.prod(shape), dtype="int32")
    bits = hash_bits(ops.bitwise_xor(hash_bits(indices), key))
    upper_bits = ops.cast(shift_right(bits, 9), "float32")
    return ops.reshape((upper_bits + 0.5) * 2.0**-23, shape)


def normal(shape: FixedShape, seed: int, step: Tensor) -> Tensor:
    """Standard normal random numbers, by the Box-Muller transform.

    Logarithm and cosine differ in the last bits from backend to backend.

    Args:
        shape: Tuple of integers, with a product below 2^30.
        seed: Integer. Taken modulo 2^31.
        step: Integer scalar tensor. The number of the step.

    Returns:
        A float32 tensor.
    """
    numbers = uniform((2, *shape), seed, step)
    radius = ops.sqrt(-2.0 * ops.log(numbers[0]))
    return radius * ops.cos(2.0 * math.pi * numbers[1])


def hash_bits(bits: Tensor) -> Tensor:
    bits = ops.bitwise_xor(bits, shift_right(bits, 16)) * FIRST
    bits = ops.bitwise_xor(bits, shift_right(bits, 15)) * SECOND
    return ops.bitwise_xor(bits, shift_right(bits, 16))


def shift_right(bits: Tensor, count: int) -> Tensor:
    """Shifts bits to the right and fills with zeros."""
    mask = np.int32(2 ** (32 - count) - 1)
    return ops.bitwise_and(ops.right_shift(bits, np.int32(count)), mask)
