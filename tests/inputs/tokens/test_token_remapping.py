import numpy as np
import pytest
from keras import ops
from texts import built

from keras_reprogram.inputs import TokenRemapping

TOKENS = np.array([[1, 2, 3], [4, 0, 0]], "int32")


def numpy(value):
    return ops.convert_to_numpy(value)


def test_a_context_decides_by_its_neighbors(vocabulary):
    mapping = built(TokenRemapping(5, candidates=4, context=3), vocabulary)
    theta = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    mapping.theta.assign(theta)
    padded = np.pad(TOKENS, ((0, 0), (1, 1)), mode="edge")
    logits = sum(theta[j][padded[:, j : j + 3]] for j in range(3))
    chosen = mapping.chosen[logits.argmax(axis=-1)]
    np.testing.assert_array_equal(
        numpy(mapping(TOKENS)), numpy(vocabulary.value)[chosen]
    )


def test_at_the_ends_of_a_text_its_own_tokens_stand_in(vocabulary):
    mapping = built(TokenRemapping(5, candidates=4, context=3), vocabulary)
    theta = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    mapping.theta.assign(theta)
    tokens = np.array([[1, 2, 3], [4, 2, 0]], "int32")
    found = numpy(mapping(tokens, lengths=np.array([[3], [2]], "int32")))
    for row, text in zip(found, ([1, 2, 3], [4, 2])):
        alone = numpy(mapping(np.array([text], "int32")))[0]
        np.testing.assert_array_equal(row[: len(text)], alone)


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_a_remapping_starts_near_zero_whatever_its_seed(vocabulary, seed):
    start, other = (
        numpy(
            built(
                TokenRemapping(30, candidates=20, seed=seed), vocabulary
            ).theta.value
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(start, other)
    assert abs(start.mean()) < 0.02
    assert 0.08 < start.std() < 0.12


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_a_token_is_drawn_as_often_in_a_low_precision(vocabulary, dtype):
    """Noise of float16 has 1,024 values: one in each thousand is infinite."""
    mapping = built(TokenRemapping(4000, [3, 9], dtype=dtype), vocabulary)
    theta = np.zeros((1, 4000, 2), "float32")
    theta[..., 1] = np.log(99.0)
    mapping.theta.assign(theta)
    tokens = np.arange(4000, dtype="int32")[None]
    drawn = numpy(ops.cast(mapping(tokens, training=True), "float32"))[0]
    distances = np.abs(drawn - numpy(vocabulary.value)[3]).max(axis=-1)
    assert 20 <= (distances < 0.02).sum() <= 64  # of 4000, 40 +- 6.3
    # A difference that a low precision does not see.
    theta[..., 0], theta[..., 1] = 8.0, 8.001
    mapping.theta.assign(theta)
    chosen = numpy(ops.cast(mapping(tokens[:, :1]), "float32"))[0, 0]
    np.testing.assert_allclose(chosen, numpy(vocabulary.value)[9], atol=0.02)


def test_training_draws_source_tokens_by_their_softmax(vocabulary):
    mapping = built(TokenRemapping(5, candidates=[3, 9]), vocabulary)
    theta = np.zeros((1, 5, 2), "float32")
    theta[..., 1] = np.log(3.0)  # token 9 three times as often as token 3
    mapping.theta.assign(theta)
    rows = numpy(vocabulary.value)
    drawn = [
        np.isclose(numpy(mapping(TOKENS, training=True))[0, 0], rows[9]).all()
        for _ in range(200)
    ]
    assert 0.62 < np.mean(drawn) < 0.88
    outputs = [numpy(mapping(TOKENS)) for _ in range(2)]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TokenRemapping(5, context=2),
        lambda: TokenRemapping(5, temperature=0),
        lambda: TokenRemapping(5, candidates=["a"]),
    ],
)
def test_settings_that_make_no_sense_are_value_errors(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
