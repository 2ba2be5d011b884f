"""Convolutions as sums of products of moved inputs."""

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras
from keras import ops


class Product(NamedTuple):
    """What one place of a kernel does with the inputs under it.

    It is linear in both: `at_inputs` and `at_kernel` are its gradients.
    """

    of: Callable[[Any, Any], Any]
    at_inputs: Callable[[Any, Any], Any]
    at_kernel: Callable[[Any, Any], Any]


# Of inputs `[..., C]` and a place `[C, M]`: outputs `[..., C, M]`.
DEPTHWISE = Product(
    of=lambda inputs, place: ops.multiply(ops.expand_dims(inputs, -1), place),
    at_inputs=lambda gradient, place: ops.sum(gradient * place, axis=-1),
    at_kernel=lambda inputs, gradient: ops.sum(
        ops.multiply(ops.expand_dims(inputs, -1), gradient),
        axis=tuple(range(len(inputs.shape) - 1)),
    ),
)
# Of inputs `[..., C]` and a place `[C, T]`: outputs `[..., T]`.
FULL = Product(
    of=ops.matmul,
    at_inputs=lambda gradient, place: ops.matmul(
        gradient, ops.transpose(place)
    ),
    at_kernel=lambda inputs, gradient: ops.tensordot(
        inputs, gradient, axes=[list(range(len(inputs.shape) - 1))] * 2
    ),
)


