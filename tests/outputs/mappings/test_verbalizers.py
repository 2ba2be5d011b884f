import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import FixedTokens
from keras_reprogram.inputs import MaskToken
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.outputs import verbalizers
from keras_reprogram.sources import TextSource

SIZES = dict(
    vocabulary_size=30,
    num_layers=1,
    num_heads=2,
    hidden_dim=16,
    intermediate_dim=32,
    max_sequence_length=24,
)
WORDS = [[11, 12], [13]]


@pytest.fixture
def backbone():
    model = keras_hub.models.BertBackbone(**SIZES)
    generator = np.random.default_rng(2)  # the same on every backend
    for weight in model.weights:
        if "kernel" in weight.path or "embeddings" in weight.path:
            weight.assign(generator.normal(0, 0.4, weight.shape))
    return model


def start_of(source):
    mapper = LabelMapper(2, verbalizers(source, WORDS))
    mapper.build((None, source.outputs[0].shape[-1]))
    assert len(mapper.trainable_variables) == 2
    return ops.convert_to_numpy(mapper.matrix)


def test_classes_start_as_the_embeddings_of_their_words(backbone):
    source = TextSource(backbone, "sequence")
    rows = ops.convert_to_numpy(source.token_embeddings.value)
    expected = [(rows[11] + rows[12]) / 2, rows[13]]
    np.testing.assert_allclose(start_of(source).T, expected, rtol=1e-6)


def test_before_logits_of_the_vocabulary_they_start_as_its_words(backbone):
    source = TextSource(
        keras_hub.models.BertMaskedLM(backbone, preprocessor=None), "logits"
    )
    expected = np.zeros((30, 2))
    expected[[11, 12], 0] = 0.5
    expected[13, 1] = 1
    np.testing.assert_allclose(start_of(source), expected)


def test_a_model_starts_with_its_words_and_learns_from_there(
    backbone, tmp_path
):
    source = TextSource(backbone, "sequence")

    def model():
        return ReprogrammedModel(
            source,
            TokenReprogrammer(
                SourceTokens(),
                layout=[FixedTokens([1]), 2, "sample", MaskToken(2)],
            ),
            LabelMapper(2, verbalizers(source, WORDS)),
        )

    labels = np.arange(24) % 2
    tokens = np.random.default_rng(0).integers(3, 9, (24, 5))
    tokens += 10 * labels[:, None]
    trained = model()
    trained.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=None,
    )
    start = trained.evaluate(tokens, labels, verbose=0)
    trained.fit(tokens, labels, batch_size=8, epochs=15, verbose=0)
    assert trained.evaluate(tokens, labels, verbose=0) < 0.85 * start
    trained.save_program(tmp_path / "words.program")
    copy = ReprogrammedModel.load_program(tmp_path / "words.program", source)
    np.testing.assert_array_equal(
        copy.predict(tokens, verbose=0), trained.predict(tokens, verbose=0)
    )


@pytest.mark.parametrize(
    "words", [[], [1, 2], [[1], []], [[1, 1]], [[1], [30]], [[-1]], [["a"]]]
)
def test_what_is_no_word_of_the_source_is_a_value_error(backbone, words):
    with pytest.raises(ValueError, match="0 to 29. Received: words="):
        verbalizers(TextSource(backbone, "sequence"), words)


def test_logits_of_classes_have_no_words(backbone):
    source = TextSource(
        keras_hub.models.BertTextClassifier(
            backbone, num_classes=3, preprocessor=None
        ),
        "logits",
    )
    with pytest.raises(ValueError, match="has 3 values"):
        verbalizers(source, WORDS)
