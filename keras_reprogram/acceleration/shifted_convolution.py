"""Convolutions and pooling as sums over shifted inputs."""

import itertools
import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_reprogram.acceleration.convolution_geometry import Axis
from keras_reprogram.acceleration.convolution_geometry import Offset
from keras_reprogram.acceleration.convolution_geometry import input_gradient
from keras_reprogram.acceleration.convolution_geometry import kernel_offsets
from keras_reprogram.acceleration.convolution_geometry import pad
from keras_reprogram.acceleration.convolution_geometry import window
from keras_reprogram.typing import Tensor

Gradient = Callable[..., Any]


def depthwise_convolution(
    axes: Sequence[Axis], inputs: Tensor, kernel: Tensor
) -> Tensor:
    """Computes `outputs = sum_i kernel_i * inputs shifted by i`.

    Args:
        axes: Sequence of `Axis`, one for each spatial axis.
        inputs: Tensor `[batch, *spatial, C]`.
        kernel: Tensor `[*kernel size, C, M]`.

    Returns:
        Tensor `[batch, *outputs, C * M]`. The outputs of a channel are
        adjacent.
    """

    def outputs_and_gradient(
        inputs: Tensor, kernel: Tensor
    ) -> tuple[Tensor, Gradient]:
        outputs = 0.0
        for offset in kernel_offsets(axes):
            shifted = ops.expand_dims(window(axes, inputs, offset), -1)
            outputs = ops.add(outputs, ops.multiply(shifted, kernel[offset]))

        def contribution(offset: Offset, upstream: Tensor) -> Tensor:
            return ops.sum(ops.multiply(upstream, kernel[offset]), axis=-1)

        def gradient(
            *args: Tensor, upstream: Tensor = None
        ) -> tuple[Tensor, Tensor]:
            upstream = args[-1] if upstream is None else upstream
            return (
                input_gradient(axes, [upstream], contribution),
                depthwise_kernel_gradient(axes, inputs, kernel, upstream),
            )

        return outputs, gradient

    outputs = ops.custom_gradient(outputs_and_gradient)(
        pad(axes, inputs), kernel
    )
    channels = math.prod(kernel.shape[-2:])
    return ops.reshape(outputs, (-1, *outputs.shape[1:-2], channels))


def depthwise_kernel_gradient(
    axes: Sequence[Axis], inputs: Tensor, kernel: Tensor, upstream: Tensor
) -> Tensor:
    """Returns the gradient of a depthwise convolution's kernel.

    Args:
        axes: Sequence of `Axis`, one for each spatial axis.
        inputs: The padded inputs, `[batch, *padded spatial, C]`.
        kernel: Tensor `[*kernel size, C, M]`.
        upstream: The gradient at the outputs, `[batch, *outputs, C, M]`.

    Returns:
        Tensor of the kernel's shape.
    """
    rows = {offset: row for row, offset in enumerate(kernel_offsets(axes))}

    # One sample at a time, so that its windows stay in the processor's cache.
    def add_sample(index: Tensor, total: Tensor) -> Tensor:
        sample = inputs[index][None, ..., None]
        products = [
            ops.sum(
                ops.multiply(window(axes, sample, offset), upstream[index]),
                axis=tuple(range(1 + len(axes))),
            )
            for offset in rows
        ]
        return ops.add(total, ops.stack(products))

    zeros = ops.zeros((len(rows), *kernel.shape[-2:]), kernel.dtype)
    total = ops.fori_loop(0, ops.shape(inputs)[0], add_sample, zeros)
    offsets = itertools.product(*(range(axis.kernel_size) for axis in axes))
    values = [
        total[rows[offset]] if offset in rows else zeros[0]
        for offset in offsets
    ]
    return ops.reshape(ops.stack(values), kernel.shape)


def convolution(axes: Sequence[Axis], inputs: Tensor, kernel: Tensor) -> Tensor:
    """Computes a convolution as one product with concatenated shifted inputs.

    Args:
        axes: Sequence of `Axis`, one for each spatial axis.
        inputs: Tensor `[batch, *spatial, C]`.
        kernel: Tensor `[*kernel size, C, T]`.

    Returns:
        Tensor `[batch, *outputs, T]`.
    """
    inputs = pad(axes, inputs)
    offsets = list(kernel_offsets(axes))
    shifted = [window(axes, inputs, offset) for offset in offsets]
    if len(offsets) < math.prod(axis.kernel_size for axis in axes):
        kernel = ops.stack([kernel[offset] for offset in offsets])
    kernel = ops.reshape(kernel, (-1, kernel.shape[-1]))
    return ops.matmul(ops.concatenate(shifted, axis=-1), kernel)


def patch_convolution(
    axes: Sequence[Axis], inputs: Tensor, kernel: Tensor
) -> Tensor:
    """Computes a convolution of patches that do not overlap as one product.

    Args:
        axes: Sequence of `Axis`, one for each spatial axis.
        inputs: Tensor `[batch, *spatial, C]`.
        kernel: Tensor `[*kernel size, C, T]`.

    Returns:
        Tensor `[batch, *outputs, T]`.
    """
    split = itertools.chain(
        *((axis.output_length, axis.kernel_size) for axis in axes)
    )
    inputs = ops.reshape(inputs, (-1, *split, inputs.shape[-1]))
    last = 2 * len(axes) + 1
    order = (0, *range(1, last, 2), *range(2, last, 2), last)
    inputs = ops.transpose(inputs, order)
    kernel = ops.reshape(kernel, (-1, kernel.shape[-1]))
    outputs = (axis.output_length for axis in axes)
    inputs = ops.reshape(inputs, (-1, *outputs, kernel.shape[0]))
    return ops.matmul(inputs, kernel)


def max_pooling(axes: Sequence[Axis], inputs: Tensor) -> Tensor:
    """Returns the maximum of each window, with the first one's gradient.

    Args:
        axes: Sequence of `Axis`, one for each spatial axis.
        inputs: Tensor `[batch, *spatial, C]`.

    Returns:
        Tensor `[batch, *outputs, C]`.
    """
    numbers = {offset: row for row, offset in enumerate(kernel_offsets(axes))}

    def outputs_and_gradient(inputs: Tensor) -> tuple[Tensor, Gradient]:
        shifted = [window(axes, inputs, offset) for offset in numbers]
        outputs = shifted[0]
        argmax = ops.zeros_like(outputs, dtype="int8")
        for number, values in enumerate(shifted):
            larger = values > outputs
            outputs = ops.maximum(outputs, values)
            argmax = ops.where(larger, np.int8(number), argmax)

        def contribution(
            offset: Offset, upstream: Tensor, argmax: Tensor
        ) -> Tensor:
            is_maximum = argmax == np.int8(numbers[offset])
            return ops.where(is_maximum, upstream, 0.0)

        def gradient(*args: Tensor, upstream: Tensor = None) -> Tensor:
            upstream = args[-1] if upstream is None else upstream
            return input_gradient(axes, [upstream, argmax], contribution)

        return outputs, gradient

    lowest = -float("inf")
    return ops.custom_gradient(outputs_and_gradient)(pad(axes, inputs, lowest))
