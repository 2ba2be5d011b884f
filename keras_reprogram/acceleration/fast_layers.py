"""Faster CPU implementations of layers for JAX."""

import functools
import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_reprogram import keras_internals
from keras_reprogram.acceleration import shifted_convolution
from keras_reprogram.acceleration.convolution_geometry import Axis
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import last_axis_moved

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
FULL = (keras.layers.Conv1D, keras.layers.Conv2D)
MAX_POOLING = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D)
MAX_KERNEL_ELEMENTS = 64  # each adds an operation to compile


def with_fast_layers(model: keras.layers.Layer) -> keras.layers.Layer:
    """Returns a model that JAX computes faster on a CPU.

    XLA computes depthwise convolutions, convolutions whose kernel is larger
    than their outputs, and the gradients of patches and of max pooling one
    value at a time. With shifted inputs (`shifted_convolution`) they are 5 to
    200 times faster on a CPU.

    Args:
        model: Keras model or layer. It is not changed.

    Returns:
        A copy that shares all variables and computes the same outputs, for
        calls on tensors. The model itself on other backends and devices, and
        if it has no such layers.
    """
    if not jax_uses_only_cpus():
        return model
    return keras_internals.substitute(model, fast_layer)


def fast_copy(model: keras.Model) -> keras.Model:
    """Returns a functional model that JAX trains faster on a CPU.

    Args:
        model: Functional or sequential model. It is not changed.

    Returns:
        A model that shares all layers and variables.
    """
    copy = keras_internals.functional_copy(model)
    copy.call = with_fast_layers(keras_internals.graph_of(model)).call
    return copy


def jax_uses_only_cpus() -> bool:
    return keras.config.backend() == "jax" and all(
        device.startswith("cpu") for device in keras.distribution.list_devices()
    )


def fast_layer(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """Returns the fast copy of a layer.

    Returns:
        The layer itself for a model with a `call` of its own; `None` for
        other layers that have no fast implementation.
    """
    if isinstance(layer, keras.Model):
        return None if keras_internals.computes_graph(layer) else layer
    if has_code_of(layer, DEPTHWISE) and is_small(layer.kernel_size):
        call = functools.partial(call_depthwise, layer)
    elif has_code_of(layer, SEPARABLE) and is_small(layer.kernel_size):
        call = functools.partial(call_separable, layer)
    elif has_code_of(layer, MAX_POOLING) and is_small(layer.pool_size):
        call = functools.partial(call_max_pooling, layer)
    elif has_code_of(layer, FULL, "convolution_op") and layer.groups == 1:
        operation = functools.partial(convolve, layer)
        return keras_internals.shallow_copy(layer, convolution_op=operation)
    else:
        return None
    return keras_internals.shallow_copy(layer, call=call)


def has_code_of(
    layer: keras.layers.Layer, kinds: tuple[Any, ...], method: str = "call"
) -> bool:
    """Whether a layer has the `call` of one of the classes."""
    return (
        isinstance(layer, kinds)
        and method not in vars(layer)
        and any(
            getattr(type(layer), method) is getattr(kind, method)
            for kind in kinds
        )
        and layer.padding in ("same", "valid")
    )


def is_small(kernel_size: tuple[int, ...]) -> bool:
    return math.prod(kernel_size) <= MAX_KERNEL_ELEMENTS


def call_depthwise(layer: keras.layers.Layer, inputs: Tensor) -> Tensor:
    outputs = convolve_depthwise(layer, inputs, layer.kernel)
    return apply_bias_and_activation(layer, outputs)


def call_separable(layer: keras.layers.Layer, inputs: Tensor) -> Tensor:
    outputs = ops.conv(
        convolve_depthwise(layer, inputs, layer.depthwise_kernel),
        layer.pointwise_kernel,
        data_format=layer.data_format,
    )
    return apply_bias_and_activation(layer, outputs)


def convolve_depthwise(
    layer: keras.layers.Layer, inputs: Tensor, kernel: Tensor
) -> Tensor:
    axes = convolution_axes(layer, inputs)
    operation = shifted_convolution.depthwise_convolution
    return compute_channels_last(layer, operation, axes, inputs, kernel)


def call_max_pooling(layer: keras.layers.Layer, inputs: Tensor) -> Tensor:
    axes = spatial_axes(layer, inputs, layer.pool_size)
    operation = shifted_convolution.max_pooling
    return compute_channels_last(layer, operation, axes, inputs)


def convolve(
    layer: keras.layers.Layer, inputs: Tensor, kernel: Tensor
) -> Tensor:
    """Computes a convolution, with shifted inputs if XLA's is slow."""
    axes = convolution_axes(layer, inputs)
    if all(axis.is_patches for axis in axes):
        operation = shifted_convolution.patch_convolution
    elif is_small(layer.kernel_size) and any(
        axis.output_length < axis.kernel_size for axis in axes
    ):
        operation = shifted_convolution.convolution
    else:
        return type(layer).convolution_op(layer, inputs, kernel)
    return compute_channels_last(layer, operation, axes, inputs, kernel)


def convolution_axes(layer: keras.layers.Layer, inputs: Tensor) -> list[Axis]:
    return spatial_axes(layer, inputs, layer.kernel_size, layer.dilation_rate)


def spatial_axes(
    layer: keras.layers.Layer,
    inputs: Tensor,
    kernel_size: Sequence[int],
    dilation: Sequence[int] | None = None,
) -> list[Axis]:
    """Returns the geometry of a layer for its inputs."""
    channels_first = layer.data_format == "channels_first"
    lengths = inputs.shape[2:] if channels_first else inputs.shape[1:-1]
    dilation = dilation or (1,) * len(lengths)
    return [
        Axis(*along, layer.padding)
        for along in zip(lengths, kernel_size, layer.strides, dilation)
    ]


def compute_channels_last(
    layer: keras.layers.Layer,
    operation: Callable[..., Any],
    axes: list[Axis],
    inputs: Tensor,
    *kernels: Tensor,
) -> Tensor:
    """Computes with channels last and in at least 32 bits.

    XLA's convolutions also accumulate in 32 bits at lower precision.
    """
    channels_first = layer.data_format == "channels_first"
    if channels_first:
        inputs = ops.moveaxis(inputs, 1, -1)
    dtype = keras.backend.result_type(inputs.dtype, "float32")
    wide = (ops.cast(tensor, dtype) for tensor in (inputs, *kernels))
    outputs = ops.cast(operation(axes, *wide), inputs.dtype)
    return last_axis_moved(outputs, 1) if channels_first else outputs


def apply_bias_and_activation(
    layer: keras.layers.Layer, outputs: Tensor
) -> Tensor:
    if layer.use_bias:
        bias = layer.bias
        if layer.data_format == "channels_first":
            bias = ops.reshape(bias, (-1, *(1,) * (len(outputs.shape) - 2)))
        outputs = ops.add(outputs, bias)
    return outputs if layer.activation is None else layer.activation(outputs)
