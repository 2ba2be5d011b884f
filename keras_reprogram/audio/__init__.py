"""Recordings as NumPy arrays of waveforms: wav files of any kind and rate."""

from keras_reprogram.audio.directories import Recordings
from keras_reprogram.audio.directories import recordings_from_directory
from keras_reprogram.audio.wav_files import read_recording
from keras_reprogram.audio.waveforms import to_waveforms

__all__ = [
    "Recordings",
    "read_recording",
    "recordings_from_directory",
    "to_waveforms",
]
