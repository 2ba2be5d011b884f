"""Layers that JAX is slow at on a processor, computed in another way."""

import functools
import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_reprogram.acceleration import moving_kernels
from keras_reprogram.acceleration.kernel_places import Axis

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
FULL = (keras.layers.Conv1D, keras.layers.Conv2D)
MAXIMUM = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D)
MOST_PLACES = 64  # each is an operation to compile


def rewrite_slow_layers(source: keras.Model) -> None:
    """Has JAX on a processor compute some layers in another way.

    XLA takes depthwise convolutions, convolutions whose kernel is larger than
    their outputs, and the gradients of patches and of maxima one value at a
    time. With moved inputs as a whole (`moving_kernels`) they are 5 to 200
    times faster there. The layers' outputs, weights and configuration are the
    same. On other backends and devices nothing changes.
    """
    if not jax_has_processors_alone():
        return
    for layer in source._flatten_layers():
        if calls_as(layer, DEPTHWISE) and few(layer.kernel_size):
            layer.call = functools.partial(call_depthwise, layer)
        elif calls_as(layer, SEPARABLE) and few(layer.kernel_size):
            layer.call = functools.partial(call_separable, layer)
        elif calls_as(layer, MAXIMUM) and few(layer.pool_size):
            layer.call = functools.partial(call_maximum, layer)
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
    )


def few(kernel_size: tuple[int, ...]) -> bool:
    return math.prod(kernel_size) <= MOST_PLACES


def call_depthwise(layer: keras.layers.Layer, inputs: Any) -> Any:
    return finished(layer, depthwise(layer, inputs, layer.kernel))


def call_separable(layer: keras.layers.Layer, inputs: Any) -> Any:
    outputs = ops.conv(
        depthwise(layer, inputs, layer.depthwise_kernel),
        layer.pointwise_kernel,
        data_format=layer.data_format,
    )
    return finished(layer, outputs)


def depthwise(layer: keras.layers.Layer, inputs: Any, kernel: Any) -> Any:
    axes = convolution_axes(layer, inputs)
    return channels_last(layer, moving_kernels.depthwise, axes, inputs, kernel)


def call_maximum(layer: keras.layers.Layer, inputs: Any) -> Any:
    axes = axes_of(layer, inputs, layer.pool_size)
    return channels_last(layer, moving_kernels.maxima, axes, inputs)


def convolve(layer: keras.layers.Layer, inputs: Any, kernel: Any) -> Any:
    """A convolution, in another way where XLA's is slow."""
    axes = convolution_axes(layer, inputs)
    if all(axis.tiles for axis in axes):
        compute = moving_kernels.tiles
    elif few(layer.kernel_size) and any(
        axis.outputs < axis.size for axis in axes
    ):
        compute = moving_kernels.full
    else:
        return type(layer).convolution_op(layer, inputs, kernel)
    return channels_last(layer, compute, axes, inputs, kernel)


def convolution_axes(layer: keras.layers.Layer, inputs: Any) -> list[Axis]:
    return axes_of(layer, inputs, layer.kernel_size, layer.dilation_rate)


def axes_of(
    layer: keras.layers.Layer,
    inputs: Any,
    kernel_size: Sequence[int],
    dilation: Sequence[int] | None = None,
) -> list[Axis]:
    """How the layer's kernel moves over its inputs."""
    first = layer.data_format == "channels_first"
    lengths = inputs.shape[2:] if first else inputs.shape[1:-1]
    dilation = dilation or (1,) * len(lengths)
    return [
        Axis(*along, layer.padding)
        for along in zip(lengths, kernel_size, layer.strides, dilation)
    ]


def channels_last(
    layer: keras.layers.Layer,
    compute: Callable[..., Any],
    axes: list[Axis],
    inputs: Any,
    *kernels: Any,
) -> Any:
    """Computes on channels that are last, and in 32 bits at least.

    As convolutions add up, whatever the layer's own precision.
    """
    first = layer.data_format == "channels_first"
    if first:
        inputs = ops.moveaxis(inputs, 1, -1)
    dtype = keras.backend.result_type(inputs.dtype, "float32")
    wide = (ops.cast(tensor, dtype) for tensor in (inputs, *kernels))
    outputs = ops.cast(compute(axes, *wide), inputs.dtype)
    return ops.moveaxis(outputs, -1, 1) if first else outputs


def finished(layer: keras.layers.Layer, outputs: Any) -> Any:
    """With the layer's bias and activation."""
    if layer.use_bias:
        bias = layer.bias
        if layer.data_format == "channels_first":
            bias = ops.reshape(bias, (-1, *(1,) * (len(outputs.shape) - 2)))
        outputs = ops.add(outputs, bias)
    return outputs if layer.activation is None else layer.activation(outputs)
