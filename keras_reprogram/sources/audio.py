"""Sources that take waveforms, from speech models."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.dtypes import is_float
from keras_reprogram.sources.audio_encoders import encoder_of
from keras_reprogram.sources.audio_layers import SAMPLING_RATE
from keras_reprogram.sources.audio_layers import AudioReadout
from keras_reprogram.typing import Tensor

POOLINGS = ("mean", "sequence", "layers")


@serializable
class AudioSource(keras.Model):
    """The encoder of a KerasHub speech model, for waveforms of one length.

    ```
    waveform -> front end -> encoder -> pooling
    ```

    Whisper's front end, a spectrogram on a logarithmic mel scale, is part of
    the model and differentiable, and its encoder runs on as many steps as
    `samples` needs instead of on 30 seconds: a step is 320 samples long.
    Moonshine's encoder takes the waveform; a step is 384 samples after the
    one before. The decoder is not run. All weights are shared with the model.

    NaN marks samples that are missing. They are silence for the encoder, and
    steps of NaN alone are left out of the pooling. Moonshine's attention also
    leaves out the NaN at a waveform's end.

    Whisper returns the same for all levels below a hundred millionth of the
    largest energy of a sample, so that the gradient of a silent frame is zero:
    a pattern around the sample must not start from zero; pass an `initializer`.

    Example:

    ```python
    backbone = keras_hub.models.WhisperBackbone(
        vocabulary_size=10,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
    )  # stands for a pretrained one
    source = keras_reprogram.sources.AudioSource(backbone, samples=4000)
    source(np.random.uniform(-1, 1, size=(2, 4000))).shape  # (2, 8)
    ```

    Args:
        model: `keras.Model`. A `WhisperBackbone` or `MoonshineBackbone` of
            KerasHub, or a task with one.
        samples: Integer. Number of samples of a waveform at 16 kHz, at least
            400 for Whisper and 895 for Moonshine, at most 30 and 64 seconds.
        pooling: String. The output: `"mean"` for the mean of the encoder's
            output over time, `"sequence"` for all steps, those without sound
            set to zero, `"layers"` for mean and standard deviation over time
            of every layer, of which each is one of the output's blocks.
            Defaults to `"mean"`.
        **kwargs: Keyword arguments of `keras.Model`.

    Call arguments:
        inputs: Tensor `(batch, samples)`. Waveforms in [-1, 1] at 16 kHz, NaN
            where they are missing.

    Returns:
        A float32 tensor `(batch, features)`, or `(batch, steps, features)`.

    Raises:
        ValueError: If the model is no speech model of KerasHub, `samples` are
            too few or too many, or the waveforms are integers, stereo or of
            another length.

    References:
        - [Whisper](https://arxiv.org/abs/2212.04356)
        - [Moonshine](https://arxiv.org/abs/2410.15608)
    """

    sampling_rate = SAMPLING_RATE
    accepts_missing_values = True

    def __init__(
        self,
        model: keras.Model,
        samples: int,
        pooling: str = "mean",
        **kwargs: Any,
    ) -> None:
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {POOLINGS}. Received: "
                f"pooling={pooling!r}"
            )
        encoder = encoder_of(model, positive_integer("samples", samples))

        # === Functional Model ===
        waveforms = keras.Input(
            (encoder.samples,), name="waveforms", dtype="float32"
        )
        layers, has_sound = encoder(waveforms)
        if pooling == "layers":
            readout = AudioReadout("statistics")
            blocks = [readout(layer, has_sound) for layer in layers]
            outputs = ops.concatenate(keras.tree.flatten(blocks), axis=-1)
        else:
            outputs = AudioReadout(pooling)(layers[-1], has_sound)
        super().__init__(waveforms, outputs, **kwargs)

        # === Config ===
        self.model = model
        self.samples = encoder.samples
        self.pooling = pooling

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        for waveforms in keras.tree.flatten(inputs):
            check_call(waveforms, self.samples)
        return super().__call__(inputs, *args, **kwargs)

    def with_model(self, model: keras.Model) -> "AudioSource":
        """Returns the same source of another model."""
        return AudioSource(model, self.samples, self.pooling, name=self.name)

    def get_config(self) -> dict[str, Any]:
        return {
            "model": keras.saving.serialize_keras_object(self.model),
            "samples": self.samples,
            "pooling": self.pooling,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
    ) -> "AudioSource":
        model = keras.saving.deserialize_keras_object(
            config.pop("model"), custom_objects=custom_objects
        )
        return cls(model, **config)


def check_call(waveforms: Any, samples: int) -> None:
    """Raises a `ValueError` unless this is a tensor of mono waveforms."""
    if not hasattr(waveforms, "dtype"):
        received = f"a value of type {type(waveforms).__name__}"
    else:
        shape = tuple(waveforms.shape)
        # Keras takes an axis of one channel away.
        mono = shape[:-1] if len(shape) == 3 and shape[2] == 1 else shape
        fits = len(mono) == 2 and mono[1] in (None, samples)
        if fits and is_float(waveforms):
            return
        received = f"waveforms of shape {shape} and dtype {waveforms.dtype}"
    raise ValueError(
        "An `AudioSource` takes an array of mono waveforms of floats in "
        f"[-1, 1], (batch, {samples}): convert recordings by "
        "`keras_reprogram.audio.to_waveforms(x, sampling_rate, seconds="
        f"{samples / SAMPLING_RATE})`, or divide samples of 16 bits by 32768. "
        f"Received: {received}"
    )
