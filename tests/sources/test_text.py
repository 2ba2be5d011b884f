import gc

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources import TextSource
from keras_reprogram.sources import inspect_source

models = keras_hub.models
ENCODER = dict(
    vocabulary_size=20,
    num_layers=1,
    num_heads=2,
    hidden_dim=8,
    intermediate_dim=16,
    max_sequence_length=12,
)
DECODER = dict(
    vocabulary_size=20,
    num_layers=1,
    num_query_heads=2,
    num_key_value_heads=1,
    hidden_dim=8,
    intermediate_dim=16,
)
BACKBONES = {
    "BertBackbone": ENCODER,
    "RobertaBackbone": ENCODER,
    "DistilBertBackbone": ENCODER,
    "AlbertBackbone": dict(ENCODER, embedding_dim=4),
    "DebertaV3Backbone": dict(ENCODER, bucket_size=8),
    "FNetBackbone": {k: v for k, v in ENCODER.items() if k != "num_heads"},
    "ESMBackbone": ENCODER,
    "RoformerV2Backbone": {
        "head_size": 4,
        **{k: v for k, v in ENCODER.items() if k != "max_sequence_length"},
    },
    "GPT2Backbone": ENCODER,
    "OPTBackbone": ENCODER,
    "LlamaBackbone": DECODER,
    "Qwen3Backbone": dict(DECODER, head_dim=4),
    "GemmaBackbone": dict(DECODER, head_dim=4),
    "Gemma4Backbone": dict(DECODER, head_dim=4, image_size=16),
}
REFUSED = {
    "T5Backbone": ENCODER,
    "BartBackbone": ENCODER,
    "XLNetBackbone": ENCODER,
    "WhisperBackbone": ENCODER,
    "PaliGemmaBackbone": dict(
        DECODER,
        head_dim=4,
        image_size=16,
        vit_patch_size=8,
        vit_num_heads=2,
        vit_hidden_dim=8,
        vit_num_layers=1,
        vit_intermediate_dim=16,
    ),
}
TOKENS = np.array([[3, 4, 5, 6, 7], [8, 9, 2, 0, 0], [1, 2, 0, 0, 0]], "int32")
MASK = (TOKENS > 0).astype("int32")


def backbone(name):
    keras.utils.set_random_seed(0)
    return getattr(models, name)(**BACKBONES[name])


def whole(model):
    """What the model itself returns for the tokens."""
    inputs = {
        "token_ids": TOKENS,
        "padding_mask": MASK,
        "segment_ids": np.zeros_like(TOKENS),
        "position_ids": np.tile(np.arange(5, dtype="int32"), (3, 1)),
    }
    outputs = model({name: inputs[name] for name in model.input})
    outputs = {"out": outputs} if not isinstance(outputs, dict) else outputs
    return {
        name: ops.convert_to_numpy(value) for name, value in outputs.items()
    }


def embedded(source, mask=MASK):
    table = ops.convert_to_numpy(source.token_embeddings.value)
    return {"embeddings": table[TOKENS], "padding_mask": mask}


def outputs(source):
    return ops.convert_to_numpy(source(embedded(source), training=False))


@pytest.mark.parametrize("name", BACKBONES)
def test_the_embeddings_of_tokens_give_what_the_tokens_give(name):
    model = backbone(name)
    expected = whole(model)
    expected = expected.get("sequence_output", expected.get("out"))
    source = TextSource(model, "sequence")
    np.testing.assert_allclose(outputs(source), expected, atol=1e-5)
    assert len(source.weights) == len(model.weights)


@pytest.mark.parametrize(
    "pooling, read",
    [
        ("mean", lambda hidden, length: hidden[:length].mean(axis=0)),
        ("first", lambda hidden, length: hidden[0]),
        ("last", lambda hidden, length: hidden[length - 1]),
    ],
)
def test_padding_is_not_read(pooling, read):
    model = backbone("GPT2Backbone")
    hidden = whole(model)["out"]
    expected = [read(*pair) for pair in zip(hidden, MASK.sum(axis=1))]
    np.testing.assert_allclose(
        outputs(TextSource(model, pooling)), expected, atol=1e-5
    )


def test_a_pooled_output_is_the_models_own():
    model = backbone("BertBackbone")
    np.testing.assert_allclose(
        outputs(TextSource(model, "pooled")),
        whole(model)["pooled_output"],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.BertTextClassifier(backbone("BertBackbone"), 3),
        lambda: models.RobertaTextClassifier(backbone("RobertaBackbone"), 3),
        lambda: models.GPT2CausalLM(backbone("GPT2Backbone")),
        lambda: models.GemmaCausalLM(backbone("GemmaBackbone")),
    ],
)
def test_the_logits_of_a_task_are_its_own(make):
    task = make()
    expected = whole(task)["out"]
    source = TextSource(task, "logits")
    np.testing.assert_allclose(outputs(source), expected, atol=1e-4)
    frozen = FrozenSource(source)
    assert frozen.trainable_weights == []


