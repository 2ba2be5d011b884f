"""The comparison of candidates, and the model that is chosen."""

import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs.cross_validation import CrossValidation
from keras_reprogram.progress import Progress
from keras_reprogram.selection import trials
from keras_reprogram.selection.candidates import RIDGE
from keras_reprogram.selection.candidates import Candidate
from keras_reprogram.selection.candidates import Evaluation
from keras_reprogram.selection.candidates import closed_forms
from keras_reprogram.selection.candidates import evaluate
from keras_reprogram.selection.models import model_of
from keras_reprogram.selection.residual import ResidualMap
from keras_reprogram.selection.training_data import TrainingData
from keras_reprogram.selection.trials import AttentiveTrial
from keras_reprogram.selection.trials import ProgramTrial
from keras_reprogram.selection.trials import Trial


class Row(NamedTuple):
    """A candidate in the table.

    Attributes:
        name: String.
        scores: Array `[folds]`.
        model: Function that returns the model.
        logits: Array `[N, T]` of logits of samples left out; `None` if there
            are none of some folds. Defaults to `None`.
    """

    name: str
    scores: np.ndarray
    model: Callable[[], ReprogrammedModel]
    logits: np.ndarray | None = None


class Comparison:
    """Candidates for a task, their scores, and the best of them.

    Args:
        data: The `TrainingData`.
        samples: Array `[N, ...]`.
        verbose: As for `Progress`.
    """

    def __init__(
        self, data: TrainingData, samples: np.ndarray, verbose: str | int
    ) -> None:
        self.parts, self.labeled = data.parts, data.labeled
        self.data, self.samples, self.verbose = data, samples, verbose
        self.rows: list[Row] = []
        self.evaluations: list[Evaluation] = []
        self.chosen = 0

    def progress(self, title: str, num_candidates: int) -> Progress:
        """Returns the progress of fitting candidates on each fold."""
        total = num_candidates * len(self.labeled.folds)
        return Progress(title, total, self.verbose, "fold")

    def score_closed_forms(self) -> None:
        """Scores the candidates that have a closed form; chooses one."""
        candidates = closed_forms(self.parts)
        progress = self.progress(
            f"Comparing {len(candidates)} candidates", len(candidates)
        )
        for candidate in candidates:
            self.add(candidate, self.data, progress)
        self.chosen = self.evaluations.index(self.best_closed_form())

    def score_augmented(
        self, data_of: Callable[[Sequence[int]], TrainingData]
    ) -> None:
        """Fits what was chosen to augmented copies of the samples as well.

        This is chosen unless it is behind by two standard errors: whoever
        passes an augmentation knows that it leaves labels as they are.

        Args:
            data_of: Function from indices of parts to their `TrainingData` with
                copies.
        """
        best = self.evaluations[self.chosen]
        data = data_of(best.candidate.parts)
        candidate = Candidate(
            f"{best.name}, augmented",
            tuple(range(len(data.parts))),
            best.candidate.solver,
        )
        progress = self.progress("Fitting to augmented copies", 1)
        found = self.add(candidate, data, progress)
        if not trials.is_better(best.scores, found.scores):
            self.chosen = len(self.rows) - 1

    def score_residual_map(self) -> None:
        """Scores a residual map of the best closed form's class scores."""
        best = self.evaluations[self.chosen]
        logits = self.residual_logits(best)
        self.add_if_better(
            Row(
                f"residual map, {best.name}",
                self.labeled.measures(logits),
                lambda: self.closed_form_model(best, with_residual=True),
                logits,
            )
        )

    def add(
        self, candidate: Candidate, data: TrainingData, progress: Progress
    ) -> Evaluation:
        """Scores a candidate that has a closed form."""
        found = evaluate(candidate, data, progress.add)
        self.evaluations.append(found)
        self.rows.append(
            Row(
                candidate.name,
                found.scores,
                lambda: self.closed_form_model(found),
                found.temperature * found.held_out,
            )
        )
        return found

    def best_closed_form(self) -> Evaluation:
        """Returns ridge regression on everything, or what is better.

        With few samples the highest of many scores is often so by chance.
        """
        default = max(
            self.evaluations,
            key=lambda found: (
                not self.has_views(found),
                len(found.candidate.parts),
                found.candidate.solver == RIDGE,
            ),
        )
        better = [
            found
            for found in self.evaluations
            if trials.is_better(found.scores, default.scores)
        ]
        return max([default, *better], key=self.measure)

    def has_views(self, found: Evaluation) -> bool:
        """Whether a candidate's features are averaged over views."""
        return bool(self.parts[found.candidate.parts[0]].views)

    def measure(self, found: Evaluation) -> float:
        """Returns a candidate's score on all held-out samples."""
        return self.labeled.measure(found.held_out)

    def add_if_better(self, row: Row) -> None:
        """Adds a row, and chooses it if it is ahead by two standard errors."""
        if trials.is_better(row.scores, self.rows[self.chosen].scores):
            self.chosen = len(self.rows)
        self.rows.append(row)

    def residual_logits(self, best: Evaluation) -> np.ndarray:
        """Returns logits of each fold, by the residual map of the others."""
        labeled = self.labeled
        logits = np.zeros_like(best.held_out)
        for fold in labeled.folds:
            rest = np.setdiff1d(labeled.of_known_classes, fold)
            residual = ResidualMap.fitted(
                best.held_out[rest], labeled.labels[rest], labeled.weights[rest]
            )
            logits[fold] = residual.logits(best.held_out[fold])
        return logits

    def closed_form_model(
        self, found: Evaluation, with_residual: bool = False
    ) -> ReprogrammedModel:
        """Returns the model of a candidate that has a closed form."""
        residual = None
        if with_residual:
            labeled, rows = self.labeled, self.labeled.of_known_classes
            residual = ResidualMap.fitted(
                found.held_out[rows],
                labeled.labels[rows],
                labeled.weights[rows],
            )
        return model_of(found, residual)

    def score_trials(
        self, seconds: float, augmentation: keras.layers.Layer | None
    ) -> None:
        """Trains candidates on fold after fold until the time is over.

        Args:
            seconds: Float.
            augmentation: Keras layer, or `None`.
        """
        found = self.trials(augmentation)
        progress = self.progress("Training candidates", len(found))
        end = time.monotonic() + seconds
        for index, trial in enumerate(found):
            # What one trial leaves of its share is for the next ones.
            share = (end - time.monotonic()) / (len(found) - index)
            scores = trials.run(
                trial, self.labeled, time.monotonic() + share, progress.add
            )
            self.add_if_better(Row(trial.name, scores, trial.model))
        progress.finish()

    def trials(self, augmentation: keras.layers.Layer | None) -> list[Trial]:
        """Returns the candidates that can be trained."""
        best = max(
            (
                found
                for found in self.evaluations
                if len(found.candidate.parts) == 1 and found.data is self.data
            ),
            key=self.measure,
        )
        (index,) = best.candidate.parts
        part = self.parts[index]
        found: list[Trial] = []
        if len(part.block_sizes) > 1 and not part.views:
            features = self.data.products.features[index]
            found.append(AttentiveTrial(part, features, self.labeled))
        if ProgramTrial.is_possible(part):
            found.append(ProgramTrial(part, best, self.samples, augmentation))
        return found

    def model(self) -> ReprogrammedModel:
        """Returns the chosen model."""
        return self.rows[self.chosen].model()

    @property
    def cross_validation(self) -> CrossValidation:
        """The candidates and their scores, the best first."""
        scores = np.full((len(self.rows), len(self.labeled.folds)), np.nan)
        for index, row in enumerate(self.rows):
            scores[index, : len(row.scores)] = row.scores
        logits = self.rows[self.chosen].logits
        rows = np.sort(np.concatenate(self.labeled.folds))
        return CrossValidation(
            [row.name for row in self.rows],
            scores,
            self.chosen,
            score="accuracy",
            candidate="candidate",
            sample_indices=None if logits is None else rows,
            predictions=None if logits is None else logits[rows],
        )
