"""Functions that return compiled models with recommended settings."""

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
    """Returns a compiled model for a few hundred labeled samples.

    Four measures reduce overfitting: the label map starts from a logistic
    regression whose penalty is chosen by cross-validation; samples are
    shifted at random in training; the learning rate is small; and the weights
    are averaged over about 50 steps.

    As a source, pass `keras_reprogram.sources.stage_features(classifier)`:
    with few samples, a map of all stages is more accurate than one of the last
    stage's features, and that is more accurate than one of logits. If mirrored
    samples have the same class, add flips to the shifts:

    ```python
    keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal_and_vertical"),
            keras_reprogram.inputs.RandomShift(),
        ]
    )
    ```

    If there are samples for validation, train with
    `keras_reprogram.callbacks.RestoreBest`, whose first candidate is the
    linear probe itself. Put
    `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)` before it, so that it
    evaluates the averaged weights instead of those of the last step.

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
        source: `keras.Model`. The pretrained model.
        num_classes: Integer. Number of target classes.
        input_reprogrammer: `InputReprogrammer`. The input transformation.
            Defaults to `None`: samples are resized to the source's size, with
            a pattern everywhere and `RandomShift()` as augmentation.
        learning_rate: Float. Learning rate of Adam. Defaults to `None`:
            `1 / S` for a source of `S` outputs, at most 1e-3. A step of Adam
            changes all weights of the map by about the same amount, and a
            logit is a sum over `S` of them.

    Returns:
        A compiled `ReprogrammedModel`.

    Raises:
        ValueError: If the source has several inputs or outputs.
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
