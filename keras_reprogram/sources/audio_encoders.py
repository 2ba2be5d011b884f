"""The encoders of KerasHub's speech models, from waveforms to hidden states."""

from abc import ABC
from abc import abstractmethod
from typing import ClassVar
from typing import NamedTuple

import keras
from keras import ops

from keras_reprogram.keras_internals import graph_nodes
from keras_reprogram.sources.audio_layers import SAMPLING_RATE
from keras_reprogram.sources.audio_layers import STRIDE
from keras_reprogram.sources.audio_layers import HasSound
from keras_reprogram.sources.audio_layers import SilenceForMissing
from keras_reprogram.sources.audio_layers import UpToLastSound
from keras_reprogram.sources.audio_layers import WhisperSpectrogram


class HiddenStates(NamedTuple):
    """The outputs of an encoder.

    Attributes:
        layers: List of tensors `(batch, steps, width)`, the output of each
            layer, the last one after the encoder's normalization.
        has_sound: Boolean tensor `(batch, steps)`.
    """

    layers: list[keras.KerasTensor]
    has_sound: keras.KerasTensor


class AudioEncoder(ABC):
    """Base class: the encoder of a backbone, on waveforms of one length.

    Args:
        backbone: `keras.Model`. A KerasHub backbone.
        samples: Integer. Number of samples of a waveform.
    """

    input_name: ClassVar[str]
    samples_per_step: ClassVar[int]
    shortest: ClassVar[int]

    def __init__(self, backbone: keras.Model, samples: int) -> None:
        self.backbone = backbone
        if not self.shortest <= samples <= self.longest:
            raise ValueError(
                f"`samples` must be from {self.shortest} to {self.longest}, "
                f"{self.longest / SAMPLING_RATE:g} seconds at 16 kHz: split "
                f"or pad recordings. Received: samples={samples}"
            )
        self.samples = samples

    @property
    @abstractmethod
    def longest(self) -> int:
        """The largest number of samples."""

    @property
    @abstractmethod
    def num_steps(self) -> int:
        """The number of steps of the hidden states."""

    @abstractmethod
    def __call__(self, waveforms: keras.KerasTensor) -> HiddenStates:
        """Returns the hidden states of symbolic waveforms, NaN for missing."""

    def has_sound(self, waveforms: keras.KerasTensor) -> keras.KerasTensor:
        return HasSound(self.samples_per_step, self.num_steps)(waveforms)


class WhisperEncoding(AudioEncoder):
    """Whisper's encoder, which takes no mask, without the rest of 30 s."""

    input_name = "encoder_features"
    samples_per_step = 2 * STRIDE
    shortest = 400  # one frame

    @property
    def longest(self) -> int:
        return int(self.backbone.max_encoder_sequence_length) * STRIDE

    @property
    def num_steps(self) -> int:
        return -(-self.samples // self.samples_per_step)

    def __call__(self, waveforms: keras.KerasTensor) -> HiddenStates:
        backbone = self.backbone
        blocks = list(backbone.encoder_transformer_layers)
        encoder = keras.Model(
            backbone.input[self.input_name],
            outputs_of(backbone, [*blocks[:-1], backbone.encoder_layer_norm]),
            name="encoder",
        )
        length = self.num_steps * self.samples_per_step
        sound = SilenceForMissing(length)(waveforms)
        features = WhisperSpectrogram(backbone.num_mels)(sound)
        return HiddenStates(encoder(features), self.has_sound(waveforms))


class MoonshineEncoding(AudioEncoder):
    """Moonshine's encoder, which takes waveforms and a padding mask."""

    input_name = "encoder_input_values"
    samples_per_step = 64 * 3 * 2
    shortest = 127 + 64 * (7 - 1 + 3 * (3 - 1))  # seen by one step
    longest = 64 * SAMPLING_RATE  # as KerasHub's preprocessor advises

    @property
    def num_steps(self) -> int:
        return 1 + (self.samples - self.shortest) // self.samples_per_step

    def __call__(self, waveforms: keras.KerasTensor) -> HiddenStates:
        backbone = self.backbone
        norm = backbone.encoder_final_layer_norm
        blocks = list(backbone.encoder_blocks)
        encoder = keras.Model(
            [
                backbone.input[self.input_name],
                backbone.input["encoder_padding_mask"],
            ],
            [
                backbone.output["encoder_attention_mask"],
                *outputs_of(backbone, [*blocks[:-1], norm]),
            ],
            name="encoder",
        )
        sound = SilenceForMissing(self.samples)(waveforms)
        is_counted, *layers = encoder(
            [ops.expand_dims(sound, axis=-1), UpToLastSound()(waveforms)]
        )
        has_sound = ops.logical_and(is_counted, self.has_sound(waveforms))
        return HiddenStates(layers, has_sound)


ENCODERS: tuple[type[AudioEncoder], ...] = (WhisperEncoding, MoonshineEncoding)


def encoder_of(model: keras.Model, samples: int) -> AudioEncoder:
    """Returns the encoder of a backbone, or of a task with one.

    Raises:
        ValueError: If it is no speech model of KerasHub, or does not take
            waveforms of this length.
    """
    backbone = getattr(model, "backbone", model)
    inputs = getattr(backbone, "input", None)
    names = inputs if isinstance(inputs, dict) else {}
    for kind in ENCODERS:
        if kind.input_name in names:
            return kind(backbone, samples)
    raise ValueError(
        "`model` must be a speech model of KerasHub: a `WhisperBackbone`, a "
        "`MoonshineBackbone`, or a task with one. Received: "
        f"{type(backbone).__name__} with inputs {sorted(names) or None}"
    )


def outputs_of(
    backbone: keras.Model, layers: list[keras.layers.Layer]
) -> list[keras.KerasTensor]:
    """Returns the output of each layer in the graph of a backbone."""
    found = {
        id(node.operation): node.output_tensors[0]
        for node in graph_nodes(backbone)
    }
    return [found[id(layer)] for layer in layers]
