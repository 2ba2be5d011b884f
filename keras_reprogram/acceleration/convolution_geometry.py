"""Geometry of convolutions and pooling: the inputs of each kernel element."""

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from keras import ops

from keras_reprogram.typing import Tensor

# The position of an element within a kernel.
Offset = tuple[int, ...]


class Axis(NamedTuple):
    """The geometry of a convolution along one spatial axis."""

    length: int
    kernel_size: int
    stride: int
    dilation: int
    padding: str

    @property
    def dilated_size(self) -> int:
        """The number of inputs from the kernel's first element to its last."""
        return (self.kernel_size - 1) * self.dilation + 1

    @property
    def output_length(self) -> int:
        if self.padding == "same":
            return -(-self.length // self.stride)
        return (self.length - self.dilated_size) // self.stride + 1

    @property
    def padding_sizes(self) -> tuple[int, int]:
        """The padding before and after the inputs."""
        if self.padding == "valid":
            return 0, 0
        stop = (self.output_length - 1) * self.stride + self.dilated_size
        missing = max(stop - self.length, 0)
        return missing // 2, missing - missing // 2

    @property
    def is_patches(self) -> bool:
        """Whether the kernel covers each input exactly once."""
        return (
            self.kernel_size == self.stride
            and self.dilation == 1
            and self.length % self.kernel_size == 0
        )

    def input_slice(self, offset: int) -> slice:
        """The padded inputs that a kernel element multiplies."""
        start = offset * self.dilation
        stop = start + (self.output_length - 1) * self.stride + 1
        return slice(start, stop, self.stride)

    def overlaps(self, offset: int) -> bool:
        """Whether a kernel element multiplies inputs besides padding."""
        before, _ = self.padding_sizes
        window = self.input_slice(offset)
        return any(
            before <= position < before + self.length
            for position in range(window.start, window.stop, window.step)
        )

    # For the gradient, padded inputs are split into groups of one stride. A
    # kernel element multiplies the inputs of one phase: those at one position
    # within their groups.

    @property
    def num_groups(self) -> int:
        return -(-(self.length + sum(self.padding_sizes)) // self.stride)

    def phase(self, offset: int) -> int:
        return offset * self.dilation % self.stride

    @property
    def output_padding_sizes(self) -> tuple[int, int]:
        """The padding of the outputs so that `output_slice` is inside."""
        before = (self.dilated_size - 1) // self.stride
        return before, max(self.num_groups - self.output_length, 0)

    def output_slice(self, offset: int) -> slice:
        """The padded outputs, one a group, to which a kernel element adds."""
        before, _ = self.output_padding_sizes
        start = before - offset * self.dilation // self.stride
        return slice(start, start + self.num_groups)


def kernel_offsets(axes: Sequence[Axis]) -> Iterator[Offset]:
    """Returns the kernel elements that multiply any inputs."""
    for offset in itertools.product(*(range(it.kernel_size) for it in axes)):
        if all(axis.overlaps(along) for axis, along in zip(axes, offset)):
            yield offset


def pad(axes: Sequence[Axis], inputs: Tensor, value: float = 0) -> Tensor:
    """Pads inputs `[batch, *spatial, channels]` as the axes require."""
    sizes = [(0, 0), *(axis.padding_sizes for axis in axes), (0, 0)]
    return ops.pad(inputs, sizes, constant_values=value)


def window(axes: Sequence[Axis], inputs: Tensor, offset: Offset) -> Tensor:
    """The padded inputs that a kernel element multiplies, for all outputs."""
    slices = (axis.input_slice(along) for axis, along in zip(axes, offset))
    return inputs[(slice(None), *slices)]


def input_gradient(
    axes: Sequence[Axis],
    upstream: Sequence[Tensor],
    contribution: Callable[..., Any],
) -> Tensor:
    """Adds up the gradients at the padded inputs over all kernel elements.

    ```
    gradient[n s + r] =
        sum_{i: i d mod s = r} contribution(i, upstream[n - i d // s])
    ```

    with the stride `s`, the dilation `d` and the phases `r < s`. The gradient
    of `window` itself is a tensor of the inputs' size for each kernel element,
    with gaps where the stride is larger than 1.

    Args:
        axes: Sequence of `Axis`, one for each spatial axis.
        upstream: Sequence of tensors `[batch, *outputs, ...]`.
        contribution: A function of a kernel element's offset and of one tensor
            `[batch, *groups, ...]` for each of `upstream`: the outputs to
            which the element adds. Returns `[batch, *groups, channels]`.

    Returns:
        Tensor `[batch, *padded spatial, channels]`.
    """
    upstream = [
        ops.pad(
            tensor,
            [(0, 0), *(axis.output_padding_sizes for axis in axes)]
            + [(0, 0)] * (len(tensor.shape) - 1 - len(axes)),
        )
        for tensor in upstream
    ]
    phases: dict[Offset, Tensor] = {}
    for offset in kernel_offsets(axes):
        slices = tuple(map(Axis.output_slice, axes, offset))
        shifted = (tensor[(slice(None), *slices)] for tensor in upstream)
        phase = tuple(map(Axis.phase, axes, offset))
        phases[phase] = ops.add(
            phases.get(phase, 0.0), contribution(offset, *shifted)
        )
    return interleave(axes, phases)


def interleave(axes: Sequence[Axis], phases: dict[Offset, Tensor]) -> Tensor:
    """Merges `[batch, *groups, channels]` of all phases into one tensor."""
    zeros = ops.zeros_like(next(iter(phases.values())))
    all_phases = itertools.product(*(range(axis.stride) for axis in axes))
    stacked = ops.stack(
        [phases.get(phase, zeros) for phase in all_phases], axis=1
    )
    groups = [axis.num_groups for axis in axes]
    strides = [axis.stride for axis in axes]
    channels = zeros.shape[-1]
    split = ops.reshape(stacked, (-1, *strides, *groups, channels))
    pairs = ((1 + len(axes) + axis, 1 + axis) for axis in range(len(axes)))
    split = ops.transpose(split, (0, *itertools.chain(*pairs), -1))
    sizes = (group * stride for group, stride in zip(groups, strides))
    merged = ops.reshape(split, (-1, *sizes, channels))
    lengths = (slice(axis.length + sum(axis.padding_sizes)) for axis in axes)
    return merged[(slice(None), *lengths)]
