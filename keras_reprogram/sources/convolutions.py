"""Convolutions that JAX is slow at on a processor, as sums of products."""

import functools
import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.sources.sums_of_products import DEPTHWISE
from keras_reprogram.sources.sums_of_products import FULL
from keras_reprogram.sources.sums_of_products import Axis
from keras_reprogram.sources.sums_of_products import Product
from keras_reprogram.sources.sums_of_products import sum_of_products

DEPTHWISE_LAYERS = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
SEPARABLE_LAYERS = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
FULL_LAYERS = (keras.layers.Conv1D, keras.layers.Conv2D)
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
        if calls_as(layer, DEPTHWISE_LAYERS):
            layer.call = functools.partial(call_depthwise, layer)
        elif calls_as(layer, SEPARABLE_LAYERS):
            layer.call = functools.partial(call_separable, layer)
        elif (
            calls_as(layer, FULL_LAYERS, "convolution_op") and layer.groups == 1
        ):
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
    outputs = computed(layer, inputs, layer.kernel, DEPTHWISE)
    return finished(layer, outputs)


def call_separable(layer: keras.layers.Layer, inputs: Any) -> Any:
    outputs = computed(layer, inputs, layer.depthwise_kernel, DEPTHWISE)
    outputs = ops.conv(
        outputs, layer.pointwise_kernel, data_format=layer.data_format
    )
    return finished(layer, outputs)


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
        return computed(layer, inputs, kernel, FULL)
    return type(layer).convolution_op(layer, inputs, kernel)


def computed(
    layer: keras.layers.Layer, inputs: Any, kernel: Any, product: Product
) -> Any:
    """The sum of products that a layer's convolution is, without its bias."""
    first = layer.data_format == "channels_first"
    if first:
        inputs = ops.moveaxis(inputs, 1, -1)
    axes = [
        Axis(*along, layer.padding)
        for along in zip(
            inputs.shape[1:-1],
            layer.kernel_size,
            layer.strides,
            layer.dilation_rate,
        )
    ]
    outputs = sum_of_products(axes, inputs, kernel, product)
    positions = (axis.outputs for axis in axes)
    # The outputs of a channel, where they have an axis, are neighbours.
    channels = math.prod(outputs.shape[1 + len(axes) :])
    outputs = ops.reshape(outputs, (-1, *positions, channels))
    outputs = ops.cast(outputs, inputs.dtype)
    return ops.moveaxis(outputs, -1, 1) if first else outputs


def finished(layer: keras.layers.Layer, outputs: Any) -> Any:
    """With the layer's bias and activation."""
    if layer.use_bias:
        bias = layer.bias
        if layer.data_format == "channels_first":
            bias = ops.reshape(bias, (-1, *(1,) * (len(outputs.shape) - 2)))
        outputs = ops.add(outputs, bias)
    return outputs if layer.activation is None else layer.activation(outputs)
