"""What is wrong with data, said before anything is computed."""

import warnings

import keras
import numpy as np

from keras_reprogram.dtypes import is_number
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.models.batches import is_array
from keras_reprogram.models.batches import is_reiterable
from keras_reprogram.models.batches import iterate
from keras_reprogram.models.batches import to_numpy
from keras_reprogram.models.batches import unwrap_single
from keras_reprogram.typing import Data


def array_of_samples(
    x: Data, input_transformation: InputTransformation
) -> Data:
    """The samples out of their container, or the data set as it is.

    Raises:
        ValueError: If they are several arrays, or no arrays at all.
    """
    x = unwrap_single(x)
    if isinstance(x, dict):
        return input_transformation.merge(x)
    if isinstance(x, (str, bytes)) or (
        isinstance(x, (list, tuple)) and not holds_batches(x)
    ):
        raise ValueError(
            "`x` must be one array of samples, of shape "
            f"{(None, *input_transformation.sample_shape)}, or a data set of "
            f"batches. {input_transformation.hint(x)}Received: x={described(x)}"
        )
    return x


def holds_batches(x: Data) -> bool:
    """Whether a list holds pairs of samples and labels."""
    return bool(x) and all(
        isinstance(batch, (list, tuple))
        and len(batch) in (2, 3)
        and all(map(is_array, keras.tree.flatten(batch)))
        for batch in x
    )


def described(x: Data) -> str:
    """A short description of what cannot be taken for samples."""
    if isinstance(x, dict):
        return f"a dictionary of {sorted(map(str, x))}"
    if isinstance(x, (list, tuple)):
        kinds = sorted({type(item).__name__ for item in x})
        return f"a {type(x).__name__} of {len(x)} items of type {kinds}"
    return f"a value of type {type(x).__name__}"


def array_of_labels(y: Data) -> Data:
    """The labels out of their container, or `None`.

    Raises:
        ValueError: If they are no array.
    """
    y = unwrap_single(y)
    if y is not None and not is_array(y):
        raise ValueError(
            "`y` must be an array: pass `np.asarray(y)`. Received: "
            f"y={described(y)}"
        )
    return y


def check_samples(x: Data, input_transformation: InputTransformation) -> None:
    """Raises if an array of samples has the wrong shape or holds NaN."""
    if not is_array(x):
        return
    check_form_of_samples(x, input_transformation)
    values = to_numpy(x)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        if input_transformation.missing_values is None:
            raise ValueError(
                "`x` must be finite; an input transformation with an argument "
                "`missing_values` takes NaN for values that are missing. "
                "Received: samples that are not finite, NaN or infinity"
            )
        if np.isinf(values).any():
            raise ValueError(
                "`x` must be finite, or NaN for values that are missing. "
                "Received: samples with infinity"
            )
    input_transformation.check_values(values)


def check_form_of_samples(
    x: Data, input_transformation: InputTransformation
) -> None:
    """Raises if an array of samples has the wrong shape or dtype.

    Reads no values, which may be on a device.
    """
    if not is_array(x):
        return
    if not is_number(x):
        raise ValueError(
            f"`x` must hold numbers. {input_transformation.hint(x)}Received: x "
            f"of dtype {x.dtype}"
        )
    shape = tuple(x.shape)
    if not shape or not shape[0]:
        raise ValueError(
            "`x` must hold at least one sample. Received: no batches, from x "
            f"of shape {shape}"
        )
    sample_shape, shape = input_transformation.sample_shape, shape[1:]
    # Keras adds a channel axis of one by itself, and takes one away.
    if sample_shape[-1:] == (1,) and len(shape) == len(sample_shape) - 1:
        shape = (*shape, 1)
    if shape[-1:] == (1,) and len(shape) == len(sample_shape) + 1:
        shape = shape[:-1]
    if len(shape) == len(sample_shape):
        input_transformation.check_sample_shape(shape)
    if len(shape) != len(sample_shape) or any(
        size not in (None, found) for found, size in zip(shape, sample_shape)
    ):
        raise ValueError(
            "`x` must hold samples of the "
            f"`{type(input_transformation).__name__}`'s target_shape "
            f"{sample_shape}. Received: samples of shape {tuple(x.shape[1:])}"
        )


def check_outputs(
    outputs: np.ndarray,
    x: Data,
    input_transformation: InputTransformation,
    steps: int | None = None,
) -> None:
    """Raises if samples are what outputs are not numbers from, else warns.

    Args:
        outputs: What was predicted.
        x: The samples, or the data set that they came from.
        input_transformation: The layer that takes them.
        steps: Number of batches that were predicted, or `None` for all.
    """
    wrong = ~np.isfinite(outputs)
    if not wrong.any():
        return
    if not is_array(x) and not is_reiterable(x):
        raise ValueError(
            f"Samples must be {input_transformation.valid_values}, and the "
            "source must return finite numbers. Received: "
            f"{described_outputs(wrong)}"
        )
    if not is_array(x):  # Arrays were looked at before.
        for samples, _, _ in iterate(x, longest=steps):
            check_samples(
                array_of_samples(samples, input_transformation),
                input_transformation,
            )
    # The logarithm of a probability of zero is minus infinity.
    wrong &= outputs != -np.inf
    if wrong.any():
        warnings.warn(
            "The samples are valid, and the source, or a weight of the "
            "program, makes outputs of them that are not finite: scale the "
            "samples, or compute in bfloat16 or float32 instead of float16. "
            f"Received: {described_outputs(wrong)}",
            stacklevel=3,
        )


def described_outputs(wrong: np.ndarray) -> str:
    """Returns which of all samples have outputs that are wrong."""
    rows = wrong.any(axis=tuple(range(1, wrong.ndim)))
    return (
        f"{np.count_nonzero(rows)} outputs of {len(wrong)} that are not "
        f"finite, the first of sample {rows.argmax()}"
    )


def check_lengths(x: Data, y: Data, sample_weight: Data = None) -> None:
    """Raises unless there is one label, and one weight, for each sample."""
    if is_array(x) and is_array(y) and len(x) != len(y):
        raise ValueError(
            "`x` and `y` must have as many samples as each other. Received: "
            f"{len(x)} samples and {len(y)} labels"
        )
    weights = unwrap_single(sample_weight)
    if weights is not None and not is_array(x):
        raise ValueError(
            "A data set brings its weights itself, as batches `(x, y, "
            "sample_weight)`. Received: `sample_weight` beside a data set"
        )
    if weights is not None and not is_array(weights):
        raise ValueError(
            "`sample_weight` must be an array: pass "
            "`np.asarray(sample_weight)`. Received: sample_weight="
            f"{described(weights)}"
        )
    if weights is not None:
        values = to_numpy(weights)
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise ValueError(
                "`sample_weight` must hold finite numbers. Received: weights "
                f"of dtype {values.dtype}, or NaN or infinity among them"
            )
    if is_array(x) and is_array(weights) and len(x) != len(weights):
        raise ValueError(
            "`x` and `sample_weight` must have as many samples as each other. "
            f"Received: {len(x)} samples and {len(weights)} weights"
        )
