"""A kernel that moves over its inputs, place by place."""

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from keras import ops

Place = tuple[int, ...]


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

    @property
    def tiles(self) -> bool:
        """Whether every input is under the kernel once."""
        return (
            self.size == self.stride
            and self.dilation == 1
            and self.length % self.size == 0
        )

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

    # The way back: padded inputs in groups of one stride, and of each group
    # the input, its phase, that is under a place.

    @property
    def groups(self) -> int:
        return -(-(self.length + sum(self.margins)) // self.stride)

    def phase(self, place: int) -> int:
        return place * self.dilation % self.stride

    @property
    def margins_back(self) -> tuple[int, int]:
        before = (self.reach - 1) // self.stride
        return before, max(self.groups - self.outputs, 0)

    def window_back(self, place: int) -> slice:
        """The padded outputs that the groups come to by a place."""
        before, _ = self.margins_back
        start = before - place * self.dilation // self.stride
        return slice(start, start + self.groups)


def places(axes: Sequence[Axis]) -> Iterator[Place]:
    """The places of a kernel that meet any inputs."""
    for place in itertools.product(*(range(axis.size) for axis in axes)):
        if all(axis.meets(along) for axis, along in zip(axes, place)):
            yield place


def padded(axes: Sequence[Axis], inputs: Any, value: float = 0) -> Any:
    """Inputs `[batch, *spatial, channels]` with the margins of the axes."""
    margins = [(0, 0), *(axis.margins for axis in axes), (0, 0)]
    return ops.pad(inputs, margins, constant_values=value)


def under(axes: Sequence[Axis], inputs: Any, place: Place) -> Any:
    """The padded inputs under a place of the kernel, for every output."""
    windows = (axis.window(along) for axis, along in zip(axes, place))
    return inputs[(slice(None), *windows)]


def gradient_at_inputs(
    axes: Sequence[Axis],
    upstream: Sequence[Any],
    share: Callable[..., Any],
) -> Any:
    """Adds up what every place of a kernel brings to its padded inputs.

    ```
    gradient[n s + r] = sum_{i: i d mod s = r} share(i, upstream[n - i d // s])
    ```

    with the stride `s`, the dilation `d` and the phases `r < s`. The gradient
    of `under` itself is a tensor of the inputs' size for every place, with
    gaps where the kernel strides.

    Args:
        axes: One for every spatial axis.
        upstream: Tensors `[batch, *outputs, ...]`.
        share: Of a place, and of the outputs that the inputs come to by it:
            one tensor `[batch, *groups, ...]` for each of `upstream`. Returns
            `[batch, *groups, channels]`.

    Returns:
        Tensor `[batch, *padded spatial, channels]`.
    """
    upstream = [
        ops.pad(
            tensor,
            [(0, 0), *(axis.margins_back for axis in axes)]
            + [(0, 0)] * (len(tensor.shape) - 1 - len(axes)),
        )
        for tensor in upstream
    ]
    phases: dict[Place, Any] = {}
    for place in places(axes):
        along = list(zip(axes, place))
        windows = [axis.window_back(one) for axis, one in along]
        moved = (tensor[(slice(None), *windows)] for tensor in upstream)
        phase = tuple(axis.phase(one) for axis, one in along)
        phases[phase] = ops.add(phases.get(phase, 0.0), share(place, *moved))
    return interleaved(axes, phases)


def interleaved(axes: Sequence[Axis], phases: dict[Place, Any]) -> Any:
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
