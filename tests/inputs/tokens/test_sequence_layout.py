"""Where everything in a sequence stands, against loops in Python."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs.tokens.padding_masks import MASKED
from keras_reprogram.inputs.tokens.padding_masks import masked
from keras_reprogram.inputs.tokens.sequence_layout import SequenceLayout

SAMPLES = np.array(
    [
        [0, 0, 5, 0, 6, 0],  # padding on both sides, a token 0 within
        [1, 2, 3, 4, 5, 6],
        [0, 0, 0, 0, 0, 0],
        [7, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 8],
    ],
    "int32",
)
TEXTS = [[5, 0, 6], [1, 2, 3, 4, 5, 6], [], [7], [8]]
HOLES = np.array([[1, 0, 1, 1, 0, 0]] * 5)


def numpy(value):
    return ops.convert_to_numpy(value)


def texts(sequence_layout, samples):
    """The tokens of every sample, padding left out."""
    samples = ops.convert_to_tensor(samples, "int32")
    mask = sequence_layout.sample_mask(samples)
    tokens = numpy(sequence_layout.tokens(samples, mask))
    lengths = numpy(ops.sum(mask, axis=1))
    return [row[:length].tolist() for row, length in zip(tokens, lengths)]


def test_padding_is_a_run_of_the_padding_token_at_an_end():
    sequence_layout = SequenceLayout([None], [False], 0)
    assert texts(sequence_layout, SAMPLES) == TEXTS
    mask = numpy(sequence_layout.sample_mask(ops.convert_to_tensor(SAMPLES)))
    assert mask[0].tolist() == [0, 0, 1, 1, 1, 0]


def test_without_a_padding_token_everything_is_a_token():
    assert (
        texts(SequenceLayout([None], [False], None), SAMPLES)
        == SAMPLES.tolist()
    )


@pytest.mark.parametrize("padding_token", [0, None])
@pytest.mark.parametrize("to", [np.asarray, ops.convert_to_tensor])
def test_a_mask_says_what_is_padding_whatever_the_tokens_are(padding_token, to):
    samples = masked(to(SAMPLES), to(HOLES))
    assert keras.backend.standardize_dtype(samples.dtype) == "int32"
    assert (numpy(samples) == MASKED).sum() == 15
    found = texts(SequenceLayout([None], [False], padding_token), samples)
    assert found == SAMPLES[:, [0, 2, 3]].tolist()
    # Once more changes nothing.
    again = numpy(masked(samples, to(HOLES)))
    np.testing.assert_array_equal(again, numpy(samples))


@pytest.mark.parametrize(
    "lengths", [[None], [2, None], [None, 1], [1, None, 2, 1]]
)
def test_padding_stands_behind_everything_else(lengths):
    sequence_layout = SequenceLayout(lengths, [False] * len(lengths), 0)
    samples = ops.convert_to_tensor(SAMPLES)
    mask = sequence_layout.sample_mask(samples)
    tokens = sequence_layout.tokens(samples, mask)
    segments, before, behind = [], [], []
    for index, length in enumerate(lengths):
        if length is None:
            segments.append(ops.cast(tokens, "float32")[:, :, None])
            continue
        segment = [100.0 * (index + 1) + step for step in range(length)]
        segments.append(np.tile(np.reshape(segment, (1, -1, 1)), (5, 1, 1)))
        (behind if None in lengths[:index] else before).extend(segment)
    counts = ops.sum(mask, axis=1, keepdims=True)
    sequence, mask = sequence_layout.arrange(
        [ops.cast(segment, "float32") for segment in segments], counts
    )
    sequence, mask = numpy(sequence)[..., 0], numpy(mask)
    for row, steps, text in zip(sequence, mask, TEXTS):
        expected = [*before, *text, *behind] or [0]
        assert row[: steps.sum()].tolist() == expected
        assert (np.diff(steps) <= 0).all()


@pytest.mark.parametrize("lengths", [[None], [2, None], [1, None, 2]])
def test_outputs_are_read_at_the_samples_own_places(lengths):
    sequence_layout = SequenceLayout(lengths, [False] * len(lengths), 0)
    before, total = (
        sequence_layout.before,
        sequence_layout.before + sequence_layout.behind + 6,
    )
    outputs = np.arange(5.0 * total).reshape(5, total, 1).astype("float32")
    read = numpy(sequence_layout.read(ops.convert_to_tensor(outputs), SAMPLES))
    assert read.shape == (5, 6, 1)
    for row, output, text, start in zip(
        read[..., 0], outputs[..., 0], TEXTS, [2, 0, 0, 0, 5]
    ):
        expected = output[before : before + len(text)]
        np.testing.assert_array_equal(row[start : start + len(text)], expected)


@pytest.mark.parametrize(
    "lengths, is_read, places",
    [
        ([1, 2, None], [True, False, False], [0] * 5),
        ([None, 1, 1], [False, False, True], [4, 7, 1, 2, 2]),
    ],
)
def test_one_step_is_read_wherever_padding_has_moved_it(
    lengths, is_read, places
):
    sequence_layout = SequenceLayout(lengths, is_read, 0)
    total = sequence_layout.before + sequence_layout.behind + 6
    outputs = np.arange(5.0 * total).reshape(5, total, 1)
    read = numpy(sequence_layout.read(ops.convert_to_tensor(outputs), SAMPLES))
    np.testing.assert_array_equal(read, outputs[np.arange(5), places])
