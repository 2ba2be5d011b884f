"""Candidates in closed form, and their scores on held-out samples."""

import dataclasses
import itertools
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from keras_reprogram.outputs import kernel_regression
from keras_reprogram.outputs.kernel_regression import Dual
from keras_reprogram.outputs.kernel_regression import Solver
from keras_reprogram.outputs.logistic_regression import cross_entropy
from keras_reprogram.selection.labeled import Labeled
from keras_reprogram.selection.parts import Part
from keras_reprogram.selection.residual import temperature_of
from keras_reprogram.selection.training_data import TrainingData

RIDGE, LOGISTIC = "ridge", "logistic"
SOLVERS: dict[str, tuple[Solver, Sequence[float]]] = {
    RIDGE: (kernel_regression.ridge, kernel_regression.RIDGE_PENALTIES),
    LOGISTIC: (
        kernel_regression.logistic,
        kernel_regression.LOGISTIC_PENALTIES,
    ),
}
Setting = tuple[float, float]  # an exponent and a penalty
# A block of norm n is scaled to the norm n^(1 - e): 1 for the exponent 1.
EXPONENTS = {RIDGE: (0.0, 0.5, 1.0), LOGISTIC: (1.0,)}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A regression on the features of one or several parts.

    Args:
        name: String.
        parts: Tuple of integers. Indices of the parts whose features it reads.
        solver: String. `"ridge"` or `"logistic"`.
    """

    name: str
    parts: tuple[int, ...]
    solver: str = RIDGE


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """A candidate's scores on held-out samples.

    Args:
        candidate: The `Candidate`.
        data: The `TrainingData`.
        exponent: Float. How far the norms of blocks are made equal.
        penalty: Float. The penalty.
        scores: Array `[folds]`. The measure on each fold.
        held_out: Array `[N, T]`. Class scores of each sample, by the function
            that was fitted to the other folds.
        loss: Float. Mean squared or cross-entropy error, the lowest of all
            exponents and penalties.
    """

    candidate: Candidate
    data: TrainingData
    exponent: float
    penalty: float
    scores: np.ndarray
    held_out: np.ndarray
    loss: float

    @property
    def name(self) -> str:
        """Name of the candidate."""
        return self.candidate.name

    @property
    def temperature(self) -> float:
        """The factor that makes class scores calibrated logits."""
        labeled = self.data.labeled
        rows = labeled.of_known_classes
        return temperature_of(
            self.held_out[rows], labeled.labels[rows], labeled.weights[rows]
        )


def closed_forms(parts: Sequence[Part]) -> list[Candidate]:
    """Returns regressions of each part, and of parts that belong together.

    Those are one source with inputs of several sizes, several sources with
    inputs of one size, and everything.
    """
    found: dict[str, Candidate] = {}
    for has_views in (False, True):
        indices = [
            index
            for index, part in enumerate(parts)
            if bool(part.views) == has_views
        ]
        suffix = ", views" if has_views else ""
        groups: dict[tuple[int, ...], str] = {}
        for index in indices:
            groups[(index,)] = parts[index].name
        for key in ("origin", "canvas"):
            for value in dict.fromkeys(
                getattr(parts[index], key) for index in indices
            ):
                group = tuple(
                    index
                    for index in indices
                    if getattr(parts[index], key) == value
                )
                groups.setdefault(group, joined_name(parts, group) + suffix)
        if indices:
            groups.setdefault(tuple(indices), f"all joined{suffix}")
        for solver in SOLVERS:
            for group, name in groups.items():
                candidate = Candidate(f"{solver}, {name}", group, solver)
                # A logistic regression takes as long as ten of the others.
                if solver == RIDGE or len(group) in (1, len(indices)):
                    found[candidate.name] = candidate
    return list(found.values())


def joined_name(parts: Sequence[Part], group: Sequence[int]) -> str:
    """Returns a name for parts of one source, or with inputs of one size."""
    first = parts[group[0]]
    if all(parts[index].origin == first.origin for index in group):
        return f"{first.name.removesuffix(f' at {first.canvas}')}, all sizes"
    return "joined" if first.canvas is None else f"joined at {first.canvas}"


def evaluate(
    candidate: Candidate,
    data: TrainingData,
    on_fold: Callable[[], None] | None = None,
) -> Evaluation:
    """Scores a candidate by cross-validation.

    Penalty and scales are those with the lowest error of held-out samples,
    which with few samples varies less than their accuracy. They are chosen on
    stratified folds even where scores are of new groups: folds of few groups
    lack classes, and of a class that was never seen the error is lowest for a
    function that is nearly constant.

    Args:
        candidate: A `Candidate`.
        data: The `TrainingData`.
        on_fold: Function that is called after each fold.
    """
    labeled = data.labeled
    exponents = EXPONENTS[candidate.solver]
    settings = list(itertools.product(exponents, SOLVERS[candidate.solver][1]))
    progress = on_fold if not labeled.has_groups else None
    held_out = held_out_scores(
        candidate, settings, labeled.stratified, data, progress
    )
    losses = {
        setting: error_of(candidate, labeled, held_out[setting])
        for setting in settings
    }
    # The strongest penalty of several that are equally good.
    chosen = min(settings, key=lambda setting: (losses[setting], -setting[1]))
    if labeled.has_groups:
        held_out = held_out_scores(
            candidate, [chosen], labeled.folds, data, on_fold
        )
    return Evaluation(
        candidate,
        data,
        *chosen,
        labeled.measures(held_out[chosen]),
        held_out[chosen],
        losses[chosen],
    )


def held_out_scores(
    candidate: Candidate,
    settings: Sequence[Setting],
    folds: Sequence[np.ndarray],
    data: TrainingData,
    on_fold: Callable[[], None] | None = None,
) -> dict[Setting, np.ndarray]:
    """Returns the class scores of samples left out, for each setting.

    Args:
        candidate: A `Candidate`.
        settings: List of pairs of an exponent and a penalty.
        folds: List of arrays of indices.
        data: The `TrainingData`.
        on_fold: Function that is called after each fold.
    """
    labeled = data.labeled
    shape = len(labeled.labels), labeled.num_classes
    found = {setting: np.zeros(shape) for setting in settings}
    kernels = {
        exponent: data.products.kernel(candidate.parts, exponent)
        for exponent in dict.fromkeys(exponent for exponent, _ in settings)
    }
    for fold in folds:
        rest = labeled.rows_of(labeled.without(fold))
        for exponent, kernel in kernels.items():
            penalties = [
                penalty for other, penalty in settings if other == exponent
            ]
            duals = fitted(
                candidate, penalties, kernel[np.ix_(rest, rest)], labeled, rest
            )
            rows = kernel[np.ix_(fold, rest)]
            for penalty, dual in zip(penalties, duals):
                found[exponent, penalty][fold] = dual.scores(rows)
        if on_fold is not None:
            on_fold()
    return found


def error_of(
    candidate: Candidate, labeled: Labeled, scores: np.ndarray
) -> float:
    """Returns the weighted mean error that the candidate's solver minimizes."""
    rows = np.concatenate(labeled.stratified)
    scores, labels = scores[rows], labeled.labels[rows]
    weights = labeled.weights[rows]
    if candidate.solver == LOGISTIC:
        return cross_entropy(scores, labels, weights)
    targets = np.eye(labeled.num_classes)[labels]
    errors = np.square(scores - targets).sum(axis=1)
    return float(np.average(errors, weights=weights))


