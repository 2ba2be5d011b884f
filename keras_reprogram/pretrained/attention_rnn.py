"""The speech model that Voice2Series reprograms."""

import os
import warnings
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.pretrained.log_mel_spectrogram import LogMelSpectrogram
from keras_reprogram.typing import Tensor

FFT_LENGTH, STRIDE, NUM_BANDS = 1024, 128, 80
LOWEST_FREQUENCY = 40.0  # Hz
DECIBELS = 1e10  # energies are heard down to -100 dB


def speech_attention_rnn(
    num_classes: int = 36,
    samples: int = 16_000,
    sampling_rate: int = 16_000,
    classifier_activation: str | None = "softmax",
    weights: str | os.PathLike[str] | None = None,
    dtype: str | None = None,
) -> keras.Model:
    """A recurrent network with attention for spoken commands, not trained.

    **Its weights are random unless `weights` is given.** Train it on speech
    commands, `save_weights` it, and pass that file: a program of a source with
    random weights learns next to nothing.

    Two convolutions along time and two bidirectional LSTMs read a mel
    spectrogram; of their outputs `h`, the middle one asks which others matter:

    ```
    attended = sum over t of softmax_t(dense(h_middle) . h_t) h_t
    ```

    and dense layers name the command. The spectrogram, in decibels, is part
    of the model: a program can be trained in the waveform. The network is
    that of de Andrade et al., of about 0.2 million parameters.

    Example:

    ```python
    # Random weights, to be trained; `weights=` takes the file of trained ones.
    source = keras_reprogram.pretrained.speech_attention_rnn(num_classes=12)
    source.predict(np.zeros((1, 16000)), verbose=0).shape  # (1, 12)
    ```

    Args:
        num_classes: Number of commands; 36 in Voice2Series.
        samples: Length of the waveform in samples: one second.
        sampling_rate: Samples per second, in Hz.
        classifier_activation: `"softmax"` for probabilities, `None` for
            logits.
        weights: Path of a weights file of this model, which `save_weights`
            wrote. Defaults to `None`: random weights, and a warning.
        dtype: Keras dtype policy of the network.

    Returns:
        A functional `keras.Model` from waveforms `(batch, samples)` in
        [-1, 1] to `(batch, num_classes)`.

    Raises:
        ValueError: If a number is not valid.

    References:
        - [A neural attention model](https://arxiv.org/abs/1808.08929)
        - [Voice2Series](https://arxiv.org/abs/2106.09296)
    """
    num_classes = positive_integer("num_classes", num_classes)
    samples = positive_integer("samples", samples)

    def layer(kind: str, *arguments: Any, **kwargs: Any) -> keras.layers.Layer:
        return getattr(keras.layers, kind)(*arguments, dtype=dtype, **kwargs)

    def along_time(x: Tensor, filters: int) -> Tensor:
        x = layer("Conv2D", filters, (5, 1), padding="same", activation="relu")(
            x
        )
        return layer("BatchNormalization")(x)

    def both_directions(x: Tensor) -> Tensor:
        recurrent = layer("LSTM", 64, return_sequences=True)
        return layer("Bidirectional", recurrent)(x)

    # === Functional Model ===
    inputs = keras.Input((samples,), name="waveform")
    x = LogMelSpectrogram(
        sampling_rate,
        FFT_LENGTH,
        STRIDE,
        NUM_BANDS,
        LOWEST_FREQUENCY,
        gain=DECIBELS,
        name="log_mel_spectrogram",
        dtype=dtype,
    )(inputs)
    # Each sound by its own mean and deviation, however loud it is.
    x = layer("LayerNormalization", axis=(1, 2), center=False, scale=False)(x)
    x = ops.expand_dims(x, -1)
    x = ops.squeeze(along_time(along_time(x, 10), 1), -1)
    steps = both_directions(both_directions(x))
    middle = steps[:, steps.shape[1] // 2]
    question = ops.expand_dims(layer("Dense", 128)(middle), -1)
    attention = layer("Softmax", axis=1)(ops.matmul(steps, question))
    attended = ops.sum(ops.multiply(attention, steps), axis=1)
    x = layer("Dense", 64, activation="relu")(attended)
    x = layer("Dense", 32)(x)
    outputs = layer("Dense", num_classes, activation=classifier_activation)(x)
    model = keras.Model(inputs, outputs, name="speech_attention_rnn")
    if weights is None:
        warnings.warn(
            "The weights of `speech_attention_rnn` are random: it classifies "
            "nothing until it is trained. Train it on speech commands before "
            "it is reprogrammed, or pass `weights`, the path of a file that "
            "`save_weights` of a trained one wrote.",
            stacklevel=2,
        )
    else:
        model.load_weights(weights)
    return model
