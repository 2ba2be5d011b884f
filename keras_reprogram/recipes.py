"""Functions that return compiled models with recommended settings."""

import os
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras

from keras_reprogram.configurable import number
from keras_reprogram.configurable import optional
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.metrics import scores_by_class
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.models.label_predictions import named_by_data
from keras_reprogram.outputs.label_weights import ClassWeight
from keras_reprogram.progress import show
from keras_reprogram.selection.arrays import arrays_of
from keras_reprogram.selection.augmented_copies import can_be_augmented
from keras_reprogram.selection.cached_features import CachedFeatures
from keras_reprogram.selection.comparison import Comparison
from keras_reprogram.selection.labeled import groups_of
from keras_reprogram.selection.labeled import labeled_samples
from keras_reprogram.selection.parts import Source
from keras_reprogram.selection.parts import parts_of
from keras_reprogram.selection.stopwatch import Stopwatch
from keras_reprogram.selection.training_data import Passes
from keras_reprogram.typing import Data

__all__ = ["few_samples"]

# Odd sizes, at which each layer of stride 2 sees the pixels that it saw in
# training: networks trained with TensorFlow pad one side more at even sizes.
CANVASES = (65, 97, 129)
MOST_CLASSES = 30  # whose scores are shown one by one


def few_samples(
    sources: Source | Sequence[Source] | Mapping[str, Source],
    x: Data,
    y: Data = None,
    num_classes: int | None = None,
    class_weight: ClassWeight = None,
    sample_weight: Data = None,
    groups: Data = None,
    value_range: Sequence[float] | None = (0, 255),
    canvases: Sequence[int] = CANVASES,
    views: Sequence[Any] = (),
    augmentation: keras.layers.Layer | None = None,
    folds: int = 5,
    trial_seconds: float = 0.0,
    cache_directory: str | os.PathLike[str] | None = None,
    batch_size: int = 32,
    seed: int = 0,
    verbose: str | int = "auto",
) -> ReprogrammedModel:
    """Returns the best model for 50 to a few thousand labeled samples.

    Each source computes the samples once for each size of its input. Linear
    maps of these features are then compared on the training samples alone, by
    cross-validation:

    | candidate | what it is |
    |---|---|
    | ridge, *part* | ridge regression on all stages of a source, whose scales are found as well |
    | logistic, *part* | logistic regression on all stages, each of a mean norm of 1 |
    | all sizes, joined, all joined | the same on several inputs of a source, on several sources, on everything |
    | views | features averaged over `views` of a sample |
    | augmented | the best of them, fitted to augmented copies of the samples as well |
    | residual map | the best of them with class scores `z (I + E)` instead of `z` |

    With an `augmentation`, what is best on the samples as they are is fitted
    once more, to up to eight rows of each sample: itself and augmented copies.
    This is chosen unless it is behind by two standard errors, and takes as many
    more passes. There are no copies of more than 800 samples, of which they are
    not worth their time, and none for sources that are queried.

    With `trial_seconds`, two candidates are trained as well, on fold after fold
    until this time is over: an attentive probe of the stages, and a small
    program in front of the best source, an affine map of the image, or of a
    drawn series' time, and a pattern of low rank. A fold that has begun is
    finished, and a candidate that is chosen is trained once more. With few
    samples the highest of many scores is often so by chance: another candidate
    than ridge regression on everything is chosen only if it is ahead by two
    standard errors.

    The candidates and their scores are shown, with the scores of each class,
    and kept in `model.label_mapper.cross_validation`. The score is the mean
    over folds of the accuracy, weighted as the samples are: with
    `class_weight="balanced"` the balanced accuracy, unless a fold of `groups`
    lacks a class. Outputs are logits that are calibrated on samples left
    out, whose own are in `cross_validation.predictions`: for two classes,
    `keras_reprogram.metrics.best_threshold` finds a threshold from them.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.Dense(12, "relu")(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, keras.layers.Dense(6)(hidden))  # pretrained

    images = np.random.randint(0, 256, size=(40, 8, 8, 3), dtype="uint8")
    labels = np.arange(40) % 2
    model = keras_reprogram.recipes.few_samples(
        source, images, labels, verbose=0
    )
    print(model.label_mapper.cross_validation.table())
    model.predict(images, verbose=0).shape  # (40, 2)
    ```

    Args:
        sources: `keras.Model`, the pretrained source, or several as a list or a
            dictionary from names. Of a KerasHub image classifier all stages are
            read, of another classifier the inputs of its last dense layer, of
            any other model its outputs. For samples that are not to be resized
            to the source's input, pass a pair of a source and an
            `InputTransformation` without trained weights.
        x: Array of samples `[N, ...]`; or a finite data set of batches
            `(x, y)` or `(x, y, sample_weight)`.
        y: Labels, where `x` is an array: integers `[N]`, or one-hot `[N, T]`.
        num_classes: Integer. Number of classes. Defaults to `None`: the largest
            label plus 1.
        class_weight: Dictionary from classes to weights, or `"balanced"`, with
            which every class counts the same. Defaults to `None`.
        sample_weight: Array `[N]` of weights, where `x` is an array. Defaults
            to `None`.
        groups: Array `[N]`. What a sample belongs to, such as a patient or a
            writer. Samples of one group are in one fold, so that scores are
            those of new groups. Penalties are chosen on folds without groups,
            of which each has all classes. Defaults to `None`.
        value_range: Tuple of two numbers. Lowest and highest value of a sample,
            or `None` for samples that the source takes as they are. Defaults to
            `(0, 255)`.
        canvases: List of integers. Heights and widths of the input, for
            sources that take any. Each is one more pass. Defaults to
            `(65, 97, 129)`.
        views: List of views of a sample that leave its label as it is, such as
            `["identity", "horizontal"]`; see
            `keras_reprogram.inputs.AveragedViews`. Defaults to `()`.
        augmentation: Keras layer that changes samples at random and leaves
            their shapes and labels as they are, such as
            `keras.layers.RandomFlip("horizontal")`. Applied to copies of
            samples, and in the training of a program. Defaults to `None`.
        folds: Integer of at least 2. Number of folds. Defaults to `5`.
        trial_seconds: Float. Seconds for candidates that are trained. Defaults
            to `0.0`, none are.
        cache_directory: Path of a directory for the sources' outputs, which are
            found again in later calls. Defaults to `None`, a temporary one.
        batch_size: Integer. Samples of a batch of a pass. Defaults to `32`.
        seed: Integer. Seed of the folds and of augmented copies, which replaces
            the layer's own. Candidates that are trained draw by Keras's global
            seed. Defaults to `0`.
        verbose: 0 for silence, 1 or `"auto"` for progress bars and the table,
            2 for a line of each step and the table. Defaults to `"auto"`.

    Returns:
        A compiled `ReprogrammedModel`, which `fit` can train on. A program file
        of it is loaded in front of its `source`: for a KerasHub classifier,
        `keras_reprogram.sources.stage_features` of the classifier and of the
        size in the candidate's name; a list of these for joined sources.

    Raises:
        ValueError: If labels, weights, groups or sources are not valid, or
            there are more than 3,000 samples.

    References:
        - [Head2Toe](https://arxiv.org/abs/2201.03529): features of all stages
        - [ALF](https://arxiv.org/abs/2601.09322): attention over stages
        - [RVP](https://arxiv.org/abs/2609.36680): residual maps
        - [ACAVP](https://arxiv.org/abs/2510.07823): affine programs
    """  # noqa: E501
    folds = positive_integer("folds", folds)
    batch_size = positive_integer("batch_size", batch_size)
    canvases = positive_integers("canvases", canvases)
    trial_seconds = number("trial_seconds", trial_seconds, 0)
    augmentation = optional(
        "augmentation",
        augmentation,
        keras.layers.Layer,
        "a Keras layer, such as `keras.layers.RandomFlip()`",
    )
    if folds < 2 or not canvases:
        raise ValueError(
            "`folds` must be an integer of at least 2, and `canvases` one or "
            f"more sizes. Received: folds={folds}, canvases={canvases}"
        )
    samples, labels, weights = arrays_of(x, y, sample_weight, batch_size)
    labeled = labeled_samples(
        labels,
        num_classes,
        class_weight,
        weights,
        None if groups is None else groups_of(groups),
        folds,
        seed,
    )
    parts = parts_of(sources, samples.shape[1:], canvases, views, value_range)
    watch = Stopwatch()
    with CachedFeatures(cache_directory) as cache:
        passes = Passes(samples, cache, batch_size, verbose)
        data = passes.training_data(parts, labeled)
        watch.lap("passes through the sources")
        comparison = Comparison(data, samples, verbose)
        comparison.score_closed_forms()
        watch.lap("regressions")
        if augmentation is not None and can_be_augmented(samples, parts):
            comparison.score_augmented(
                lambda indices: passes.augmented(
                    data, indices, augmentation, seed
                )
            )
            watch.lap("regressions of augmented copies")
        comparison.score_residual_map()
        if trial_seconds > 0:
            comparison.score_trials(trial_seconds, augmentation)
            watch.lap("trained candidates")
        model = comparison.model()
    named_by_data(model.label_mapper, x)
    found = comparison.cross_validation
    model.label_mapper.cross_validation = found
    by_class = ""
    if found.predictions is not None and labeled.num_classes <= MOST_CLASSES:
        by_class = scores_by_class(
            labeled.labels[found.sample_indices],
            found.predictions,
            names=model.label_mapper.class_names,
        ).table()
    show("\n".join(filter(None, (str(found), by_class, str(watch)))), verbose)
    return model
