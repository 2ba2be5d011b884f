"""Convolutions that JAX is slow at on a processor, as sums of products."""

import functools
import itertools
import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
FULL = (keras.layers.Conv1D, keras.layers.Conv2D)
MOST_PLACES = 64  # each is an operation to compile


def rewrite_slow_convolutions(source: keras.Model) -> None:
    """Has JAX on a processor compute some layers in another way.

    XLA takes depthwise convolutions, and convolutions whose kernel is larger
    than their outputs, one value at a time, in their gradient if not before.
    With a kernel of places `i` they are computed as

    ```
    outputs = sum_i kernel_i * inputs moved by i
    ```

    which is 20 to 200 times faster there. The layers' outputs, weights and
    configuration are the same. On other backends and devices nothing changes.
    """
    if not jax_has_processors_alone():
        return
    for layer in source._flatten_layers():
        if calls_as(layer, DEPTHWISE):
            layer.call = functools.partial(call_depthwise, layer)
        elif calls_as(layer, SEPARABLE):
            layer.call = functools.partial(call_separable, layer)
        elif calls_as(layer, FULL, "convolution_op") and layer.groups == 1:
            layer.convolution_op = functools.partial(convolve, layer)


def jax_has_processors_alone() -> bool:
    return keras.config.backend() == "jax" and all(
        device.startswith("cpu") for device in keras.distribution.list_devices()
    )


def calls_as(
    layer: keras.layers.Layer, kinds: tuple[type, ...], method: str = "call"
) -> bool:
    """Whether a layer is of a kind, and no subclass that computes more."""
    return (
        isinstance(layer, kinds)
        and any(
            getattr(type(layer), method) is getattr(kind, method)
            for kind in kinds
        )
        and layer.padding in ("same", "valid")
        and math.prod(layer.kernel_size) <= MOST_PLACES
    )


def call_depthwise(layer: keras.layers.Layer, inputs: Any) -> Any:
    return finished(layer, depthwise(layer, inputs, layer.kernel))


def call_separable(layer: keras.layers.Layer, inputs: Any) -> Any:
    outputs = depthwise(layer, inputs, layer.depthwise_kernel)
    outputs = ops.conv(
        outputs, layer.pointwise_kernel, data_format=layer.data_format
    )
    return finished(layer, outputs)


def depthwise(layer: keras.layers.Layer, inputs: Any, kernel: Any) -> Any:
    channels, multiplier = kernel.shape[-2:]

    def product(moved: Any, weights: Any) -> Any:
        # `[..., C]` by `[C, M]`: the M outputs of a channel are neighbours.
        if multiplier == 1:
            return ops.multiply(moved, weights[:, 0])
        outputs = ops.multiply(ops.expand_dims(moved, -1), weights)
        shape = (-1, *moved.shape[1:-1], channels * multiplier)
        return ops.reshape(outputs, shape)

    return sum_of_products(layer, inputs, kernel, product)


def convolve(layer: keras.layers.Layer, inputs: Any, kernel: Any) -> Any:
    """A convolution, by its kernel's places if they exceed its outputs."""
    shape = layer.compute_output_shape(tuple(inputs.shape))
    first = layer.data_format == "channels_first"
    exceeds = any(
        length is not None and length < size
        for length, size in zip(
            shape[2:] if first else shape[1:-1], layer.kernel_size
        )
    )
    if exceeds:
        return sum_of_products(layer, inputs, kernel, ops.matmul)
    return type(layer).convolution_op(layer, inputs, kernel)


def sum_of_products(
    layer: keras.layers.Layer,
    inputs: Any,
    kernel: Any,
    product: Callable[[Any, Any], Any],
) -> Any:
    """Moves the inputs under every place of a kernel.

    Args:
        layer: Whose strides, padding, dilation and data format are meant.
        inputs: Tensor of one more axis than spatial ones, and a batch.
        kernel: Tensor `(*kernel size, channels, outputs)`.
        product: Of inputs `[..., channels]` and one place of the kernel.

    Returns:
        The sum of the products, in the layer's data format.
    """
    first = layer.data_format == "channels_first"
    if first:
        inputs = ops.moveaxis(inputs, 1, -1)
    steps = [
        places(*along, layer.padding)
        for along in zip(
            inputs.shape[1:-1],
            layer.kernel_size,
            layer.strides,
            layer.dilation_rate,
        )
    ]
    widths = [(0, 0), *(margins for margins, _ in steps), (0, 0)]
    # As a convolution adds up, whatever the layer's own precision.
    dtype = keras.backend.result_type(inputs.dtype, "float32")
    kernel = ops.cast(kernel, dtype)
    padded = ops.pad(ops.cast(inputs, dtype), widths)
    total = 0.0
    for place in itertools.product(*(enumerate(found) for _, found in steps)):
        if any(window is None for _, window in place):
            continue
        index, windows = zip(*place)
        moved = padded[(slice(None), *windows)]
        total = ops.add(total, product(moved, kernel[index]))
    total = ops.cast(total, inputs.dtype)
    return ops.moveaxis(total, -1, 1) if first else total


def places(
    length: int, size: int, stride: int, dilation: int, padding: str
) -> tuple[tuple[int, int], Sequence[slice | None]]:
    """How an axis is padded, and which of it each place of a kernel meets.

    `None` stands for a place that meets the padding alone.
    """
    reach = (size - 1) * dilation + 1
    before = after = 0
    count = (length - reach) // stride + 1
    if padding == "same":
        count = -(-length // stride)
        missing = max((count - 1) * stride + reach - length, 0)
        before, after = missing // 2, missing - missing // 2
    windows = []
    for start in range(0, reach, dilation):
        met = range(start, start + (count - 1) * stride + 1, stride)
        inside = any(before <= value < before + length for value in met)
        windows.append(slice(met.start, met.stop, stride) if inside else None)
    return (before, after), windows


def finished(layer: keras.layers.Layer, outputs: Any) -> Any:
    """With the layer's bias and activation."""
    if layer.use_bias:
        bias = layer.bias
        if layer.data_format == "channels_first":
            bias = ops.reshape(bias, (-1, *(1,) * (len(outputs.shape) - 2)))
        outputs = ops.add(outputs, bias)
    return outputs if layer.activation is None else layer.activation(outputs)
