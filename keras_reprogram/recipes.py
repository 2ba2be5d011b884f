"""Models with the settings that measurements recommend."""

import keras

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import RandomShift
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.sources import inspect_source


def few_samples(
    source: keras.Model,
    num_classes: int,
    input_reprogrammer: InputReprogrammer | None = None,
    learning_rate: float | None = None,
) -> ReprogrammedModel:
    """A model for a few hundred labeled samples, compiled.

    Four things keep it from learning its samples by heart: the label map
    starts from a logistic regression whose penalty is found by
    cross-validation; samples are shifted at random in training; steps are
    small; and what is kept is the moving average of the program and the map
    over about 50 steps.

    Give it a classifier's `keras_reprogram.sources.stage_features` for a
    source: a map of all stages takes to few samples better than one of the
    last stage's features, and that better than one of logits. Where a mirrored
    sample is one of the same class, add flips to the shifts:

    ```python
    keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal_and_vertical"),
            keras_reprogram.inputs.RandomShift(),
        ]
    )
    ```

    Train it with `keras_reprogram.callbacks.RestoreBest` where there are
    samples for validation: its first candidate is the linear probe itself. Put
    `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)` before it, which shows
    it the average and not the last step.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.recipes.few_samples(source, num_classes=2)
    images = np.random.randint(0, 256, size=(16, 8, 8, 3), dtype="uint8")
    labels = np.arange(16) % 2
    model.fit(images, labels, epochs=2, verbose=0)
    ```

    Args:
        source: The pretrained model.
        num_classes: Number of target classes.
        input_reprogrammer: The input transformation. Defaults to a sample
            resized to the source's size, a program everywhere, and
            `RandomShift()` for an augmentation.
        learning_rate: Learning rate of Adam. Left out, `1 / S` for a source
            of `S` outputs, at most 1e-3: a step of Adam moves every weight of
            the map alike, and a logit is the sum of `S` of them.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    if input_reprogrammer is None:
        input_reprogrammer = InputReprogrammer(augmentation=RandomShift())
    if learning_rate is None:
        num_sources = inspect_source(source).num_classes
        learning_rate = min(1e-3, 1 / num_sources)
    mapping = LinearMapping(regularization="cross_validation")
    model = ReprogrammedModel(
        source, input_reprogrammer, LabelMapper(num_classes, mapping)
    )
    model.compile(
        keras.optimizers.Adam(learning_rate, use_ema=True, ema_momentum=0.98),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
