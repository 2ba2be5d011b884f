"""Random numbers that are the same on every backend."""

import math
from typing import Any

import numpy as np
from keras import ops

# A bijection of 32 bits whose outputs look random: the best known of its
# length (https://github.com/skeeto/hash-prospector).
FIRST, SECOND = np.array([0x7FEB352D, 0x846CA68B], "uint32").view("int32")


def uniform(shape: tuple[int, ...], seed: int, step: Any) -> Any:
    """Numbers between 0 and 1, neither of them included.

    They are a function of their position, the seed and the step alone, in
    integers that wrap around at 32 bits, which backends do alike, to the last
    bit; the generators of `keras.random` are each backend's own.

    Args:
        shape: Shape of the numbers, of fewer than 2^31 in all.
        seed: Integer seed, taken modulo 2^31.
        step: Number of the step, an integer scalar.

    Returns:
        A float32 tensor of odd multiples of 2^-24.
    """
    key = mixed(ops.convert_to_tensor(np.int32(seed % 2**31)))
    key = mixed(ops.bitwise_xor(key, ops.cast(step, "int32")))
    positions = ops.arange(math.prod(shape), dtype="int32")
    bits = mixed(ops.bitwise_xor(mixed(positions), key))
    upper = ops.cast(shifted(bits, 9), "float32")
    return ops.reshape((upper + 0.5) * 2.0**-23, shape)


def normal(shape: tuple[int, ...], seed: int, step: Any) -> Any:
    """Numbers of the standard normal distribution (Box and Muller).

    Logarithm and cosine are each backend's own, and differ in the last bits.

    Args:
        shape: Shape of the numbers, of fewer than 2^30 in all.
        seed: Integer seed.
        step: Number of the step, an integer scalar.
    """
    drawn = uniform((2, *shape), seed, step)
    radius = ops.sqrt(-2.0 * ops.log(drawn[0]))
    return radius * ops.cos(2.0 * math.pi * drawn[1])


def mixed(bits: Any) -> Any:
    bits = ops.bitwise_xor(bits, shifted(bits, 16)) * FIRST
    bits = ops.bitwise_xor(bits, shifted(bits, 15)) * SECOND
    return ops.bitwise_xor(bits, shifted(bits, 16))


def shifted(bits: Any, by: int) -> Any:
    """Bits moved to the right, zeros following from the left."""
    kept = np.int32(2 ** (32 - by) - 1)
    return ops.bitwise_and(ops.right_shift(bits, np.int32(by)), kept)
