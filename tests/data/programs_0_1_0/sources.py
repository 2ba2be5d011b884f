"""The tiny sources of the program files that version 0.1.0 wrote.

Nothing here may change: the weights in `sources.npz` are in the order of these
layers, and the program files hold a fingerprint of each source.
"""

import keras
import keras_hub

TOKENS = {
    "vocabulary_size": 40,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 40,
}


def classifier(classes: int, activation: str | None, size: int) -> keras.Model:
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.AveragePooling2D(size // 4)(x)
    x = keras.layers.Flatten()(x)
    outputs = keras.layers.Dense(classes, activation=activation)(x)
    return keras.Model(inputs, outputs)


def segmenter() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(5, 3, padding="same")(x))


def sound(activation: str | None = None) -> keras.Model:
    inputs = keras.Input((64,))
    x = keras.layers.Dense(6, activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Dense(6, activation)(x))


def series() -> keras.Model:
    inputs = keras.Input((16, 2))
    x = keras.layers.Conv1D(4, 3, strides=2, activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Dense(6)(keras.layers.Flatten()(x)))


def bert() -> keras.Model:
    return keras_hub.models.BertBackbone(**TOKENS)


def gpt2() -> keras.Model:
    return keras_hub.models.GPT2Backbone(**TOKENS)


NETWORKS = {
    "logits": lambda: classifier(6, None, 8),
    "probabilities": lambda: classifier(6, "softmax", 8),
    "sigmoids": lambda: classifier(6, "sigmoid", 8),
    "one_sigmoid": lambda: classifier(1, "sigmoid", 8),
    "one_number": lambda: classifier(1, None, 8),
    "large": lambda: classifier(6, None, 16),
    "segmenter": segmenter,
    "sound": sound,
    "series": series,
    "bert": bert,
    "gpt2": gpt2,
}
