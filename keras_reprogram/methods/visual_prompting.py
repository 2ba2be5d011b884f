"""Visual prompting: an unbounded frame or patch on the normalized sample.

Title: Exploring Visual Prompts for Adapting Large-Scale Models
Authors: Bahng, Jahanian, Sankaranarayanan and Isola
Year: 2022
Link: https://arxiv.org/abs/2203.17274
Samples: images
Input: `UniversalPattern(Frame(30), activation=None)`, `Patch(30)` or
    `RandomPatchPattern(30)`, in the source's units
Output mapping: `"identity"`
Loss: cross-entropy
Optimizer: SGD with momentum 0.9
Learning rate: 40, by a cosine to 0 after a warm-up of 1000 steps
Epochs: 1000 in batches of 128

    x' = normalize(resize(x)) + M * theta

`M` is a frame of 30 pixels along the edges of a canvas of 224x224, a patch in
its first corner, or a patch at another place in every batch.

Differences: the pattern starts from normal noise of a deviation of 0.05, which
leaves the sample to be seen; the published code starts from one of 1. The rate
is constant here; for the paper's pass a
`keras.optimizers.schedules.CosineDecay` with `warmup_target=40`. It is made for
CLIP and batches of images at 224x224: other sources may need a smaller one.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Patch
from keras_reprogram.inputs import Pattern
from keras_reprogram.inputs import RandomPatchPattern
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.typing import Shape

PROMPTS = ("frame", "patch", "random_patch")


def visual_prompting(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    prompt: str = "frame",
    size: int = 30,
    learning_rate: float | LearningRateSchedule = 40.0,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Visual prompting, Bahng et al. 2022.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.visual_prompting(
        source,
        num_classes=3,
        target_shape=(8, 8, 1),
        size=2,
        learning_rate=0.1,
    )
    images = np.random.randint(0, 256, size=(16, 8, 8, 1), dtype="uint8")
    labels = np.arange(16) % 3
    model.fit(images, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model, which is frozen.
        num_classes: Integer. Number of target classes.
        target_shape: Tuple of integers. Shape of a sample without the batch
            axis. Defaults to `None`, for images of any size.
        prompt: `"frame"`, `"patch"` or `"random_patch"`. Defaults to
            `"frame"`.
        size: Integer. Width of the frame, or height and width of the patch,
            in pixels. Defaults to `30`.
        learning_rate: Float or schedule of SGD. Defaults to `40.0`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.

    Raises:
        ValueError: If `prompt` is none of the three.
    """
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "pattern": pattern_of(prompt, size),
                "normalize_first": True,
                **kwargs,
            },
        ),
        LabelMapper(num_classes, "identity"),
    )
    model.compile(
        optimizer or keras.optimizers.SGD(learning_rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model


def pattern_of(prompt: str, size: int) -> Pattern:
    if prompt not in PROMPTS:
        raise ValueError(
            f"`prompt` must be one of {PROMPTS}. Received: prompt={prompt!r}"
        )
    if prompt == "random_patch":
        return RandomPatchPattern(size)
    region = Frame(size) if prompt == "frame" else Patch(size)
    return UniversalPattern(
        region, activation=None, initializer="random_normal"
    )
