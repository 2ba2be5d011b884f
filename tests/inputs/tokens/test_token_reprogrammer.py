import warnings

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops
from texts import SIZES
from texts import accuracy
from texts import bert
from texts import model_of
from texts import sentences
from texts import sharpened
from texts import trained

from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import FixedTokens
from keras_reprogram.inputs import FreeEmbeddings
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import MaskToken
from keras_reprogram.inputs import SoftPrompt
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.inputs.tokens.padding_masks import masked
from keras_reprogram.outputs import IterativeMapping
from keras_reprogram.sources import TextSource

MAPPINGS = {
    "free": lambda: FreeEmbeddings(8),
    "remapping": lambda: TokenRemapping(8, candidates=20),
    "context": lambda: TokenRemapping(8, candidates=20, context=3),
    "dense": lambda: DenseCombination(8, candidates=20),
    "sparse": lambda: SparseCombination(8, nonzeros=4),
    "source": SourceTokens,
}
WARP = [FixedTokens([20]), 3, "sample", MaskToken(21), FixedTokens([22])]


def numpy(value):
    return ops.convert_to_numpy(value)


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_token_mapping_learns_and_survives_its_files(name, tmp_path):
    layout = WARP if name == "source" else ["sample"]
    pooling = "sequence" if name == "source" else "mean"
    model = trained(model_of(MAPPINGS[name](), layout, pooling), epochs=10)
    # An untrained source says little at one step.
    assert accuracy(model) >= (0.75 if name == "source" else 0.9)
    tokens, _ = sentences()
    predictions = model.predict(tokens, verbose=0)

    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.predict(tokens, verbose=0), predictions)
    assert len(copy.trainable_weights) == len(model.trainable_weights)

    model.save_program(tmp_path / "model.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "model.program", TextSource(bert(), pooling)
    )
    np.testing.assert_array_equal(copy.predict(tokens, verbose=0), predictions)


@pytest.mark.parametrize("name", ["sparse", "remapping", "source"])
def test_a_token_mapping_works_before_a_bfloat16_source(name):
    source = TextSource(bert("bfloat16"), "mean")
    model = trained(model_of(MAPPINGS[name](), [2, "sample"], source=source), 1)
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert np.isfinite(model.predict(sentences()[0], verbose=0)).all()


def test_a_soft_prompt_is_trained_and_the_source_is_not():
    source = TextSource(bert(), "mean")
    before = [numpy(weight.value) for weight in source.weights]
    model = model_of(SourceTokens(), [4, "sample"], source=source)
    assert [weight.shape for weight in model.trainable_weights] == [
        (4, 16),
        (16, 2),
        (2,),
    ]
    prompt = numpy(model.trainable_weights[0].value)
    trained(model, 1)
    assert (numpy(model.trainable_weights[0].value) != prompt).any()
    for weight, old in zip(source.weights, before):
        np.testing.assert_array_equal(numpy(weight.value), old)


def test_prompts_before_a_causal_model_learn():
    keras.utils.set_random_seed(1)
    source = TextSource(
        sharpened(keras_hub.models.GPT2Backbone(**SIZES)), "last"
    )
    model = model_of(
        SourceTokens(), [FixedTokens([9]), 4, "sample"], "last", source
    )
    assert accuracy(trained(model)) >= 0.75


def test_padding_moves_behind_everything_else():
    model = model_of(SourceTokens(), WARP, "sequence")
    end = model.input_reprogrammer
    tokens = np.array([[4, 5, 6], [7, 0, 0]], "int32")
    made = end(tokens)
    rows = numpy(end.source_embeddings.rows())
    prompt = numpy(end.prompts[0].embeddings.value)
    np.testing.assert_array_equal(
        numpy(made["padding_mask"]), [[1] * 9, [1] * 7 + [0] * 2]
    )
    for row, sample in zip(numpy(made["embeddings"]), ([4, 5, 6], [7])):
        expected = np.concatenate([rows[[20]], prompt, rows[[*sample, 21, 22]]])
        np.testing.assert_array_equal(row[: len(expected)], expected)


