"""
Title: Visual reprogramming
Author: The keras-reprogram authors
Date created: 2026/11/24
Last modified: 2026/11/25
Description: Choose placement, pattern and label map for images, and see them.
Accelerator: GPU
"""

"""
## Introduction

Reprogramming an image classifier takes three choices:

- the **placement**: where the sample stands on the source's canvas;
- the **pattern**: what is added to it;
- the **label map**: how the source's classes become yours.

The methods of the literature are settings of these three. This guide shows
what each costs, how to train with few samples without fooling yourself, and
how to read the pictures of what was learned.
"""

"""
## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import keras_hub
import numpy as np
from sklearn.datasets import load_digits

import keras_reprogram
from keras_reprogram import inputs
from keras_reprogram import visualization

keras.utils.set_random_seed(0)

"""
## Dataset

Scikit-learn's digits of 8x8 pixels, with values from 0 to 16: 200 for
training, 100 for validation, 500 for the test.
"""

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("uint8")
order = np.random.default_rng(0).permutation(len(images))
train, validation, test = np.split(order[:800], [200, 300])
training_data = images[train], labels[train]
validation_data = images[validation], labels[validation]
test_data = images[test], labels[test]

"""
## Placement and pattern

`keras_reprogram.methods` has a function for each published method, which
returns the whole model. Their input transformations are settings of an
`InputReprogrammer`. A canvas of 64x64 pixels is a quarter of the work of
128x128 and enough for digits; sizes that the papers give for 224x224 are
scaled down.
"""

shapes = {
    "target_shape": (8, 8, 1),
    "source_shape": (64, 64, 3),
    "value_range": (0, 16),
}
choices = {
    "universal": keras_reprogram.InputReprogrammer(**shapes),
    "ilm_vp": keras_reprogram.InputReprogrammer(
        placement=inputs.Pad(36),
        pattern=inputs.UniversalPattern("outside", activation="sigmoid"),
        **shapes,
    ),
    "visual_prompting": keras_reprogram.InputReprogrammer(
        pattern=inputs.UniversalPattern(inputs.Frame(8), activation=None),
        normalize_first=True,
        **shapes,
    ),
    "smm": keras_reprogram.InputReprogrammer(
        pattern=inputs.SampleMaskedPattern(), **shapes
    ),
    "lor_vp": keras_reprogram.InputReprogrammer(
        pattern=inputs.UniversalPattern(
            activation=None, basis=inputs.LowRank(4)
        ),
        **shapes,
    ),
}
for name, reprogrammer in choices.items():
    reprogrammer.build((None, 8, 8, 1))
    weights = reprogrammer.trainable_weights
    trained = sum(int(np.prod(weight.shape)) for weight in weights)
    print(f"{name:>16}: {trained:7,} trained values")

"""
What a choice costs:

- A **universal** pattern costs nothing at inference that can be measured: one
  addition. Resized samples with a pattern everywhere are the default.
- **Padding** leaves the sample's pixels as they are and the pattern around
  them; the smaller the sample, the fewer of the source's neurons see it.
- **Sample-specific masks** run a small network on every sample, and
  BlackVIP's **coordinator** runs an encoder: the source a second time.
- A **low rank**, a coarse `Grid` or a few `Cosine` frequencies make small
  patterns that are hard to overfit.

A mask shows where a pattern is free to change the canvas.
"""

figure = visualization.plot_mask(choices["ilm_vp"])
figure.savefig("mask.png")

"""
## Label maps

A trained **linear** map is the most accurate and starts as a linear probe.
Maps that are *counted* have nothing to overfit and can be read: `"frequency"`,
`"iterative"`, `"bayesian"` and `"bayesian_plus"`. Where classes have names,
`outputs.SemanticMapping` pairs those whose embeddings are similar, and
groups of source classes can be written by hand.

With an image-text model for a source (CLIP, SigLIP, MetaCLIP 2 of KerasHub)
the source's classes are texts of your choice: see
`keras_reprogram.sources.zero_shot_classifier` and, for classes described by
attributes, `keras_reprogram.outputs.AttributeMapping`.

## Training with few samples

A pattern over the whole canvas can learn a few hundred samples by heart.
`keras_reprogram.recipes.few_samples` starts the label map from a
cross-validated logistic regression, takes small steps, and keeps the average
of the last ones. Samples that are shifted at random in training, by an
`augmentation`, are worth the most.

