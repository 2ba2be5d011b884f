"""A pretrained source that hears: musicnn, a tagger of music."""

import math
import pathlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.pretrained.log_mel_spectrogram import LogMelSpectrogram
from keras_reprogram.pretrained.package_files import file_of_package
from keras_reprogram.pretrained.package_files import known_content
from keras_reprogram.typing import Tensor

CHECKPOINT_SHA256 = (
    "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab"
)
STRIDE = 256
FRAMES_OF_TRAINING = 187
SHORTEST = 512
MUSIC_TAGS = tuple(
    "guitar,classical,slow,techno,strings,drums,electronic,rock,fast,piano,"
    "ambient,beat,violin,vocal,synth,female,indian,opera,male,singing,vocals,"
    "no vocals,harpsichord,loud,quiet,flute,woman,male vocal,no vocal,pop,"
    "soft,sitar,solo,man,classic,choir,voice,new age,dance,male voice,"
    "female vocal,beats,harp,cello,no voice,weird,country,metal,female voice,"
    "choral".split(",")
)


def musicnn_tagger(
    samples: int = (FRAMES_OF_TRAINING - 1) * STRIDE,
    classifier_activation: str | None = None,
    dtype: str | None = None,
) -> keras.Model:
    """musicnn, trained on MagnaTagATune: from a waveform to 50 music tags.

    Pons and Serra's network hears a waveform of 16 kHz as 96 mel bands,
    through filters as high as a timbre and as long as a beat, and pools over
    time at its end, so that it takes any length. Its spectrogram is part of
    the model: a program can be trained in the waveform.

    The weights come from the package `musicnn`, whose requirements are of
    its time: install it with `pip install --no-deps musicnn`. They are read
    without TensorFlow.

    Example:

    ```python
    source = keras_reprogram.pretrained.musicnn_tagger(samples=16000)
    logits = source.predict(np.zeros((1, 16000)), verbose=0)
    keras_reprogram.pretrained.MUSIC_TAGS[logits[0].argmax()]  # of silence
    ```

    Args:
        samples: Length of the waveform in samples of 1/16000 s. Defaults to
            the 187 frames of its training, 3 s; less costs less.
        classifier_activation: `"sigmoid"` for the tags' probabilities, `None`
            for their logits.
        dtype: Keras dtype policy of the network.

    Returns:
        A functional `keras.Model` from waveforms `(batch, samples)` in
        [-1, 1] to `(batch, 50)`, in the order of `MUSIC_TAGS`.

    Raises:
        ImportError: If the package with the weights is not installed.
        ValueError: If the package holds another checkpoint than the known
            one, or there are too few samples.

    References:
        - [musicnn](https://arxiv.org/abs/1909.06654)
    """
    if positive_integer("samples", samples) < SHORTEST:
        raise ValueError(
            f"`samples` must be {SHORTEST} or more. Received: samples={samples}"
        )
    content = read_checkpoint(checkpoint_path())
    model = network(samples, classifier_activation, dtype)
    load_checkpoint(model, content)
    return model


def checkpoint_path() -> pathlib.Path:
    return file_of_package(
        "musicnn",
        "MTT_musicnn",
        ".data-00000-of-00001",
        message="The tagger needs the package `musicnn`, without the old "
        "requirements that it declares. Install it with "
        "`pip install --no-deps musicnn`.",
    )


def read_checkpoint(path: pathlib.Path) -> np.ndarray:
    """All values of the one known checkpoint."""
    return np.frombuffer(known_content(path, CHECKPOINT_SHA256), "<f4")


def network(
    samples: int, classifier_activation: str | None, dtype: str | None = None
) -> keras.Model:
    """The network with random weights.

    Layers have the names of the checkpoint's: by kind, in the order in which
    they were made.
    """
    made: dict[str, int] = {}

    def named(kind: type, name: str, *arguments: Any, **kwargs: Any) -> Tensor:
        number = made[name] = made.get(name, -1) + 1
        name = f"{name}_{number}" if number else name
        return kind(*arguments, name=name, dtype=dtype, **kwargs)

    def normalization() -> keras.layers.Layer:
        return named(keras.layers.BatchNormalization, "batch_normalization")

    def heard(x: Tensor, filters: int, size: tuple[int, int]) -> Tensor:
        """A filter's strongest answer over all frequencies, at each frame."""
        if size[1] == 1:
            padding = "same"
        else:
            padding = "valid"
            x = keras.layers.ZeroPadding2D((size[0] // 2, 0), dtype=dtype)(x)
        x = named(
            keras.layers.Conv2D,
            "conv2d",
            filters,
            size,
            padding=padding,
            activation="relu",
        )(x)
        return ops.max(normalization()(x), axis=2)

    def mixed(x: Tensor) -> Tensor:
        x = named(
            keras.layers.Conv1D,
            "conv2d",
            64,
            7,
            padding="same",
            activation="relu",
        )(x)
        return normalization()(x)

    # === Front end ===
    inputs = keras.Input((samples,), name="waveform")
    spectrogram = LogMelSpectrogram(
        stride=STRIDE, name="log_mel_spectrogram", dtype=dtype
    )
    x = spectrogram(inputs)
    x = normalization()(ops.expand_dims(x, -1))
    timbre = [heard(x, 204, (7, height)) for height in (38, 67)]
    rhythm = [heard(x, 51, (length, 1)) for length in (128, 64, 32)]
    front = ops.concatenate(timbre + rhythm, axis=-1)

    # === Middle ===
    first = mixed(front)
    second = ops.add(mixed(first), first)
    third = ops.add(mixed(second), second)
    features = ops.concatenate([front, first, second, third], axis=-1)

    # === Back end ===
    pooled = [ops.max(features, axis=1), ops.mean(features, axis=1)]
    x = keras.layers.Flatten(dtype=dtype)(ops.stack(pooled, axis=-1))
    x = keras.layers.Dropout(0.5, dtype=dtype)(normalization()(x))
    x = named(keras.layers.Dense, "dense", 200, activation="relu")(x)
    x = keras.layers.Dropout(0.5, dtype=dtype)(normalization()(x))
    outputs = named(
        keras.layers.Dense,
        "dense",
        len(MUSIC_TAGS),
        activation=classifier_activation,
    )(x)
    return keras.Model(inputs, outputs, name="musicnn")


def load_checkpoint(model: keras.Model, content: np.ndarray) -> None:
    """Assigns the weights from a checkpoint.

    Its tensors lie one after the other in the order of their names; a trained
    one is followed by two moments of its optimizer.
    """
    sizes = {"beta1_power": 1, "beta2_power": 1}
    targets = {}
    for layer in model.layers:
        for variable in layer.weights:
            name = f"{layer.name}/{variable.name}"
            targets[name] = variable
            slots = ("", "/Adam", "/Adam_1") if variable.trainable else ("",)
            for slot in slots:
                sizes[name + slot] = math.prod(variable.shape)
    start = 0
    for name in sorted(sizes):
        if name in targets:
            values = content[start : start + sizes[name]]
            # A convolution of one dimension has one axis of length 1 less.
            targets[name].assign(values.reshape(targets[name].shape))
        start += sizes[name]