def test_a_masked_model_is_read_at_its_mask_token():
    model = model_of(SourceTokens(), WARP, "sequence")
    tokens = np.array([[4, 5, 6], [7, 0, 0]], "int32")
    hidden = model.frozen_source(model.input_reprogrammer(tokens))
    expected = numpy(hidden)[[0, 1], [7, 5]]
    np.testing.assert_allclose(
        model.predict_source(tokens), expected, rtol=1e-4, atol=1e-5
    )


def test_outputs_at_every_step_are_those_of_the_sample():
    layout = [2, "sample", FixedTokens([22])]
    model = model_of(FreeEmbeddings(8), layout, "sequence")
    tokens = np.array([[4, 5, 6], [7, 0, 0]], "int32")
    hidden = numpy(model.frozen_source(model.input_reprogrammer(tokens)))
    aligned = model.predict_source(tokens)
    np.testing.assert_allclose(aligned[0], hidden[0, 2:5], atol=1e-5)
    np.testing.assert_allclose(aligned[1, 0], hidden[1, 2], atol=1e-5)
    assert model.output_shape == (None, None, 2)


def test_padding_does_not_change_a_prediction():
    model = trained(model_of(FreeEmbeddings(8), WARP, "sequence"), 1)
    short = np.array([[4, 5, 6]], "int32")
    long = np.array([[4, 5, 6, 0, 0, 0]], "int32")
    np.testing.assert_allclose(
        model.predict(short, verbose=0),
        model.predict(long, verbose=0),
        atol=1e-4,
    )


BACKBONES = {
    "BertBackbone": SIZES,
    "RobertaBackbone": SIZES,
    "GPT2Backbone": SIZES,
    "LlamaBackbone": dict(
        vocabulary_size=30,
        num_layers=1,
        num_query_heads=2,
        num_key_value_heads=1,
        hidden_dim=16,
        intermediate_dim=32,
    ),
}


def answers(model, samples):
    """The source's outputs."""
    if isinstance(samples, dict):
        samples = masked(samples["token_ids"], samples["padding_mask"])
    return model.source_model.predict_on_batch(samples)


@pytest.mark.parametrize(
    "name, pooling, layout",
    [
        ("BertBackbone", "sequence", WARP),
        ("RobertaBackbone", "sequence", ["sample"]),
        ("GPT2Backbone", "last", [3, "sample"]),
        ("LlamaBackbone", "mean", ["sample"]),
        ("LlamaBackbone", "sequence", [3, "sample", 2]),
    ],
)
def test_a_text_has_one_answer_wherever_its_padding_is(name, pooling, layout):
    keras.utils.set_random_seed(1)
    backbone = getattr(keras_hub.models, name)(**BACKBONES[name])
    source = TextSource(sharpened(backbone), pooling)
    model = model_of(SourceTokens(), layout, source=source)
    padding = 1 if name == "RobertaBackbone" else 0
    end = model.input_reprogrammer
    assert end.padding_token == "auto"
    assert end.resolved_padding_token == padding
    # Tokens 0 and 1 are padding at an end alone.
    text = np.array([[5, 0, 7, 1, 4]], "int32")
    alone = answers(model, text)
    rows, starts = [], [7, 0, 3, 2]
    for start in starts:
        sides = ((0, 0), (start, 7 - start))
        rows.append(np.pad(text, sides, constant_values=padding))
    # The last one by its mask, the padding being any token.
    mask = np.pad(np.ones_like(text), sides)
    rows[-1] = masked(np.where(mask, rows[-1], 9), mask)
    rows.append(np.full((1, 12), padding))
    rows.append(np.arange(2, 14)[None])
    found = answers(model, np.concatenate(rows))
    assert np.isfinite(found).all()
    for start, answer in zip(starts, found):
        if found.ndim == 3:
            answer = answer[start : start + 5]
        np.testing.assert_allclose(answer, alone[0], rtol=1e-4, atol=1e-5)