@pytest.mark.parametrize(
    "task, name",
    [
        ("BertMaskedLM", "BertBackbone"),
        ("RobertaMaskedLM", "RobertaBackbone"),
    ],
)
def test_a_masked_language_model_answers_at_every_step(task, name):
    model = getattr(models, task)(backbone(name))
    inputs = {
        "token_ids": TOKENS,
        "padding_mask": MASK,
        "segment_ids": np.zeros_like(TOKENS),
        "mask_positions": np.tile(np.arange(5, dtype="int32"), (3, 1)),
    }
    expected = model({name: inputs[name] for name in model.input})
    np.testing.assert_allclose(
        outputs(TextSource(model, "logits")),
        ops.convert_to_numpy(expected),
        atol=1e-4,
    )


@pytest.mark.parametrize("pooling", ["mean", "logits"])
def test_a_source_survives_its_file(tmp_path, pooling):
    task = models.GPT2CausalLM(backbone("GPT2Backbone"))
    source = TextSource(task, pooling)
    source.save(tmp_path / "source.keras")
    copy = keras.models.load_model(tmp_path / "source.keras")
    np.testing.assert_allclose(outputs(copy), outputs(source), atol=1e-6)


def test_the_longest_sequence_is_that_of_the_positions():
    assert TextSource(backbone("BertBackbone")).max_sequence_length == 12
    assert TextSource(backbone("LlamaBackbone")).max_sequence_length is None


@pytest.mark.parametrize(
    "name, padding_token",
    [("BertBackbone", 0), ("GPT2Backbone", 0), ("LlamaBackbone", 0)]
    + [("RobertaBackbone", 1), ("OPTBackbone", 1), ("FNetBackbone", 3)]
    # A vocabulary without the pretrained model's padding.
    + [("Qwen3Backbone", 0)],
)
def test_a_backbone_pads_as_its_tokenizer_does(name, padding_token):
    source = TextSource(backbone(name))
    assert source.padding_token == padding_token
    assert source.start_token is None
    assert inspect_source(source).padding_token == padding_token


def test_subclasses_pad_as_their_backbone_does():
    model = models.XLMRobertaBackbone(**ENCODER)
    assert TextSource(model).padding_token == 1


def test_a_tokenizer_says_how_sequences_begin_and_are_padded():
    words = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "word", "[PAD]"]
    tokenizer = models.BertTokenizer(words)
    preprocessor = models.BertTextClassifierPreprocessor(tokenizer)
    task = models.BertTextClassifier(backbone("BertBackbone"), 3, preprocessor)
    specification = inspect_source(TextSource(task, "logits"))
    assert specification.padding_token == 5
    assert specification.start_token == 1


@pytest.mark.parametrize("starts", [True, False])
def test_a_start_that_is_not_added_is_not_expected(starts):
    vocabulary = {"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3}
    tokenizer = models.GPT2Tokenizer(vocabulary, ["a b"])
    preprocessor = models.GPT2CausalLMPreprocessor(
        tokenizer, add_start_token=starts
    )
    task = models.GPT2CausalLM(backbone("GPT2Backbone"), preprocessor)
    assert TextSource(task).start_token == (0 if starts else None)


@pytest.mark.parametrize("name", ["GPT2Backbone", "LlamaBackbone"])
def test_embeddings_of_a_quantized_model_are_numbers(name, monkeypatch):
    # Keras collects garbage for every weight that it replaces.
    monkeypatch.setattr(gc, "collect", lambda: 0)
    model = backbone(name)
    model.quantize("int8")
    source = TextSource(model, "sequence")
    embeddings = ops.convert_to_numpy(source.token_embeddings)
    inputs = {"embeddings": embeddings[TOKENS], "padding_mask": MASK}
    np.testing.assert_allclose(
        ops.convert_to_numpy(source(inputs, training=False)),
        whole(model)["out"],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: TextSource(backbone("BertBackbone"), "middle"),
        lambda: TextSource(backbone("BertBackbone"), "logits"),
        lambda: TextSource(backbone("GPT2Backbone"), "pooled"),
        lambda: TextSource(keras.Sequential([keras.Input((4,))])),
    ],
)
def test_what_cannot_be_cut_or_read_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_of_more_than_text_is_a_value_error_that_names_it(name):
    settings = REFUSED[name]
    if name != "BartBackbone":
        settings = {
            k: v for k, v in settings.items() if k != "max_sequence_length"
        }
    model = getattr(models, name)(**settings)
    with pytest.raises(ValueError, match=f"text backbone.*Received: {name}"):
        TextSource(model)


def test_gemma_3_with_images_is_a_value_error():
    settings = dict(DECODER, head_dim=4, image_size=16)
    vision = models.Gemma3VisionEncoder(
        image_size=16,
        patch_size=4,
        num_heads=2,
        hidden_dim=8,
        num_layers=1,
        intermediate_dim=16,
        output_dim=8,
        pool_size=2,
    )
    model = models.Gemma3Backbone(vision_encoder=vision, **settings)
    with pytest.raises(ValueError, match="without images.*vision_indices"):
        TextSource(model)


@pytest.mark.parametrize("model", ["bert_tiny_en_uncased", None])
def test_what_is_no_model_is_a_value_error(model):
    with pytest.raises(ValueError, match="text backbone.*Received: "):
        TextSource(model)


@pytest.mark.numpy_alone
def test_a_frozen_source_is_copied_frozen():
    source = TextSource(models.BertBackbone(**ENCODER), trainable=False)
    copy = TextSource.from_config(source.get_config())
    assert source.weights and not source.trainable_weights
    assert not copy.trainable_weights
