import numpy as np
import pytest

from keras_reprogram.inputs.tokens.padding_masks import masked
from keras_reprogram.inputs.tokens.padding_masks import rows_of_tokens

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

HOLES = np.array([[1, 0, 1, 1, 0, 0]] * 5)


def test_a_dictionary_of_a_preprocessor_is_one_tensor():
    inputs = {"token_ids": SAMPLES, "segment_ids": SAMPLES}
    np.testing.assert_array_equal(rows_of_tokens(inputs), SAMPLES)
    inputs["padding_mask"] = HOLES == 1
    np.testing.assert_array_equal(
        rows_of_tokens(inputs), masked(SAMPLES, HOLES)
    )


@pytest.mark.parametrize(
    "token_ids, padding_mask",
    [
        (SAMPLES.astype("float32"), HOLES),
        (SAMPLES, HOLES[:, :3]),
        (SAMPLES, HOLES[0]),
        (SAMPLES, HOLES * 2),
        (SAMPLES, np.where(HOLES, 0.0, -np.inf)),
        (SAMPLES, np.where(HOLES, "yes", "no")),
    ],
)
def test_a_mask_that_does_not_fit_is_a_value_error(token_ids, padding_mask):
    with pytest.raises(ValueError, match="Received: "):
        masked(token_ids, padding_mask)


def test_a_dictionary_without_tokens_is_a_value_error():
    with pytest.raises(ValueError, match="token_ids.*Received: "):
        rows_of_tokens({"input_ids": SAMPLES})


def test_a_token_beyond_the_range_of_int32_stays_beyond_it():
    assert masked(np.array([[2**32 + 5]]), np.ones((1, 1)))[0, 0] > 2**31
    assert masked(np.array([[-1]]), np.ones((1, 1)))[0, 0] == -1


@pytest.mark.numpy_alone
def test_tokens_in_lists_are_those_in_arrays():
    tokens, mask = [[1, 2, 0], [3, 0, 0]], [[1, 1, 0], [1, 1, 0]]
    for samples in (
        {"token_ids": tokens},
        {"token_ids": tokens, "padding_mask": mask},
        {"token_ids": tokens, "padding_mask": np.array(mask)},
    ):
        arrays = {name: np.array(each) for name, each in samples.items()}
        np.testing.assert_array_equal(
            rows_of_tokens(samples), rows_of_tokens(arrays)
        )


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "samples",
    [
        {"token_ids": [[1, 2], [3]]},
        {"token_ids": ["a sentence"], "padding_mask": [[1]]},
        {"token_ids": [[1, 2]], "padding_mask": [[1], [1, 1]]},
        {"tokens": [[1]], 0: [[1]]},
    ],
)
def test_what_are_no_rows_of_tokens_is_a_value_error(samples):
    with pytest.raises(ValueError, match="preprocessor.*Received: "):
        rows_of_tokens(samples)
