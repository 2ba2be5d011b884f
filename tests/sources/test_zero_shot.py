import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Pad
from keras_reprogram.outputs import AttributeMapping
from keras_reprogram.sources import embed_texts
from keras_reprogram.sources import zero_shot_classifier
from keras_reprogram.sources.zero_shot import TextSimilarity

keras_hub = pytest.importorskip("keras_hub")

TOWER = dict(hidden_dim=16, num_layers=1, num_heads=2, intermediate_dim=16)
TOKENS = np.arange(1, 49).reshape(6, 8)


def backbone_of(family):
    """A small image-text backbone with random weights."""
    image = getattr(keras_hub.models, f"{family}VisionEncoder")
    text = getattr(keras_hub.models, f"{family}TextEncoder")
    width = {} if family == "SigLIP" else {"projection_dim": 12}
    return getattr(keras_hub.models, f"{family}Backbone")(
        image(patch_size=8, image_shape=(16, 16, 3), **TOWER),
        text(
            vocabulary_size=50, embedding_dim=16, max_sequence_length=8, **TOWER
        ),
        **width,
    )


@pytest.fixture
def pictures():
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, size=(6, 16, 16, 3)).astype("float32")


@pytest.mark.parametrize("family", ["CLIP", "MetaCLIP2", "SigLIP"])
def test_logits_are_the_backbones_own(family, pictures):
    backbone = backbone_of(family)
    expected = backbone.predict(
        {"images": pictures / 255, "token_ids": TOKENS}, verbose=0
    )
    embeddings = embed_texts(backbone, TOKENS, batch_size=4)
    converter = keras_hub.layers.ImageConverter(scale=1 / 255)
    source = zero_shot_classifier(backbone, embeddings, converter)
    np.testing.assert_allclose(
        source.predict(pictures, verbose=0),
        expected["vision_logits"],
        rtol=1e-3,
        atol=1e-4,
    )
    assert source.count_params() < backbone.count_params()


def test_attributes_are_reprogrammed_from_start_to_finish(pictures, tmp_path):
    backbone = backbone_of("CLIP")
    source = zero_shot_classifier(backbone, embed_texts(backbone, TOKENS))
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            (12, 12, 3), placement=Pad(), pattern="outside", scale=1 / 255
        ),
        LabelMapper(2, AttributeMapping([[[0, 1, 2], [3, 4, 5]]], top_k=2)),
    )
    model.compile(
        keras.optimizers.Adam(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    samples, labels = pictures[:, :12, :12], np.arange(6) % 2
    losses = model.fit(samples, labels, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    expected = model.predict(samples, verbose=0)

    model.save(tmp_path / "a.keras")
    copy = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_allclose(
        copy.predict(samples, verbose=0), expected, rtol=1e-4
    )
    model.save_program(tmp_path / "a.program")
    copy = ReprogrammedModel.load_program(tmp_path / "a.program", source)
    np.testing.assert_allclose(
        copy.predict(samples, verbose=0), expected, rtol=1e-4
    )


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "bfloat16"])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_similarity_does_not_depend_on_the_embeddings_unit(dtype, scale):
    generator = np.random.default_rng(0)
    images, texts = generator.normal(size=(2, 3, 700))
    images[0] = 0.0
    layer = TextSimilarity(3, dtype=dtype)
    layer.build((None, 700))
    layer.set_texts(scale * texts, 10.0, 0.5)
    inputs = ops.convert_to_tensor(scale * images, "float32")
    cosines = images @ texts.T / np.linalg.norm(texts, axis=1)
    cosines[1:] /= np.linalg.norm(images[1:], axis=1)[:, None]
    found = layer(inputs)
    assert found.dtype == ops.cast(0.0, layer.compute_dtype).dtype
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(found, "float32")),
        10 * cosines + 0.5,
        atol=1e-4 if dtype == "float32" else 1e-2,
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: embed_texts(keras.Sequential(), TOKENS),
        lambda: embed_texts(backbone_of("CLIP"), TOKENS[0]),
        lambda: embed_texts(backbone_of("CLIP"), TOKENS + 2),
        lambda: embed_texts(backbone_of("CLIP"), TOKENS - 2),
        lambda: embed_texts(backbone_of("CLIP"), TOKENS / 2),
        lambda: zero_shot_classifier(
            backbone_of("CLIP"), np.full((3, 12), np.nan)
        ),
        lambda: zero_shot_classifier(backbone_of("CLIP"), np.ones((3, 5))),
    ],
)
def test_bad_input_is_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()
