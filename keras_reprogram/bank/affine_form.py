"""What an input transformation does to a sample, as matrices and a pattern."""

import dataclasses

import numpy as np
from keras import ops

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.input_reprogrammer import InputReprogrammer
from keras_reprogram.typing import FixedShape


@dataclasses.dataclass(frozen=True, eq=False)
class AffineForm:
    """`x' = clip(gain * (A_1 x A_2^T ...) + pattern)`, one matrix an axis.

    A placement that resizes, pads or tiles is a matrix along each spatial
    axis, and a pattern that is the same for all samples is added.

    Args:
        sample_shape: Tuple of integers. Shape of a sample, without the batch
            axis.
        matrices: Tuple of arrays `[canvas size, sample size]`, one for each
            spatial axis.
        gain: Array `[channels]`. Factor of each channel of the canvas.
        pattern: Array of the canvas's shape, in the source's units.
        low: Array `[channels]`. Lowest values, `-inf` for any.
        high: Array `[channels]`. Highest values, `inf` for any.
    """

    sample_shape: FixedShape
    matrices: tuple[np.ndarray, ...]
    gain: np.ndarray
    pattern: np.ndarray
    low: np.ndarray
    high: np.ndarray


def affine_form(reprogrammer: InputReprogrammer) -> AffineForm:
    """Returns the affine form of an `InputReprogrammer` that has one.

    Args:
        reprogrammer: A built `InputReprogrammer`.

    Raises:
        ValueError: If samples may be of any size, or the layer is not of this
            form: if its pattern depends on the sample, for example.
    """
    axes, canvas_shape = reprogrammer.axes, reprogrammer.canvas_shape
    matrices = placement_matrices(reprogrammer)
    added = added_pattern(reprogrammer)
    scaling, channels = reprogrammer.scaling, axes.channels(canvas_shape)
    low, high = reprogrammer.value_range or (0.0, 1.0)
    # A sample of zeros is not zero in the unit range, and the canvas around
    # the sample is.
    zero = placed_ones(matrices, axes) * (-low / (high - low))
    if reprogrammer.normalize_first:
        covered = placed_ones(matrices, axes)
        pattern = scaling.gain * zero + scaling.bias * covered + added
    else:
        pattern = scaling.gain * (zero + added) + scaling.bias
    bounds = (np.full(channels, -np.inf), np.full(channels, np.inf))
    if reprogrammer.clip:
        bounds = scaling.valid_range

    def by_channel(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.ravel(values), channels).astype("float32")

    return AffineForm(
        sample_shape=check_sample_shape(reprogrammer),
        matrices=matrices,
        gain=by_channel(scaling.gain / (high - low)),
        pattern=np.broadcast_to(pattern, (1, *canvas_shape))[0],
        low=by_channel(bounds[0]),
        high=by_channel(bounds[1]),
    )


def check_sample_shape(reprogrammer: InputReprogrammer) -> FixedShape:
    """Returns the shape of samples that are values, all of one size."""
    shape = reprogrammer.settings.sample_shape
    sizes = known_sizes(shape or (None,))
    if sizes is None or reprogrammer.sample_dtype is not None:
        raise ValueError(
            "A bank takes samples of one size: pass `target_shape` to "
            "the `InputReprogrammer`, or serve the program by its own model. "
            f"Received: target_shape={shape}"
        )
    return sizes


def placement_matrices(
    reprogrammer: InputReprogrammer,
) -> tuple[np.ndarray, ...]:
    """Returns the placement's matrix along each spatial axis."""
    shape, axes = check_sample_shape(reprogrammer), reprogrammer.axes
    placement, matrices = reprogrammer.placement, None
    if len(shape) == axes.rank and not (
        overrides(type(placement), "place", "matrices")
        or overrides(type(reprogrammer), "call", "canvas_shape")
        or overrides(type(reprogrammer), "unclipped", "canvas_shape")
    ):
        matrices = placement.matrices(shape, reprogrammer.canvas_shape, axes)
    if matrices is None:
        raise no_affine_form(reprogrammer)
    return matrices


def overrides(cls: type, method: str, companion: str) -> bool:
    """Whether a method is overridden below the class of its companion.

    A subclass that places samples in its own way, and does not say by what
    matrices, has none.
    """
    depths = {
        name: next(
            depth
            for depth, base in enumerate(cls.__mro__)
            if name in vars(base)
        )
        for name in (method, companion)
    }
    return depths[method] < depths[companion]


def added_pattern(reprogrammer: InputReprogrammer) -> np.ndarray:
    """Returns the pattern that is added to every sample in the unit range."""
    canvas_shape = reprogrammer.canvas_shape
    if reprogrammer.pattern is None:
        return np.zeros((), "float32")
    # A pattern that depends on the samples has a canvas for each of them.
    canvases = ops.zeros((2, *canvas_shape), reprogrammer.compute_dtype)
    pattern = reprogrammer.pattern(canvases)
    if len(pattern.shape) > len(canvas_shape) and pattern.shape[0] != 1:
        raise no_affine_form(reprogrammer)
    pattern = reprogrammer.placement.mask_pattern(
        ops.cast(pattern, reprogrammer.compute_dtype),
        reprogrammer.sample_shape,
        canvas_shape,
        reprogrammer.axes,
    )
    array: np.ndarray = ops.convert_to_numpy(ops.cast(pattern, "float32"))
    return array


def placed_ones(matrices: tuple[np.ndarray, ...], axes: Axes) -> np.ndarray:
    """Returns a sample of ones on the canvas, as a batch of one channel."""
    placed = np.ones([1] * (axes.rank + 1), "float32")
    for axis, matrix in zip(axes.spatial, matrices):
        shape = [1] * (axes.rank + 1)
        shape[axis + 1] = len(matrix)
        placed = placed * matrix.sum(axis=1).reshape(shape)
    return placed


def no_affine_form(reprogrammer: InputReprogrammer) -> ValueError:
    return ValueError(
        "The pattern depends on the sample, or its placement is not one "
        "matrix along each axis: serve the program by its own model. "
        f"Received: pattern={reprogrammer.pattern}, "
        f"placement={reprogrammer.placement}"
    )
