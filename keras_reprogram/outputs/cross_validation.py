"""Scores of candidates on samples that they were not fitted to."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from keras_reprogram.representation import constructor_call
from keras_reprogram.tables import markdown_table


@dataclasses.dataclass(frozen=True, eq=False)
class CrossValidation:
    """Candidates, their scores on held-out samples, and the one chosen.

    Example:

    ```python
    found = keras_reprogram.outputs.CrossValidation(
        (0.1, 1.0), np.array([[0.5, 0.7], [0.4, 0.6]]), 1
    )
    found.chosen  # 1.0
    found.mean  # [0.6, 0.5]
    print(found.table())
    # | regularization | cross-entropy |        |
    # | -------------: | ------------: | :----- |
    # |            0.1 | 0.600 ± 0.100 |        |
    # |              1 | 0.500 ± 0.100 | chosen |
    ```

    Args:
        candidates: Sequence of names or values.
        scores: Array `[candidates, folds]`, NaN for a fold on which a
            candidate was not scored. With one column, as for generalized
            cross-validation, there is no spread.
        chosen_index: Integer. Index of the candidate that was chosen.
        score: String. What the scores are. Defaults to `"cross-entropy"`.
        candidate: String. What the candidates are. Defaults to
            `"regularization"`.
        other_scores: Dictionary from names to arrays `[candidates, folds]` of
            scores that are shown, not chosen by. Defaults to none.
        sample_indices: Integer array `[M]`. The samples of all folds, as they
            came. Defaults to `None`.
        predictions: Array `[M, T]`. What the chosen candidate predicts for each
            of them in the fold that left it out, for the choice of a threshold.
            Defaults to `None`.
    """

    candidates: Sequence[Any]
    scores: np.ndarray
    chosen_index: int
    score: str = "cross-entropy"
    candidate: str = "regularization"
    other_scores: Mapping[str, np.ndarray] = dataclasses.field(
        default_factory=dict
    )
    sample_indices: np.ndarray | None = None
    predictions: np.ndarray | None = None

    __repr__ = constructor_call

    @property
    def chosen(self) -> Any:
        """The candidate that was chosen."""
        return self.candidates[self.chosen_index]

    @property
    def mean(self) -> np.ndarray:
        """Mean score of each candidate over the folds, NaN without folds."""
        return mean_of(self.scores)

    @property
    def spread(self) -> np.ndarray:
        """Standard error of `mean` over the folds, NaN for fewer than two."""
        return standard_error_of(self.scores)

    def __str__(self) -> str:
        folds = self.scores.shape[1]
        by = f"mean and standard error of {folds} folds"
        if folds < 2:
            by = "no folds" if not folds else "one score each"
        return f"Choice of the {self.candidate} ({by}):\n{self.table()}"

    def table(self) -> str:
        """Returns a row for each candidate, as aligned Markdown.

        A cell is the mean over the folds, with its standard error, and the
        number of folds if a candidate was not scored on all.
        """
        columns = [[self.candidate, *map(text_of, self.candidates)]]
        for name, scores in {
            self.score: self.scores,
            **self.other_scores,
        }.items():
            columns.append([name, *cells_of(scores)])
        marks = [
            "chosen" if index == self.chosen_index else ""
            for index in range(len(self.candidates))
        ]
        return markdown_table([*columns, ["", *marks]])


class Solution(NamedTuple):
    """A linear map that was solved from data.

    Attributes:
        matrix: Array `[S, T]`.
        bias: Array `[T]`.
        cross_validation: The `CrossValidation` by which a setting was chosen,
            or `None`.
    """

    matrix: np.ndarray
    bias: np.ndarray
    cross_validation: CrossValidation | None = None

    def __repr__(self) -> str:
        return constructor_call(self)


def mean_of(scores: np.ndarray) -> np.ndarray:
    """Returns the means of rows over what is not NaN, NaN for nothing."""
    is_scored = ~np.isnan(scores)
    totals = np.where(is_scored, scores, 0.0).sum(axis=1)
    counts = is_scored.sum(axis=1)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def standard_error_of(scores: np.ndarray) -> np.ndarray:
    """Returns the standard errors of the means of rows."""
    is_scored = ~np.isnan(scores)
    counts = is_scored.sum(axis=1)
    deviations = scores - mean_of(scores)[:, None]
    squares = np.where(is_scored, np.square(deviations), 0.0).sum(axis=1)
    variance = squares / np.maximum(counts - 1, 1)
    errors = np.sqrt(variance / np.maximum(counts, 1))
    return np.where(counts > 1, errors, np.nan)


def cells_of(scores: np.ndarray) -> list[str]:
    """Returns means and standard errors as text."""
    folds = scores.shape[1]
    counts = (~np.isnan(scores)).sum(axis=1)
    cells = []
    for mean, error, count in zip(
        mean_of(scores), standard_error_of(scores), counts.tolist()
    ):
        has_spread = not np.isnan(error)
        cell = f"{mean:.3f} ± {error:.3f}" if has_spread else f"{mean:#.3g}"
        if 0 < count < folds:  # Others are means over other samples.
            cell += f" ({count} of {folds} folds)"
        cells.append(cell)
    return cells


def text_of(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def stratified_folds(
    labels: np.ndarray,
    num_folds: int,
    seed: int = 0,
    most_samples: int | None = None,
) -> list[np.ndarray]:
    """Returns folds of samples, with every class spread over all of them.

    A class has the same number of samples in every fold, or one more. So has
    the whole. Samples of binary targets are spread by their rarest label of 1.

    Args:
        labels: Integer array `[N]` of classes; or array `[N, T]` of 0, 1 and
            NaN.
        num_folds: Integer. Number of folds; as many as there are samples if
            these are fewer.
        seed: Integer. Seed of the order of samples. Defaults to `0`.
        most_samples: Integer. Number of samples in all folds together, of
            every class its share. Defaults to `None`, for all samples.

    Returns:
        A list of arrays of indices, none of them empty.
    """
    strata = labels
    if labels.ndim == 2:
        ones = labels == 1
        rarity = np.where(ones, ones.sum(axis=0), len(labels) + 1)
        strata = np.where(ones.any(axis=1), rarity.argmin(axis=1), -1)
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(strata[order], kind="stable")]
    if most_samples is not None and most_samples < len(order):
        places = np.linspace(0, len(order) - 1, most_samples).round()
        order = order[places.astype("int64")]
    return [
        order[first::num_folds] for first in range(min(num_folds, len(order)))
    ]


def is_missing(group: object) -> bool:
    """Whether a group is `None`, NaN, or a missing value of pandas."""
    try:
        return group is None or bool(group != group)
    except TypeError:  # pandas.NA is neither equal to itself nor not.
        return True


def grouped_folds(
    labels: np.ndarray, groups: np.ndarray, num_folds: int, seed: int = 0
) -> list[np.ndarray]:
    """Returns folds in which all samples of a group are together.

    Groups are put, the largest first, where the sizes of folds and the shares
    of classes become most even. With samples of one patient, writer or field in
    several folds, scores would be those of samples that resemble the training
    samples.

    Args:
        labels: Integer array `[N]` of classes.
        groups: Array `[N]`. What a sample belongs to: numbers or strings.
        num_folds: Integer. Number of folds; as many as there are groups if
            these are fewer.
        seed: Integer. Seed of the order of groups. Defaults to `0`.

    Returns:
        A list of arrays of indices, none of them empty.

    Raises:
        ValueError: If there is not one group for each sample.
    """
    groups = np.asarray(groups)
    if groups.shape != labels.shape:
        raise ValueError(
            "`groups` must hold one group for each sample. Received: groups of "
            f"shape {groups.shape} for {len(labels)} samples"
        )
    missing = [is_missing(group) for group in groups.tolist()]
    if any(missing):
        raise ValueError(
            "`groups` must hold a number or a string for every sample: give a "
            "sample without a group one of its own. Received: "
            f"{sum(missing)} missing groups"
        )
    if groups.dtype == object:  # such as numbers and strings, without an order
        groups = groups.astype(str)
    members = np.unique(groups, return_inverse=True)[1].reshape(-1)
    counts = np.zeros((members.max(initial=-1) + 1, labels.max(initial=0) + 1))
    np.add.at(counts, (members, labels), 1)
    # The size counts as much as all classes: groups of one class each would
    # leave every class as uneven in one fold as in another.
    sizes = counts.sum(axis=1, keepdims=True)
    counts = np.hstack([counts, np.repeat(sizes, counts.shape[1], axis=1)])
    totals = np.maximum(counts.sum(axis=0), 1)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    num_folds = min(num_folds, len(counts))
    filled = np.zeros((num_folds, counts.shape[1]))
    fold_of = np.zeros(len(counts), "int64")
    for position, group in enumerate(order):
        left = len(counts) - position
        empty = np.flatnonzero(filled.sum(axis=1) == 0)
        # Every fold gets a group.
        choices = empty if left <= len(empty) else np.arange(num_folds)
        shares = (filled[choices] + counts[group]) / totals
        others = filled / totals
        uneven = [
            np.var(
                np.vstack([np.delete(others, fold, axis=0), share]), axis=0
            ).mean()
            for fold, share in zip(choices, shares)
        ]
        fold_of[group] = choices[int(np.argmin(uneven))]
        filled[fold_of[group]] += counts[group]
    return [
        np.flatnonzero(fold_of[members] == fold) for fold in range(num_folds)
    ]