def test_a_mask_may_have_holes_and_padding_tokens_at_the_ends():
    model = model_of(SourceTokens(), [2, "sample"], "sequence")
    text = np.array([[0, 5, 6, 0]], "int32")
    alone = answers(model, {"token_ids": text, "padding_mask": text >= 0})
    holes = np.array([[0, 9, 5, 6, 8, 8, 0]], "int32")
    mask = np.array([[1, 0, 1, 1, 0, 0, 1]])
    inputs = {"token_ids": holes, "padding_mask": mask, "segment_ids": mask}
    found = answers(model, inputs)[:, [0, 2, 3, 6]]
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError):  # without a mask there is less text
        np.testing.assert_allclose(answers(model, text), alone, atol=1e-2)


def test_a_dictionary_is_an_input_of_a_functional_model():
    end = model_of(SourceTokens(), [2, "sample"]).input_reprogrammer
    inputs = {
        name: keras.Input((None,), name=name, dtype="int32")
        for name in ("token_ids", "padding_mask")
    }
    model = keras.Model(inputs, end(inputs))
    tokens = np.array([[4, 5, 6], [7, 8, 8]], "int32")
    mask = np.array([[1, 1, 1], [1, 0, 0]], "int32")
    made = model({"token_ids": tokens, "padding_mask": mask})
    expected = end(np.array([[4, 5, 6], [7, 0, 0]], "int32"))
    for key, value in expected.items():
        np.testing.assert_array_equal(numpy(made[key]), numpy(value))


def test_a_masked_step_is_never_looked_up():
    end = model_of(FreeEmbeddings(8)).input_reprogrammer
    samples = masked(np.full((1, 4), 7), np.array([[1, 0, 1, 0]]))
    end.check_values(samples)
    made = numpy(end(samples)["embeddings"])[0]
    rows = numpy(end.mapping.embeddings.value)
    np.testing.assert_array_equal(made, rows[[7, 7, 0, 0]])


def test_context_ends_where_the_text_does():
    model = model_of(TokenRemapping(8, candidates=20, context=3, seed=3))
    end = model.input_reprogrammer
    theta = np.random.default_rng(0).normal(size=end.mapping.theta.shape)
    end.mapping.theta.assign(theta)
    alone = numpy(end(np.array([[4, 5, 6]], "int32"))["embeddings"])[0]
    for row in ([4, 5, 6, 0, 0], [0, 0, 4, 5, 6], [0, 4, 5, 6, 0]):
        made = numpy(end(np.array([row], "int32"))["embeddings"])[0]
        np.testing.assert_array_equal(made[:3], alone)


def test_nothing_but_padding_is_a_text_of_one_step():
    model = model_of(SourceTokens())
    short, long = (answers(model, np.zeros((1, n), "int32")) for n in (1, 5))
    assert np.isfinite(short).all()
    np.testing.assert_allclose(long, short, atol=1e-5)


def roberta():
    return keras_hub.models.RobertaBackbone(**SIZES)


def test_the_padding_token_is_the_sources_own_and_kept():
    end = TokenReprogrammer(SourceTokens())
    assert end.get_config()["padding_token"] == "auto"
    assert end.resolved_config()["padding_token"] == "auto"
    ReprogrammedModel(TextSource(roberta()), end, LabelMapper(2))
    assert end.resolved_padding_token == 1
    assert end.get_config()["padding_token"] == "auto"
    copy = TokenReprogrammer.from_config(end.resolved_config())
    assert copy.padding_token == 1
    assert copy.get_config() == end.resolved_config()
    # A target vocabulary is padded with 0, whatever the source.
    end = TokenReprogrammer(FreeEmbeddings(8))
    ReprogrammedModel(TextSource(roberta()), end, LabelMapper(2))
    assert end.resolved_padding_token == 0
    # What is said is kept.
    for token in (0, 5, None):
        end = TokenReprogrammer(SourceTokens(), padding_token=token)
        ReprogrammedModel(TextSource(roberta()), end, LabelMapper(2))
        for config in (end.get_config(), end.resolved_config()):
            assert TokenReprogrammer.from_config(config).padding_token is token


def classifier_with_tokenizer():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "word"]
    tokenizer = keras_hub.models.BertTokenizer(words)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(
        tokenizer, sequence_length=6
    )
    return keras_hub.models.BertTextClassifier(
        bert(), num_classes=2, preprocessor=preprocessor
    )


