"""What a moving kernel does, with inputs that are moved as a whole."""

import itertools
import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_reprogram.acceleration.kernel_places import Axis
from keras_reprogram.acceleration.kernel_places import Place
from keras_reprogram.acceleration.kernel_places import gradient_at_inputs
from keras_reprogram.acceleration.kernel_places import padded
from keras_reprogram.acceleration.kernel_places import places
from keras_reprogram.acceleration.kernel_places import under


def depthwise(axes: Sequence[Axis], inputs: Any, kernel: Any) -> Any:
    """Computes `outputs = sum_i kernel_i * inputs moved by i`.

    Args:
        axes: One for every spatial axis.
        inputs: Tensor `[batch, *spatial, C]`.
        kernel: Tensor `[*kernel size, C, M]`.

    Returns:
        Tensor `[batch, *outputs, C * M]`: those of a channel are neighbors.
    """

    def outputs_and_gradient(inputs: Any, kernel: Any) -> tuple[Any, Callable]:
        outputs = 0.0
        for place in places(axes):
            moved = ops.expand_dims(under(axes, inputs, place), -1)
            outputs = ops.add(outputs, ops.multiply(moved, kernel[place]))

        def share(place: Place, upstream: Any) -> Any:
            return ops.sum(ops.multiply(upstream, kernel[place]), axis=-1)

        def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any]:
            upstream = args[-1] if upstream is None else upstream
            return (
                gradient_at_inputs(axes, [upstream], share),
                depthwise_gradient(axes, inputs, kernel, upstream),
            )

        return outputs, gradient

    outputs = ops.custom_gradient(outputs_and_gradient)(
        padded(axes, inputs), kernel
    )
    channels = math.prod(kernel.shape[-2:])
    return ops.reshape(outputs, (-1, *outputs.shape[1:-2], channels))


def depthwise_gradient(
    axes: Sequence[Axis], inputs: Any, kernel: Any, upstream: Any
) -> Any:
    """The gradient at a depthwise kernel, of padded inputs."""
    met = {place: number for number, place in enumerate(places(axes))}

    # Sample by sample: what is moved stays in the processor's cache.
    def added(index: Any, total: Any) -> Any:
        sample = inputs[index][None, ..., None]
        products = [
            ops.sum(
                ops.multiply(under(axes, sample, place), upstream[index]),
                axis=tuple(range(1 + len(axes))),
            )
            for place in met
        ]
        return ops.add(total, ops.stack(products))

    zeros = ops.zeros((len(met), *kernel.shape[-2:]), kernel.dtype)
    total = ops.fori_loop(0, ops.shape(inputs)[0], added, zeros)
    every = itertools.product(*(range(axis.size) for axis in axes))
    values = [total[met[one]] if one in met else zeros[0] for one in every]
    return ops.reshape(ops.stack(values), kernel.shape)


def full(axes: Sequence[Axis], inputs: Any, kernel: Any) -> Any:
    """A convolution as one product of all moved inputs, side by side.

    Args:
        axes: One for every spatial axis.
        inputs: Tensor `[batch, *spatial, C]`.
        kernel: Tensor `[*kernel size, C, T]`.

    Returns:
        Tensor `[batch, *outputs, T]`.
    """
    inputs = padded(axes, inputs)
    met = list(places(axes))
    moved = [under(axes, inputs, place) for place in met]
    if len(met) < math.prod(axis.size for axis in axes):
        kernel = ops.stack([kernel[place] for place in met])
    kernel = ops.reshape(kernel, (-1, kernel.shape[-1]))
    return ops.matmul(ops.concatenate(moved, axis=-1), kernel)


def tiles(axes: Sequence[Axis], inputs: Any, kernel: Any) -> Any:
    """A convolution whose kernel is over every input once, as one product.

    Args:
        axes: One for every spatial axis.
        inputs: Tensor `[batch, *spatial, C]`.
        kernel: Tensor `[*kernel size, C, T]`.

    Returns:
        Tensor `[batch, *outputs, T]`.
    """
    split = itertools.chain(*((axis.outputs, axis.size) for axis in axes))
    inputs = ops.reshape(inputs, (-1, *split, inputs.shape[-1]))
    last = 2 * len(axes) + 1
    order = (0, *range(1, last, 2), *range(2, last, 2), last)
    inputs = ops.transpose(inputs, order)
    kernel = ops.reshape(kernel, (-1, kernel.shape[-1]))
    outputs = (axis.outputs for axis in axes)
    inputs = ops.reshape(inputs, (-1, *outputs, kernel.shape[0]))
    return ops.matmul(inputs, kernel)


def maxima(axes: Sequence[Axis], inputs: Any) -> Any:
    """The largest of the inputs under a kernel; the first, in its gradient.

    Args:
        axes: One for every spatial axis.
        inputs: Tensor `[batch, *spatial, C]`.

    Returns:
        Tensor `[batch, *outputs, C]`.
    """
    numbers = {place: number for number, place in enumerate(places(axes))}

    def outputs_and_gradient(inputs: Any) -> tuple[Any, Callable]:
        moved = [under(axes, inputs, place) for place in numbers]
        outputs = moved[0]
        largest = ops.zeros_like(outputs, dtype="int8")
        for number, values in enumerate(moved):
            larger = values > outputs
            outputs = ops.maximum(outputs, values)
            largest = ops.where(larger, np.int8(number), largest)

        def share(place: Place, upstream: Any, largest: Any) -> Any:
            here = largest == np.int8(numbers[place])
            return ops.where(here, upstream, 0.0)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            upstream = args[-1] if upstream is None else upstream
            return gradient_at_inputs(axes, [upstream, largest], share)

        return outputs, gradient

    least = -float("inf")
    return ops.custom_gradient(outputs_and_gradient)(
        padded(axes, inputs, least)
    )
