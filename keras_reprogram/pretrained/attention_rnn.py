"""The network for speech commands that Voice2Series reprograms."""

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
GAIN = 1e10  # With it the spectrogram covers energies above -100 dB.


def speech_attention_rnn(
    num_classes: int = 36,
    samples: int = 16_000,
    sampling_rate: int = 16_000,
    classifier_activation: str | None = "softmax",
    weights: str | os.PathLike[str] | None = None,
    dtype: str | None = None,
) -> keras.Model:
    """Returns a recurrent network with attention for speech commands.

    **Its weights are random unless `weights` is given.** Train the network on
    speech commands, call `save_weights`, and pass the file. A program for a
    source with random weights learns very little.

    The inputs of two convolutions along time and two bidirectional LSTMs are
    a mel spectrogram in decibels. The middle one of the outputs `h` is the
    query of an attention over all of them:

    ```
    attended = sum over t of softmax_t(dense(h_middle) . h_t) h_t
    ```

    Dense layers classify the result. The spectrogram is part of the model, so
    a program can be trained on the waveform. The network is that of de Andrade
    et al. and has about 0.2 million parameters.

    Example:

    ```python
    # Random weights; pass the file of trained ones as `weights`.
    source = keras_reprogram.pretrained.speech_attention_rnn(num_classes=12)
    source.predict(np.zeros((1, 16000)), verbose=0).shape  # (1, 12)
    ```

    Args:
        num_classes: Integer. Number of commands. Defaults to `36`, as in
            Voice2Series.
        samples: Integer. Length of the waveform in samples. Defaults to
            `16000`, one second.
        sampling_rate: Integer. Samples per second, in Hz. Defaults to `16000`.
        classifier_activation: String. `"softmax"` for probabilities, `None`
            for logits. Defaults to `"softmax"`.
        weights: String or path. A weights file written by `save_weights` of
            this model. Defaults to `None`: random weights, with a warning.
        dtype: String. Keras dtype policy of the network. Defaults to `None`,
            the global policy.

    Returns:
        A functional `keras.Model` from waveforms `(batch, samples)` in
        [-1, 1] to `(batch, num_classes)`.

    Raises:
        ValueError: If a number is not positive, or the waveform is too short.

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
        gain=GAIN,
        name="log_mel_spectrogram",
        dtype=dtype,
    )(inputs)
    # Normalize each waveform separately, so that loudness does not matter.
    x = layer("LayerNormalization", axis=(1, 2), center=False, scale=False)(x)
    x = ops.expand_dims(x, -1)
    x = ops.squeeze(along_time(along_time(x, 10), 1), -1)
    steps = both_directions(both_directions(x))
    middle = steps[:, steps.shape[1] // 2]
    query = ops.expand_dims(layer("Dense", 128)(middle), -1)
    attention = layer("Softmax", axis=1)(ops.matmul(steps, query))
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