def test_a_preprocessor_gives_what_is_reprogrammed():
    task = classifier_with_tokenizer()
    inputs = task.preprocessor(["a word", "word"])
    model = model_of(SourceTokens(), source=TextSource(task, "mean"))
    found = answers(model, inputs)
    tokens = np.array([[2, 5, 6, 3], [2, 6, 3, 0]], "int32")
    np.testing.assert_allclose(answers(model, tokens), found, atol=1e-5)


def test_texts_without_their_start_are_warned_of_once():
    source = TextSource(classifier_with_tokenizer(), "mean")
    end = model_of(SourceTokens(), source=source).input_reprogrammer
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        end.check_values(np.array([[5, 6, 3], [0, 2, 5]]))  # one begins so
        end.check_values(np.zeros((2, 3), "int32"))  # no text
    with pytest.warns(UserWarning, match=r"start token 2 .*Packer.*\[2\]"):
        end.check_values(np.array([[5, 6, 0], [0, 6, 5]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        end.check_values(np.array([[5, 6, 0], [0, 6, 5]]))
        for tokens, layout in [
            (SourceTokens(), [FixedTokens([2]), "sample"]),
            (FreeEmbeddings(8), ["sample"]),
        ]:
            end = model_of(tokens, layout, source=source).input_reprogrammer
            end.check_values(np.array([[5, 6, 0], [0, 6, 5]]))


@pytest.mark.parametrize(
    "samples", [np.array([["a word"]]), np.ones((2, 3)), np.ones((2, 3), bool)]
)
def test_samples_that_are_not_tokenized_hear_how_they_are(samples):
    end = model_of(SourceTokens()).input_reprogrammer
    with pytest.raises(ValueError, match="Preprocessor.*Packer.*Received: "):
        end.check_values(samples)


@pytest.mark.parametrize(
    "samples", [["a word", "word"], [[2, 5, 6, 3], [2, 6, 3]]]
)
def test_lists_that_are_not_tokenized_hear_how_they_are(samples):
    with pytest.raises(ValueError, match="Preprocessor.*Packer.*Received: "):
        model_of(SourceTokens()).predict(samples)


def test_a_model_takes_what_a_preprocessor_returns():
    model = model_of(SourceTokens(), [2, "sample"])
    tokens = np.array([[2, 5, 6, 3], [2, 6, 3, 9]], "int32")
    mask = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])
    inputs = {"token_ids": tokens, "padding_mask": mask}
    np.testing.assert_allclose(
        model.predict_source(inputs),
        answers(model, np.where(mask, tokens, 0)),
        atol=1e-5,
    )


def test_samples_of_no_steps_are_a_value_error():
    end = model_of(SourceTokens()).input_reprogrammer
    with pytest.raises(ValueError, match="one step.*Received: "):
        end.check_values(np.zeros((2, 0), "int32"))


def test_fixed_tokens_are_looked_up_before_they_are_cast(monkeypatch):
    source = TextSource(bert("bfloat16"), "mean")
    layout = [FixedTokens([9]), 2, "sample"]
    end = model_of(SourceTokens(), layout, source=source).input_reprogrammer
    cast, sizes = ops.cast, []

    def counted(value, dtype):
        sizes.append(int(np.prod(value.shape)))
        return cast(value, dtype)

    monkeypatch.setattr(ops, "cast", counted)
    end(np.array([[4, 5, 6]], "int32"))
    assert max(sizes) <= 3 * 16  # three steps, not the 30 words


def test_every_step_of_a_sequence_is_infilled(tmp_path):
    """A target's tokens in, a target's tokens out (ReprogBERT)."""
    source = TextSource(bert(), "sequence")
    model = ReprogrammedModel(
        source,
        TokenReprogrammer(DenseCombination(8, candidates=20), 9),
        LabelMapper(8),
    )
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=-1
        ),
    )
    generator = np.random.default_rng(0)
    # A period of two tokens, one of which is masked by the token 7.
    pairs = np.array([[1, 2], [3, 4]])[np.arange(40) % 2]
    whole = np.tile(pairs, (1, 5))[:, :9].astype("int32")
    hidden = np.arange(9) == generator.integers(0, 9, size=(40, 1))
    tokens, labels = np.where(hidden, 7, whole), np.where(hidden, whole, -1)
    model.fit(tokens, labels, batch_size=10, epochs=12, verbose=0)
    predictions = model.predict(tokens, verbose=0).argmax(axis=-1)
    assert (predictions == whole)[hidden].mean() >= 0.9
    model.save_program(tmp_path / "infilling.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "infilling.program", source
    )
    np.testing.assert_array_equal(
        copy.predict(tokens, verbose=0).argmax(axis=-1), predictions
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: TokenReprogrammer("source"),
        lambda: TokenReprogrammer(SourceTokens(), layout=[3]),
        lambda: TokenReprogrammer(SourceTokens(), layout=["sample", "prompt"]),
        lambda: TokenReprogrammer(
            SourceTokens(), layout=[MaskToken(1), "sample", MaskToken(2)]
        ),
        lambda: TokenReprogrammer(SourceTokens(), layout=[0, "sample"]),
        lambda: TokenReprogrammer(SourceTokens(), padding_token="0"),
        lambda: TokenReprogrammer(SourceTokens(), padding_token=-1),
        lambda: TokenReprogrammer(FreeEmbeddings(8), padding_token=8),
        lambda: ReprogrammedModel(
            TextSource(bert()),
            TokenReprogrammer(SourceTokens(), padding_token=30),
        ),
        lambda: TokenReprogrammer(SourceTokens(), target_length=-1),
        lambda: FixedTokens([]),
        lambda: MaskToken([1, 2]),
        lambda: SoftPrompt(3, token_ids=[1, 2]),
        lambda: model_of(SourceTokens(), [FixedTokens([99]), "sample"]),
        lambda: ReprogrammedModel(
            TextSource(bert()), TokenReprogrammer(SourceTokens(), 25)
        ),
        lambda: model_of(SourceTokens(), [25, "sample"]),
        lambda: ReprogrammedModel(
            TextSource(bert()), InputReprogrammer((9,), (9,))
        ),
        lambda: ReprogrammedModel(
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]),
            TokenReprogrammer(SourceTokens()),
        ),
    ],
)
def test_what_does_not_fit_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.mark.parametrize(
    "tokens",
    [
        np.full((4, 3), 8, "int32"),
        np.full((4, 3), -1, "int32"),
        np.full((4, 25), 1, "int32"),
        np.full((4, 3), 1.5, "float32"),
    ],
)
def test_samples_that_are_no_tokens_are_value_errors(tokens):
    model = trained(model_of(FreeEmbeddings(8)), 1)
    with pytest.raises(ValueError, match="Received: "):
        model.predict(tokens, verbose=0)


def test_an_iterative_map_of_text_gathers_its_statistics():
    source = TextSource(bert(), "mean")
    model = ReprogrammedModel(
        source,
        TokenReprogrammer(FreeEmbeddings(8)),
        LabelMapper(2, IterativeMapping()),
    )
    assert accuracy(trained(model)) >= 0.9


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "make",
    [
        SourceTokens,
        lambda: FreeEmbeddings(8),
        lambda: DenseCombination(8, 4),
        lambda: SparseCombination(8),
        lambda: TokenRemapping(8, 4),
    ],
)
def test_a_mapping_and_a_prompt_belong_to_one_layer(make):
    source, mapping, prompt = TextSource(bert()), make(), SoftPrompt(2)
    model = model_of(mapping, [prompt, "sample"], source=source)
    count = len(model.trainable_variables)
    for layout in (["sample"], ["sample", prompt]):
        used = mapping if layout == ["sample"] else make()
        with pytest.raises(ValueError, match="one place.*new one"):
            model_of(used, layout, source=source)
    with pytest.raises(ValueError, match="one place.*new one"):
        twice = SoftPrompt(2)
        model_of(make(), [twice, "sample", twice], source=source)
    assert len(model.trainable_variables) == count
