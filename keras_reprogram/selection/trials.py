"""Candidates that are trained, on fold after fold, until a budget is spent."""

import time
from collections.abc import Callable
from typing import Protocol

import keras
import numpy as np

from keras_reprogram.black_box.queried_source import is_queried
from keras_reprogram.inputs import Affine
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import LowRank
from keras_reprogram.inputs import Placement
from keras_reprogram.inputs import Resize
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import AttentiveProbe
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.selection.candidates import Evaluation
from keras_reprogram.selection.labeled import Labeled
from keras_reprogram.selection.models import linear_map
from keras_reprogram.selection.parts import Part
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources.gradient_path import what_blocks_gradient
from keras_reprogram.typing import Shape

BATCH_SIZE = 32
FEWEST_FOLDS = 2  # that a candidate must be scored on
# By which it must be ahead: of ten candidates that are equally good, one is
# ahead by one standard error, and most often not on new samples.
STANDARD_ERRORS = 2


class Trial(Protocol):
    """A candidate that is trained by gradients."""

    name: str

    def scores(self, rows: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Trains on some samples; returns the class scores of others.

        Args:
            rows: Indices of the training samples.
            held_out: Indices of the others.
        """

    def model(self) -> ReprogrammedModel:
        """Trains on all samples."""


class AttentiveTrial:
    """An attentive probe of a part's blocks, on cached features.

    Args:
        part: The `Part`.
        features: Array `[N, S]`. Its features.
        labeled: The `Labeled` samples.
        epochs: Integer. Defaults to `40`.
        learning_rate: Float. Defaults to `1e-2`.
    """

    def __init__(
        self,
        part: Part,
        features: np.ndarray,
        labeled: Labeled,
        epochs: int = 40,
        learning_rate: float = 1e-2,
    ) -> None:
        self.name = f"attentive probe, {part.name}"
        self.part, self.features, self.labeled = part, features, labeled
        self.epochs, self.learning_rate = epochs, learning_rate

    def scores(self, rows: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        head = keras.Sequential([self.trained(rows)])
        found: np.ndarray = head.predict(
            np.asarray(self.features[held_out]), verbose=0
        )
        return found

    def trained(self, rows: np.ndarray) -> AttentiveProbe:
        labeled = self.labeled
        probe = AttentiveProbe(labeled.num_classes)
        probe.resolve(inspect_source(self.part.source))
        inputs = keras.Input((self.features.shape[1],))
        head = keras.Model(inputs, probe(inputs))
        features = np.asarray(self.features[rows], "float32")
        labels, weights = labeled.labels[rows], labeled.weights[rows]
        probe.adapt([(features, labels, weights)])
        steps = self.epochs * -(-len(rows) // BATCH_SIZE)
        head.compile(
            keras.optimizers.AdamW(
                keras.optimizers.schedules.CosineDecay(
                    self.learning_rate, steps
                ),
                weight_decay=0.01,
                global_clipnorm=5.0,
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        head.fit(
            features,
            labels,
            sample_weight=weights,
            batch_size=BATCH_SIZE,
            epochs=self.epochs,
            verbose=0,
        )
        return probe

    def model(self) -> ReprogrammedModel:
        probe = self.trained(np.arange(len(self.labeled.labels)))
        copy = AttentiveProbe.from_config(probe.get_config())
        model = ReprogrammedModel(
            self.part.source, self.part.new_transformation(), copy
        )
        copy.set_weights(probe.get_weights())
        return model


class ProgramTrial:
    """A small program in front of a part, whose label map stays as it is.

    The numbers of an affine map, of an image or of the time of a series that is
    drawn, and a pattern of low rank are trained, both from the identity: before
    the first step the model is the closed-form candidate.

    Args:
        part: The `Part`.
        evaluation: The `Evaluation` of a candidate of this part alone.
        samples: Array `[N, ...]`.
        augmentation: Keras layer, or `None`.
        steps: Integer. Number of training steps. Defaults to `60`.
        most_samples: Integer. Number of samples that the program is trained
            on, at most. Defaults to `200`.
        learning_rate: Float. Defaults to `5e-3`.
        rank: Integer. Rank of the pattern. Defaults to `2`.
    """

    def __init__(
        self,
        part: Part,
        evaluation: Evaluation,
        samples: np.ndarray,
        augmentation: keras.layers.Layer | None = None,
        steps: int = 60,
        most_samples: int = 200,
        learning_rate: float = 5e-3,
        rank: int = 2,
    ) -> None:
        self.name = f"program, {evaluation.candidate.name}"
        self.part, self.evaluation, self.samples = part, evaluation, samples
        self.labeled = evaluation.data.labeled
        self.augmentation, self.steps = augmentation, steps
        self.most_samples, self.learning_rate = most_samples, learning_rate
        self.rank = rank

    @staticmethod
    def is_possible(part: Part) -> bool:
        """Whether a part takes images or drawn series, and has a gradient.

        A program for a function would need thousands of its answers.
        """
        transformation = part.transformation
        return (
            isinstance(transformation, InputReprogrammer)
            and transformation.pattern is None
            and trained_placement(transformation.placement) is not None
            and len(input_shape(part)) == 3
            and not is_queried(part.source)
            and what_blocks_gradient(part.source) is None
        )

    def scores(self, rows: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        model = self.trained(rows)
        found: np.ndarray = model.predict(self.samples[held_out], verbose=0)
        return found

    def trained(self, rows: np.ndarray) -> ReprogrammedModel:
        labeled = self.labeled
        model = ReprogrammedModel(
            self.part.source,
            self.program(),
            LabelMapper(labeled.num_classes, LinearMapping(trainable=False)),
        )
        matrix, bias = linear_map(self.evaluation, rows)
        factor = self.evaluation.temperature
        model.label_mapper.assign(factor * matrix, factor * bias)
        rows = rows[: self.most_samples]
        epochs = max(1, round(self.steps / -(-len(rows) // BATCH_SIZE)))
        model.compile(
            keras.optimizers.Adam(
                keras.optimizers.schedules.CosineDecay(
                    self.learning_rate, epochs * -(-len(rows) // BATCH_SIZE)
                )
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.fit(
            self.samples[rows],
            labeled.labels[rows],
            sample_weight=labeled.weights[rows],
            batch_size=BATCH_SIZE,
            epochs=epochs,
            verbose=0,
        )
        model.compile()
        return model

    def program(self) -> InputReprogrammer:
        """Returns the part's transformation with what is trained."""
        given = self.part.new_transformation()
        config = given.get_config()
        config["placement"] = trained_placement(given.placement)
        config["pattern"] = UniversalPattern(
            activation=None, basis=LowRank(self.rank)
        )
        return InputReprogrammer(
            **{**config, "augmentation": self.augmentation}
        )

    def model(self) -> ReprogrammedModel:
        return self.trained(np.arange(len(self.labeled.labels)))


def trained_placement(placement: Placement) -> Placement | None:
    """Returns a placement with a trained affine map, which is the identity.

    Args:
        placement: The `Placement` of a candidate in closed form.

    Returns:
        A `Placement`, or `None` for one that is neither a `Resize` nor a
        `SeriesPicture` of one.
    """
    if isinstance(placement, Resize):
        return Affine(placement)
    if isinstance(placement, SeriesPicture) and isinstance(
        placement.inner, Resize
    ):
        return SeriesPicture(
            placement.drawing,
            Affine(placement.inner),
            placement.channels,
            placement.scaling,
        )
    return None


def input_shape(part: Part) -> Shape:
    return inspect_source(part.source).preferred_shape


def run(
    trial: Trial,
    labeled: Labeled,
    end: float,
    on_fold: Callable[[], None] | None = None,
) -> np.ndarray:
    """Scores a trial on fold after fold, until the time is over.

    Args:
        trial: The `Trial`.
        labeled: The `Labeled` samples.
        end: Float. The value of `time.monotonic` at which to stop.
        on_fold: Function that is called after each fold.

    Returns:
        Array of the scores of the first folds.
    """
    found: list[float] = []
    for fold in labeled.folds:
        start = time.monotonic()
        if start >= end:
            break
        scores = np.zeros((len(labeled.labels), labeled.num_classes))
        scores[fold] = trial.scores(labeled.without(fold), fold)
        found.append(labeled.measure(scores, fold))
        if on_fold is not None:
            on_fold()
        if time.monotonic() + (time.monotonic() - start) > end:
            break
    return np.array(found)


def is_better(scores: np.ndarray, best: np.ndarray) -> bool:
    """Whether a trial is ahead by two standard errors of differences.

    The variance of a mean of `n` differences is corrected for training sets
    that share most of their samples, with `k` folds in all:

    ```
    variance = var(gains) * (1 / n + 1 / (k - 1))
    ```

    Args:
        scores: Array of the trial's scores on the first folds.
        best: Array `[folds]`. Scores of the best candidate so far.

    References:
        - Nadeau and Bengio 2003, [Inference for the Generalization
          Error](https://doi.org/10.1023/A:1024068626366)
    """
    if len(scores) < FEWEST_FOLDS:
        return False
    gains = scores - best[: len(scores)]
    share = 1 / len(gains) + 1 / (len(best) - 1)
    error = np.sqrt(share * gains.var(ddof=1))
    return bool(gains.mean() > STANDARD_ERRORS * error)
