import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import FixedTokens
from keras_reprogram.inputs import MaskToken
from keras_reprogram.inputs import SoftPrompt
from keras_reprogram.inputs.tokens.layout import check_layout
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings


def test_a_prompt_starts_as_its_tokens(vocabulary):
    table = ops.convert_to_numpy(vocabulary)
    prompt = SoftPrompt(3, token_ids=[2, 0, 2])
    prompt.build_on(SourceEmbeddings(vocabulary))
    found = ops.convert_to_numpy(prompt.embeddings)
    np.testing.assert_allclose(found, table[[2, 0, 2]])
    drawn = [SoftPrompt(3, seed=seed) for seed in (1, 1, 2)]
    for each in drawn:
        each.build_on(SourceEmbeddings(vocabulary))
    first, again, other = (
        ops.convert_to_numpy(each.embeddings) for each in drawn
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert all((table == row).all(axis=1).any() for row in first)


@pytest.mark.numpy_alone
def test_a_layout_is_made_of_segments_their_lengths_or_their_configs():
    given = [FixedTokens([20]), 3, "sample", MaskToken(4)]
    fixed, prompt, sample, mask = check_layout(given)
    assert isinstance(prompt, SoftPrompt) and prompt.length == 3
    assert (fixed.length, mask.length, mask.token_ids) == (1, 1, [4])
    configs = [
        keras.saving.serialize_keras_object(segment)
        for segment in (fixed, prompt, sample, mask)
    ]
    found = check_layout(configs)
    assert (found[0], found[2], found[3]) == (fixed, sample, mask)
    assert found[1].get_config() == prompt.get_config()
    assert check_layout("sample") == ["sample"]


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "make",
    [
        lambda: check_layout([3]),
        lambda: check_layout(["sample", "sample"]),
        lambda: check_layout(["sample", None]),
        lambda: check_layout(["sample", MaskToken(1), MaskToken(2)]),
        lambda: check_layout(["sample", 0]),
        lambda: MaskToken(-1),
        lambda: MaskToken([1]),
        lambda: FixedTokens(["a"]),
        lambda: SoftPrompt(2, token_ids=[1]),
        lambda: SoftPrompt(2, seed=-1),
    ],
)
def test_what_is_no_segment_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
