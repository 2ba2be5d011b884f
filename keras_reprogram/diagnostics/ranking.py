"""A ranking of pretrained sources for a task, from one pass of each."""

import dataclasses
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.diagnostics.gram import Spectrum
from keras_reprogram.diagnostics.gram import spectrum
from keras_reprogram.diagnostics.h_score import shrunk_h_score
from keras_reprogram.diagnostics.labels import class_indices
from keras_reprogram.diagnostics.labels import target_columns
from keras_reprogram.diagnostics.logme import evidence
from keras_reprogram.diagnostics.passes import Source
from keras_reprogram.diagnostics.passes import check_repeatable
from keras_reprogram.diagnostics.passes import planned_passes
from keras_reprogram.diagnostics.readouts import READOUTS
from keras_reprogram.models import batches
from keras_reprogram.outputs.cross_validation import stratified_folds
from keras_reprogram.outputs.kernel_regression import ridge
from keras_reprogram.progress import Progress
from keras_reprogram.representation import constructor_call
from keras_reprogram.tables import markdown_table
from keras_reprogram.typing import Data
from keras_reprogram.typing import FixedShape

SCORES = ("ridge", "logme", "h_score")


@dataclasses.dataclass(frozen=True)
class RankedReadout:
    """A readout of a source, with its scores on a task.

    Attributes:
        source: String. The source's name.
        canvas: String. Shape of the source's input, such as `"64x64x3"`.
        readout: String. `"logits"`, `"features"` or `"stages"`.
        num_features: Integer. Size of the readout.
        ridge: Float. Cross-validated score of ridge regression: the accuracy,
            or R squared for numbers.
        ridge_spread: Float. Standard error of that score over the folds.
        logme: Float. See `logme`.
        h_score: Float. See `h_score`; NaN for numbers and binary targets.
        seconds: Float. Duration of the pass, which is shared by the readouts
            of a source on a canvas.
    """

    source: str
    canvas: str
    readout: str
    num_features: int
    ridge: float
    ridge_spread: float
    logme: float
    h_score: float
    seconds: float

    __repr__ = constructor_call

    @property
    def name(self) -> str:
        """Source, canvas and readout in one string."""
        return f"{self.source} {self.canvas} {self.readout}"


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Readouts of sources, the best first.

    Attributes:
        rows: Tuple of `RankedReadout`.
        score: String. The score that the rows are sorted by.
    """

    rows: tuple[RankedReadout, ...]
    score: str

    __repr__ = constructor_call

    @property
    def best(self) -> RankedReadout:
        """The first row."""
        return self.rows[0]

    def sorted_by(self, score: str) -> "Ranking":
        """Returns the same rows, sorted by another score.

        Args:
            score: String. `"ridge"`, `"logme"` or `"h_score"`.
        """
        check_score(score)
        if all(np.isnan(getattr(row, score)) for row in self.rows):
            raise ValueError(
                'Sort by "ridge" or "logme": the H-score is defined for '
                f"classes only. Received: score={score!r}"
            )
        rows = sorted(self.rows, key=lambda row: -getattr(row, score))
        return Ranking(tuple(rows), score)

    def table(self) -> str:
        """Returns the ranking as a table in Markdown."""
        rows = self.rows
        columns = {
            "source": [row.source for row in rows],
            "canvas": [row.canvas for row in rows],
            "readout": [row.readout for row in rows],
            "features": [f"{row.num_features:,}" for row in rows],
            "ridge": [
                f"{row.ridge:.3f} ± {row.ridge_spread:.3f}" for row in rows
            ],
            "logme": [f"{row.logme:.3f}" for row in rows],
            "h_score": [
                "" if np.isnan(row.h_score) else f"{row.h_score:.3f}"
                for row in rows
            ],
            "seconds": [f"{row.seconds:.1f}" for row in rows],
        }
        return markdown_table(
            [[name, *cells] for name, cells in columns.items()]
        )


def rank_sources(
    sources: Mapping[str, Source] | Sequence[Source],
    x: Data,
    y: Data = None,
    readouts: Sequence[str] = READOUTS,
    canvases: Sequence[int | FixedShape] | None = None,
    score: str = "ridge",
    batch_size: int = 32,
    folds: int = 5,
    verbose: str | int = "auto",
) -> Ranking:
    """Ranks pretrained sources, their readouts and canvases for a task.

    Every source computes the samples once for each canvas; all readouts and
    scores are computed from these outputs:

    | readout | outputs |
    |---|---|
    | `"logits"` | the source's output; of probabilities, the logarithms or logits |
    | `"features"` | the inputs of its last layer, if that is dense |
    | `"stages"` | its stages, see `sources.stage_features`, if KerasHub defines them |

    | score | value |
    |---|---|
    | `"ridge"` | cross-validated accuracy of ridge regression, or R squared for numbers |
    | `"logme"` | largest log evidence of a linear map, see `logme` |
    | `"h_score"` | variance between classes with shrinkage, see `h_score` |

    Each stage is scaled to a mean norm of one. No program is trained, so the
    ranking is that of probes; `program_gain` compares a probe with a program.

    Example:

    ```python
    def classifier(filters):
        inputs = keras.Input((8, 8, 1))
        hidden = keras.layers.Conv2D(filters, 3, 2, activation="relu")(inputs)
        hidden = keras.layers.GlobalAveragePooling2D()(hidden)
        return keras.Model(inputs, keras.layers.Dense(6)(hidden))


    images = np.random.randint(0, 256, size=(30, 8, 8, 1), dtype="uint8")
    labels = np.arange(30) % 3
    ranking = keras_reprogram.diagnostics.rank_sources(
        {"narrow": classifier(2), "wide": classifier(16)},
        images,
        labels,
        verbose=0,
    )
    ranking.best.source  # "narrow" or "wide"
    ranking.table()
    ```

    Args:
        sources: Dictionary from names to sources, or list of sources. A source
            is a `keras.Model` that a `ReprogrammedModel` accepts, a list of
            several that are joined, or a tuple of either and of an input
            transformation for it. Without an input transformation, samples
            are resized to the source's input.
        x: Samples, as for `ReprogrammedModel.adapt`.
        y: Labels, if `x` is an array: classes `[N]`, or floating point numbers
            `[N]` or `[N, T]`, as for `logme`. Defaults to `None`.
        readouts: Sequence of strings. The readouts to compute where a source
            has them. Defaults to all three.
        canvases: Sequence of integers or of tuples. Sizes of the inputs of
            sources that accept more than one. Defaults to `None`, the size
            that a source was trained on.
        score: String. The score to sort by. Defaults to `"ridge"`.
        batch_size: Integer. Samples of a batch, if `x` is an array. Defaults
            to `32`.
        folds: Integer. Number of folds of the cross-validation. Defaults to
            `5`.
        verbose: 0 for silence, 1 or `"auto"` for a progress bar, 2 for a line
            at the end. Defaults to `"auto"`.

    Returns:
        A `Ranking`.

    Raises:
        ValueError: If there are no sources, none of them has any of
            `readouts`, or samples or labels are not valid.

    References:
        - [LogME](https://arxiv.org/abs/2102.11005)
        - [Transferability metrics](https://arxiv.org/abs/2110.06893)
    """  # noqa: E501
    check_score(score)
    if not readouts or not set(readouts) <= set(READOUTS):
        raise ValueError(
            f"`readouts` must be a list of some of {READOUTS}. Received: "
            f"readouts={readouts!r}"
        )
    positive_integer("batch_size", batch_size)
    if (integer(folds) or 0) < 2:
        raise ValueError(
            "`folds` must be an integer of at least 2. Received: "
            f"folds={folds!r}"
        )
    passes = planned_passes(sources, canvases)
    check_repeatable(x, len(passes))
    total = batches.number_of_batches(x, batch_size)
    number = len({item.name for item in passes})
    progress = Progress(
        f"Ranking {number} source{'s' if number > 1 else ''}",
        None if total is None else total * len(passes),
        verbose,
    )
    rows: list[RankedReadout] = []
    for item in passes:
        start = time.perf_counter()
        arrays, labels = item.run(x, y, readouts, batch_size, progress)
        seconds = time.perf_counter() - start
        for readout, features in arrays.items():
            rows.append(
                RankedReadout(
                    item.name,
                    item.canvas,
                    readout,
                    features.shape[1],
                    **scores_of(features, labels, folds),
                    seconds=seconds,
                )
            )
    progress.finish()
    if not rows:
        raise ValueError(
            "None of the sources has these readouts: pass "
            f"`readouts={READOUTS}`. Received: readouts={readouts}"
        )
    return Ranking(tuple(rows), score).sorted_by(score)


class Scores(TypedDict):
    """The scores of a readout."""

    ridge: float
    ridge_spread: float
    logme: float
    h_score: float


def scores_of(features: np.ndarray, labels: np.ndarray, folds: int) -> Scores:
    """Returns all scores of features `[N, D]`."""
    values, axes = spectrum(features)
    # All scores depend on the products of samples alone, so a rotation of the
    # features to fewer columns changes none.
    rotated = axes * np.sqrt(values)
    classes = class_indices(labels)
    by_fold = ridge_scores(rotated, labels, folds)
    return {
        "ridge": float(np.mean(by_fold)),
        "ridge_spread": float(np.std(by_fold, ddof=1) / np.sqrt(len(by_fold))),
        "logme": evidence(Spectrum(values, axes), target_columns(labels)),
        "h_score": float("nan")
        if classes is None
        else shrunk_h_score(rotated, features.shape[1], classes),
    }


def ridge_scores(
    features: np.ndarray, labels: np.ndarray, folds: int
) -> np.ndarray:
    """Returns the score on each fold, for the penalty that is best on average.

    Args:
        features: Array `[N, R]`.
        labels: Array of classes `[N]`, or of numbers `[N]` or `[N, T]`.
        folds: Integer. Number of folds.
    """
    classes, targets = class_indices(labels), target_columns(labels)
    strata = np.zeros(len(targets), int) if classes is None else classes
    kernel = features @ features.T
    scores = []
    for held_out in stratified_folds(strata, folds):
        train = np.setdiff1d(np.arange(len(targets)), held_out)
        solutions = ridge(
            kernel[np.ix_(train, train)], targets[train], targets.shape[1]
        )
        products = kernel[np.ix_(held_out, train)]
        center = targets[train].mean(axis=0)
        scores.append(
            [
                score_of(
                    solution.scores(products),
                    targets[held_out],
                    center,
                    classes is not None,
                )
                for solution in solutions
            ]
        )
    array = np.array(scores)
    best: np.ndarray = array[:, array.mean(axis=0).argmax()]
    return best


def score_of(
    predictions: np.ndarray,
    targets: np.ndarray,
    center: np.ndarray,
    are_classes: bool,
) -> float:
    """Returns the accuracy, or R squared of numbers."""
    if are_classes:
        right = predictions.argmax(axis=1) == targets.argmax(axis=1)
        return float(right.mean())
    error = ((predictions - targets) ** 2).sum()
    variation = ((targets - center) ** 2).sum()
    return float(1 - error / variation) if variation else 0.0


def check_score(score: str) -> None:
    if score not in SCORES:
        raise ValueError(
            f"`score` must be one of {SCORES}. Received: score={score!r}"
        )