def solve(evaluation: Evaluation, rows: np.ndarray) -> Dual:
    """Fits a candidate, with its chosen penalty and scales, to samples.

    Args:
        evaluation: The candidate's `Evaluation`.
        rows: Indices of the rows of features to fit to.
    """
    candidate, data = evaluation.candidate, evaluation.data
    kernel = data.products.kernel(candidate.parts, evaluation.exponent)
    (dual,) = fitted(
        candidate,
        [evaluation.penalty],
        kernel[np.ix_(rows, rows)],
        data.labeled,
        rows,
    )
    return dual


def fitted(
    candidate: Candidate,
    penalties: Sequence[float],
    kernel: np.ndarray,
    labeled: Labeled,
    rows: np.ndarray,
) -> list[Dual]:
    """Fits a candidate to samples, with each of several penalties.

    A penalty leads to the same function whichever others it is fitted with:
    all start from the solutions of the stronger ones.

    Args:
        candidate: A `Candidate`.
        penalties: List of its solver's penalties.
        kernel: Array `[M, M]`. Inner products of the rows.
        labeled: All `Labeled` samples.
        rows: Indices `[M]` of the rows of features.
    """
    samples = rows % len(labeled.labels)
    solver, all_penalties = SOLVERS[candidate.solver]
    path = [penalty for penalty in all_penalties if penalty >= min(penalties)]
    duals = solver(
        kernel,
        labeled.labels[samples],
        labeled.num_classes,
        path,
        labeled.weights[samples],
    )
    found = dict(zip(path, duals))
    return [found[penalty] for penalty in penalties]
