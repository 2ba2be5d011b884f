"""musicnn, a music tagger from a PyPI package."""

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
NUM_TRAINING_FRAMES = 187
MIN_SAMPLES = 512
MUSIC_TAGS = tuple(
    "guitar,classical,slow,techno,strings,drums,electronic,rock,fast,piano,"
    "ambient,beat,violin,vocal,synth,female,indian,opera,male,singing,vocals,"
    "no vocals,harpsichord,loud,quiet,flute,woman,male vocal,no vocal,pop,"
    "soft,sitar,solo,man,classic,choir,voice,new age,dance,male voice,"
    "female vocal,beats,harp,cello,no voice,weird,country,metal,female voice,"
    "choral".split(",")
)
"""The 50 tags of `musicnn_tagger`, in the order of its logits."""


def musicnn_tagger(
    samples: int = (NUM_TRAINING_FRAMES - 1) * STRIDE,
    classifier_activation: str | None = None,
    dtype: str | None = None,
) -> keras.Model:
    """Returns musicnn, a tagger with 50 music tags from MagnaTagATune.

    The network of Pons and Serra applies convolutions along frequency, for
    timbre, and along time, for rhythm, to a spectrogram of 96 mel bands at
    16 kHz. It pools over time, so the waveform may have any length. The
    spectrogram is part of the model, so a program can be trained on the
    waveform.

    The weights come from the package `musicnn`, whose dependencies are
    outdated: install it with `pip install --no-deps musicnn`. They are read
    without TensorFlow.

    Example:

    ```python
    source = keras_reprogram.pretrained.musicnn_tagger(samples=16000)
    logits = source.predict(np.zeros((1, 16000)), verbose=0)
    keras_reprogram.pretrained.MUSIC_TAGS[logits[0].argmax()]  # of silence
    ```

    Args:
        samples: Integer. Length of the waveform in samples of 1/16000 s.
            Defaults to `47616`, the 3 s that the network was trained on.
            Shorter waveforms are faster.
        classifier_activation: String. `"sigmoid"` for probabilities of the
            tags, `None` for logits. Defaults to `None`.
        dtype: String. Keras dtype policy of the network. Defaults to `None`,
            the global policy.

    Returns:
        A functional `keras.Model` from waveforms `(batch, samples)` in
        [-1, 1] to `(batch, 50)`, in the order of `MUSIC_TAGS`.

    Raises:
        ImportError: If the package with the weights is not installed.
        ValueError: If the package holds a checkpoint other than the known
            one, or `samples` is below 512.

    References:
        - [musicnn](https://arxiv.org/abs/1909.06654)
    """
    if positive_integer("samples", samples) < MIN_SAMPLES:
        raise ValueError(
            f"`samples` must be {MIN_SAMPLES} or more. Received: "
            f"samples={samples}"
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
    """Returns all values of the known checkpoint."""
    return np.frombuffer(known_content(path, CHECKPOINT_SHA256), "<f4")


def network(
    samples: int, classifier_activation: str | None, dtype: str | None = None
) -> keras.Model:
    """Returns the network with random weights.

    The names of layers are those in the checkpoint, numbered by class in the
    order of construction.
    """
    numbers: dict[str, int] = {}

    def named(
        kind: type, name: str, *arguments: Any, **kwargs: Any
    ) -> keras.layers.Layer:
        number = numbers[name] = numbers.get(name, -1) + 1
        name = f"{name}_{number}" if number else name
        return kind(*arguments, name=name, dtype=dtype, **kwargs)

    def normalization() -> keras.layers.Layer:
        return named(keras.layers.BatchNormalization, "batch_normalization")

    def front_end(x: Tensor, filters: int, size: tuple[int, int]) -> Tensor:
        """Convolution with the maximum over frequencies at each frame."""
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

    def convolution_along_time(x: Tensor) -> Tensor:
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
    timbre = [front_end(x, 204, (7, height)) for height in (38, 67)]
    rhythm = [front_end(x, 51, (length, 1)) for length in (128, 64, 32)]
    front = ops.concatenate(timbre + rhythm, axis=-1)

    # === Middle ===
    first = convolution_along_time(front)
    second = ops.add(convolution_along_time(first), first)
    third = ops.add(convolution_along_time(second), second)
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

    The checkpoint stores the tensors in the order of their names. A trainable
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
            # The checkpoint stores a Conv1D with an additional axis of size 1.
            targets[name].assign(values.reshape(targets[name].shape))
        start += sizes[name]