class Axis(NamedTuple):
    """How a kernel moves along one spatial axis of its inputs."""

    length: int
    size: int
    stride: int
    dilation: int
    padding: str

    @property
    def reach(self) -> int:
        """Inputs from the first place of the kernel to its last."""
        return (self.size - 1) * self.dilation + 1

    @property
    def outputs(self) -> int:
        if self.padding == "same":
            return -(-self.length // self.stride)
        return (self.length - self.reach) // self.stride + 1

    @property
    def margins(self) -> tuple[int, int]:
        """How the inputs are padded."""
        if self.padding == "valid":
            return 0, 0
        stop = (self.outputs - 1) * self.stride + self.reach
        missing = max(stop - self.length, 0)
        return missing // 2, missing - missing // 2

    def window(self, place: int) -> slice:
        """The padded inputs that are under a place of the kernel."""
        start = place * self.dilation
        stop = start + (self.outputs - 1) * self.stride + 1
        return slice(start, stop, self.stride)

    def meets(self, place: int) -> bool:
        """Whether there are inputs under a place, not padding alone."""
        before, _ = self.margins
        window = self.window(place)
        return any(
            before <= position < before + self.length
            for position in range(window.start, window.stop, window.step)
        )

    # The gradient's way: padded inputs in groups of one stride, and of each
    # group the input, its phase, that is under a place.

    @property
    def groups(self) -> int:
        return -(-(self.length + sum(self.margins)) // self.stride)

    def phase(self, place: int) -> int:
        return place * self.dilation % self.stride

    @property
    def gradient_margins(self) -> tuple[int, int]:
        before = (self.reach - 1) // self.stride
        return before, max(self.groups - self.outputs, 0)

    def gradient_window(self, place: int) -> slice:
        """The padded outputs' gradients that come to the groups by a place."""
        before, _ = self.gradient_margins
        start = before - place * self.dilation // self.stride
        return slice(start, start + self.groups)


def sum_of_products(
    axes: Sequence[Axis], inputs: Any, kernel: Any, product: Product
) -> Any:
    """Computes `outputs = sum_i product(inputs moved by i, kernel_i)`.

    The gradient at the inputs is a sum of that kind as well, of the outputs'
    gradients moved the other way. Left to the backend, it would be a sum of
    products that are each padded to the size of the inputs, with gaps where
    the kernel strides.

    Args:
        axes: One for every spatial axis.
        inputs: Tensor `[batch, *spatial, channels]`.
        kernel: Tensor `[*kernel size, *place]`.
        product: Of the inputs under one place and the kernel's values there.

    Returns:
        Tensor `[batch, *outputs of the axes, ...]`, in 32 bits at least, as a
        convolution adds up whatever the layer's own precision.
    """
    dtype = keras.backend.result_type(inputs.dtype, "float32")
    inputs, kernel = ops.cast(inputs, dtype), ops.cast(kernel, dtype)
    margins = [(0, 0), *(axis.margins for axis in axes), (0, 0)]

    def outputs_and_gradient(padded: Any, kernel: Any) -> tuple[Any, Callable]:
        outputs = 0.0
        for place in places(axes):
            moved = under(axes, padded, place)
            outputs = ops.add(outputs, product.of(moved, kernel[place]))

        def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any]:
            upstream = args[-1] if upstream is None else upstream
            return (
                gradient_at_inputs(axes, upstream, kernel, product),
                gradient_at_kernel(axes, upstream, padded, kernel, product),
            )

        return outputs, gradient

    return ops.custom_gradient(outputs_and_gradient)(
        ops.pad(inputs, margins), kernel
    )


def places(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    """The places of a kernel that meet any inputs."""
    for place in itertools.product(*(range(axis.size) for axis in axes)):
        if all(axis.meets(along) for axis, along in zip(axes, place)):
            yield place


def under(axes: Sequence[Axis], padded: Any, place: tuple[int, ...]) -> Any:
    windows = (axis.window(along) for axis, along in zip(axes, place))
    return padded[(slice(None), *windows)]


def gradient_at_inputs(
    axes: Sequence[Axis], upstream: Any, kernel: Any, product: Product
) -> Any:
    """The gradient at the padded inputs, group by group.

    ```
    gradient[n s + r] = sum_{i: i d mod s = r} kernel_i upstream[n - i d // s]
    ```

    with the stride `s`, the dilation `d` and phases `r < s`.
    """
    margins = [(0, 0), *(axis.gradient_margins for axis in axes)]
    margins += [(0, 0)] * (len(upstream.shape) - len(margins))
    upstream = ops.pad(upstream, margins)
    phases: dict[tuple[int, ...], Any] = {}
    for place in places(axes):
        along = list(zip(axes, place))
        windows = (axis.gradient_window(one) for axis, one in along)
        moved = upstream[(slice(None), *windows)]
        phase = tuple(axis.phase(one) for axis, one in along)
        addend = product.at_inputs(moved, kernel[place])
        phases[phase] = ops.add(phases.get(phase, 0.0), addend)
    return interleaved(axes, phases)


def interleaved(
    axes: Sequence[Axis], phases: dict[tuple[int, ...], Any]
) -> Any:
    """Puts `[batch, *groups, channels]` of all phases side by side."""
    zeros = ops.zeros_like(next(iter(phases.values())))
    every = itertools.product(*(range(axis.stride) for axis in axes))
    stacked = ops.stack([phases.get(phase, zeros) for phase in every], axis=1)
    groups = [axis.groups for axis in axes]
    strides = [axis.stride for axis in axes]
    channels = zeros.shape[-1]
    split = ops.reshape(stacked, (-1, *strides, *groups, channels))
    pairs = ((1 + len(axes) + axis, 1 + axis) for axis in range(len(axes)))
    split = ops.transpose(split, (0, *itertools.chain(*pairs), -1))
    sizes = (group * stride for group, stride in zip(groups, strides))
    whole = ops.reshape(split, (-1, *sizes, channels))
    lengths = (slice(axis.length + sum(axis.margins)) for axis in axes)
    return whole[(slice(None), *lengths)]


def gradient_at_kernel(
    axes: Sequence[Axis],
    upstream: Any,
    padded: Any,
    kernel: Any,
    product: Product,
) -> Any:
    found = {
        place: product.at_kernel(under(axes, padded, place), upstream)
        for place in places(axes)
    }
    nothing = ops.zeros_like(next(iter(found.values())))
    every = itertools.product(*(range(axis.size) for axis in axes))
    stacked = ops.stack([found.get(place, nothing) for place in every])
    return ops.reshape(stacked, kernel.shape)
