"""What an input transformation does to a sample, as matrices and a pattern."""

import dataclasses

import numpy as np
from keras import ops

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.input_reprogrammer import InputReprogrammer

TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class AffineForm:
    """`x' = clip(gain * (A_1 x A_2^T ...) + pattern)`, one matrix an axis.

    A placement that resizes, pads or tiles is a matrix along each spatial
    axis, and a pattern that is the same for all samples is added.

    Attributes:
        sample_shape: Shape of a sample, without the batch axis.
        operators: A matrix `[canvas size, sample size]` for each spatial axis.
        gain: A factor for each channel of the canvas.
        pattern: An array of the canvas's shape, in the source's units.
        low: Lowest value of each channel, `-inf` for any.
        high: Highest value of each channel, `inf` for any.
    """

    sample_shape: tuple[int, ...]
    operators: tuple[np.ndarray, ...]
    gain: np.ndarray
    pattern: np.ndarray
    low: np.ndarray
    high: np.ndarray


def affine_form(reprogrammer: InputReprogrammer) -> AffineForm:
    """Finds the form of an `InputReprogrammer` that has one.

    Raises:
        ValueError: If samples may be of any size, or what becomes of one is
            not of this form: a pattern that depends on the sample, say.
    """
    shape, axes = reprogrammer.sample_shape, reprogrammer.axes
    if None in shape or reprogrammer.sample_dtype is not None:
        raise ValueError(
            "Only an `InputReprogrammer` of samples of one size has matrices: "
            f"pass it `target_shape`. Received: target_shape={shape}"
        )
    if len(shape) != axes.rank:
        raise no_form(reprogrammer)
    operators = separated(reprogrammer, axes)
    gain = np.broadcast_to(
        np.ravel(reprogrammer.scaling.gain),
        axes.channels(reprogrammer.canvas_shape),
    )
    low, high = reprogrammer.value_range or (0.0, 1.0)
    zero = np.zeros((1, *shape), "float32")
    bounds = np.full((2, len(gain)), ((-np.inf,), (np.inf,)), "float32")
    if reprogrammer.clip:
        bounds = np.broadcast_to(
            np.reshape(reprogrammer.scaling.valid_range, (2, -1)), bounds.shape
        )
    form = AffineForm(
        sample_shape=shape,
        operators=operators,
        gain=(gain / (high - low)).astype("float32"),
        pattern=ops.convert_to_numpy(reprogrammer.unclipped(zero))[0],
        low=bounds[0],
        high=bounds[1],
    )
    check(form, reprogrammer, axes)
    return form


def separated(
    reprogrammer: InputReprogrammer, axes: Axes
) -> tuple[np.ndarray, ...]:
    """The placement's matrix along each axis, from what it does to lines."""
    sizes = axes.spatial_shape(reprogrammer.sample_shape)
    canvas_sizes = axes.spatial_shape(reprogrammer.canvas_shape)

    def placed(samples: np.ndarray) -> np.ndarray:
        """Places gray samples `[n, *sizes]`."""
        shape = axes.with_spatial((1,) * axes.rank, sizes)
        canvas = reprogrammer.placement.place(
            samples.reshape(-1, *shape).astype("float32"),
            reprogrammer.canvas_shape,
            axes,
        )
        return ops.convert_to_numpy(canvas).reshape(-1, *canvas_sizes)

    whole = placed(np.ones((1, *sizes)))[0]
    anchor = np.unravel_index(np.abs(whole).argmax(), whole.shape)
    operators = []
    for axis, size in enumerate(sizes):
        line = np.eye(size).reshape(
            size, *(size if axis == other else 1 for other in range(len(sizes)))
        )
        index: list = list(anchor)
        index[axis] = slice(None)
        lines = placed(np.broadcast_to(line, (size, *sizes)))
        operator = lines[(slice(None), *index)].T
        # A line shows its own matrix times the others' sums at the anchor.
        operators.append(operator if axis == 0 else operator / whole[anchor])
    return tuple(operators)


def applied(form: AffineForm, samples: np.ndarray, axes: Axes) -> np.ndarray:
    """The form of samples, for comparison."""
    for axis, operator in zip(axes.spatial, form.operators):
        samples = np.moveaxis(
            np.tensordot(samples, operator, (axis + 1, 1)), -1, axis + 1
        )
    canvas = samples * axes.along_channels(form.gain) + form.pattern
    return np.clip(
        canvas, axes.along_channels(form.low), axes.along_channels(form.high)
    )


def check(
    form: AffineForm, reprogrammer: InputReprogrammer, axes: Axes
) -> None:
    low, high = reprogrammer.value_range or (0.0, 1.0)
    generator = np.random.default_rng(0)
    samples = generator.uniform(low, high, (2, *form.sample_shape))
    samples = samples.astype("float32")
    wanted = ops.convert_to_numpy(reprogrammer(samples))
    found = applied(form, samples, axes)
    scale = max(1.0, float(np.abs(wanted).max()))
    if not np.allclose(found, wanted, atol=TOLERANCE * scale):
        raise no_form(reprogrammer)


def no_form(reprogrammer: InputReprogrammer) -> ValueError:
    return ValueError(
        "The pattern depends on the sample, or its placement is no matrix "
        "along each axis: it must be served by its own model. Received: "
        f"pattern={reprogrammer.pattern}, placement={reprogrammer.placement}"
    )