`RestoreBest` ends training with the best epoch on validation data. Its first
candidate is the state *before* the first epoch: should training only make
things worse, you get the linear probe, and a warning. `SwapEMAWeights` shows
it the averaged program.
"""

preset = keras_reprogram.pretrained.efficientnet_lite0_preset()
classifier = keras_hub.models.ImageClassifier.from_preset(preset)
model = keras_reprogram.recipes.few_samples(
    classifier,
    num_classes=10,
    input_reprogrammer=keras_reprogram.InputReprogrammer(
        augmentation=keras_reprogram.inputs.RandomShift(0.07), **shapes
    ),
)
best = keras_reprogram.callbacks.RestoreBest(validation_data)
model.fit(
    *training_data,
    validation_data=validation_data,
    batch_size=20,
    epochs=6,
    callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True), best],
)
loss, accuracy = model.evaluate(*test_data, verbose=0)
print(f"Best epoch: {best.best_epoch}. Test accuracy: {accuracy:.3f}")

"""
How good is that? The linear probe is the same model without a pattern: its
accuracy is the one to beat.
"""

probe = keras_reprogram.recipes.few_samples(
    classifier,
    num_classes=10,
    input_reprogrammer=keras_reprogram.InputReprogrammer(
        pattern=None, **shapes
    ),
)
probe.adapt(*training_data, verbose=0)
loss, accuracy = probe.evaluate(*test_data, verbose=0)
print(f"Linear probe. Test accuracy: {accuracy:.3f}")

"""
## Every stage of the source

Digits are not photographs. What tells them apart is there at the source's
early stages, edges and strokes, and half gone at the last, which was made for
dogs and cars. `keras_reprogram.sources.stage_features` is the same network
with the outputs of all its stages, averaged over a grid of 4x4, for the label
map to look at. Where you need no names of source classes, it is the source to
start from: a forward pass and a logistic regression.
"""

stages = keras_reprogram.recipes.few_samples(
    keras_reprogram.sources.stage_features(
        classifier, image_shape=shapes["source_shape"]
    ),
    num_classes=10,
    input_reprogrammer=keras_reprogram.InputReprogrammer(
        augmentation=keras_reprogram.inputs.RandomShift(0.07), **shapes
    ),
)
stages.adapt(*training_data, verbose=0)
loss, accuracy = stages.evaluate(*test_data, verbose=0)
print(f"Linear probe of the stages. Test accuracy: {accuracy:.3f}")

best = keras_reprogram.callbacks.RestoreBest(validation_data)
stages.fit(
    *training_data,
    validation_data=validation_data,
    batch_size=20,
    epochs=6,
    callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True), best],
)
loss, accuracy = stages.evaluate(*test_data, verbose=0)
print(f"Best epoch: {best.best_epoch}. Test accuracy: {accuracy:.3f}")

"""
Where a probe leaves no training sample wrong, training may find nothing to
add. The best epoch is then the state before the first, and you have the probe.

## Pictures

The pattern that was trained on the source's logits, gray where it adds
nothing. Its title gives the largest value, in units of the sample's range: a
pattern far above 0.5 has painted over the samples.
"""

figure = visualization.plot_pattern(model.input_reprogrammer)
figure.savefig("pattern.png")

"""
Samples as the source sees them. Look for what is left of the digit.
"""

names = [f"digit {label}" for label in test_data[1][:5]]
figure = visualization.plot_inputs(
    model.input_reprogrammer, test_data[0][:5], names
)
figure.savefig("inputs.png")

"""
And the label map, at its strongest links. A class that leans on one or two
source classes is fragile; in a linear map many classes share the work.
"""

matrix = keras.ops.convert_to_numpy(model.label_mapper.matrix)
figure = visualization.plot_label_map(
    matrix,
    [keras_hub.utils.imagenet_id_to_name(index) for index in range(1000)],
    [f"digit {digit}" for digit in range(10)],
    strongest=4,
)
figure.savefig("label_map.png")

"""
## Conclusion

Start with the default input and the recipe for little data, on the source's
stages; compare with the probe, and only then try others: `examples/search.py`
does that by itself, on validation data, and keeps a table of what it tried.
"""
