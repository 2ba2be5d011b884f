"""A pass over data from which an output mapping is found."""

from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from keras_reprogram.configurable import positive_integer
from keras_reprogram.models import batches
from keras_reprogram.models import checks
from keras_reprogram.models.compiled_loss import CompiledLoss
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.outputs.label_weights import ClassWeights
from keras_reprogram.outputs.label_weights import Weighted
from keras_reprogram.progress import Progress
from keras_reprogram.progress import show
from keras_reprogram.typing import Data

if TYPE_CHECKING:
    from keras_reprogram.models.trainer import ReprogrammingTrainer

DEFAULT_BATCH_SIZE = 32
STEPS_OF_ADAPTATION_IN_FIT = 100
# Batches of an endless data set that are looked through for these, at most.
LONGEST_ADAPTATION_IN_FIT = 1000


def source_outputs(
    model: "ReprogrammingTrainer",
    x: Data,
    y: Data,
    batch_size: int | None,
    steps: int | None,
    verbose: str | int,
    sample_weight: Data = None,
    longest: int | None = None,
    needs_outputs: bool = True,
    title: str = "Computing the source's outputs",
) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray, Any]]:
    """Yields samples, outputs, labels and weights, with a progress bar.

    Args:
        model: A `ReprogrammedModel`.
        x: As for `ReprogrammedModel.adapt`, and so the others.
        y: Labels, where `x` is an array.
        batch_size: Samples of a batch, where `x` is an array.
        steps: Number of batches to look at, or `None` for all.
        verbose: As for `Progress`.
        sample_weight: Weights, where `x` is an array.
        longest: As for `batches.iterate`.
        needs_outputs: Whether the source is run; outputs are `None` if not.
        title: String. What the progress bar counts batches of.

    Yields:
        Samples, outputs `[N, ..., S]`, labels as they were given, and weights
        or `None`.
    """
    if batch_size is None:
        batch_size = DEFAULT_BATCH_SIZE
    batch_size = positive_integer("batch_size", batch_size)
    if steps is None and longest is None and batches.is_endless(x):
        raise ValueError(
            "A data set that does not end is taken in part: pass `steps` to "
            "`adapt`, `steps_per_epoch` to `fit_label_map`, or "
            "`validation_steps` for validation. Received: x="
            f"{type(x).__name__} without an end"
        )
    end = model.input_reprogrammer
    total = batches.number_of_batches(x, batch_size)
    if steps is not None:
        total = steps if total is None else min(total, steps)
    progress = Progress(title, total, verbose)
    full = 0
    for samples, labels, weights in batches.iterate(
        x,
        y,
        batch_size,
        steps,
        sample_weight=sample_weight,
        longest=longest,
    ):
        if labels is None:
            raise ValueError(
                "A label map is found from labeled data: pass `y`, or "
                "batches (x, y). Received: samples without labels"
            )
        if not batches.is_array(x):  # arrays were checked as a whole
            samples = checks.array_of_samples(samples, end)
            checks.check_samples(samples, end)
        outputs = None
        if needs_outputs:
            # A smaller last batch would be compiled anew: fill it up.
            size = len(samples)
            full = max(full, size)
            filled = np.resize(np.arange(size), full)
            found = model.source_model.predict_on_batch(samples[filled])
            outputs = np.asarray(found[:size])
        progress.add()
        yield samples, outputs, labels, weights
    progress.finish()


def adapt(
    model: "ReprogrammingTrainer",
    x: Data,
    y: Data,
    batch_size: int | None,
    steps: int | None,
    verbose: str | int,
    longest: int | None = None,
    sample_weight: Data = None,
    class_weights: ClassWeights | None = None,
) -> None:
    """Finds an output mapping from samples that have been checked.

    Args:
        model: A `ReprogrammedModel`.
        x: As for `ReprogrammedModel.adapt`, and so the others.
        y: Labels, where `x` is an array.
        batch_size: Integer.
        steps: Integer.
        verbose: 0, 1, 2 or `"auto"`.
        longest: Integer.
        sample_weight: Weights, where `x` is an array.
        class_weights: Weights of the classes. Defaults to `None`.
    """
    mapper = model.label_mapper
    if not mapper.needs_data:
        return
    kind = "label map" if isinstance(mapper, LabelMapper) else "output mapping"
    passes = source_outputs(
        model,
        x,
        y,
        batch_size,
        steps,
        verbose,
        sample_weight,
        longest=longest,
        needs_outputs=mapper.needs_outputs,
        title=f"Finding the {kind}",
    )
    adapt_to_outputs(
        model,
        ((outputs, labels, weights) for _, outputs, labels, weights in passes),
        verbose,
        class_weights,
    )


def adapt_to_outputs(
    model: "ReprogrammingTrainer",
    weighted: Iterable[Weighted],
    verbose: str | int,
    class_weights: ClassWeights | None = None,
) -> None:
    """Finds an output mapping, and shows by which scores.

    Args:
        model: A `ReprogrammedModel`.
        weighted: Iterable of outputs, labels as they were given, and sample
            weights or `None`.
        verbose: As for `adapt`.
        class_weights: Weights of the classes, which the sample weights do not
            contain. Defaults to `None`.
    """
    mapper, form = model.label_mapper, CompiledLoss.of(model).labels

    def standardized() -> Iterator[Weighted]:
        for outputs, labels, weights in weighted:
            labels = mapper.targets.standardized(labels, form)
            if class_weights is not None:
                weights = class_weights.of_samples(labels, weights)
            yield outputs, labels, weights

    mapper.adapt(standardized())
    if mapper.cross_validation is not None:
        show(str(mapper.cross_validation), verbose)


def adapt_for_fit(
    model: "ReprogrammingTrainer",
    x: Data,
    y: Data,
    validation_split: float,
    batch_size: int | None,
    verbose: str | int,
    steps: int | None,
    sample_weight: Data = None,
    class_weights: ClassWeights | None = None,
) -> Data:
    """Finds an output mapping; returns the samples that `fit` takes.

    Args:
        model: A `ReprogrammedModel`.
        x: Samples that have been checked, or a data set.
        y: Labels, where `x` is an array.
        validation_split: Float. Share of an array's samples, its last ones,
            that are not trained on.
        batch_size: As for `fit`, and so `verbose`.
        verbose: As for `fit`.
        steps: Integer. Number of steps of all epochs, or `None`.
        sample_weight: Weights, where `x` is an array; with class weights in
            them.
        class_weights: Weights of the classes, for a data set.
    """
    most = STEPS_OF_ADAPTATION_IN_FIT
    settings: dict[str, Any] = {"class_weights": class_weights}
    if batches.is_array(x):
        part = slice(int(len(x) * (1 - validation_split)))
        y_part = None if y is None else y[part]
        if sample_weight is not None:
            settings["sample_weight"] = batches.unwrap_single(sample_weight)[
                part
            ]
        adapt(model, x[part], y_part, batch_size, most, verbose, **settings)
        return x
    if not batches.is_reiterable(x):
        first, x = batches.replayed(x, min(most, steps or most))
        adapt(model, first, None, batch_size, None, verbose, **settings)
        return x
    longest = None
    if steps and batches.number_of_batches(x, 1) is None:
        longest = min(steps, LONGEST_ADAPTATION_IN_FIT)
    adapt(model, x, None, batch_size, most, verbose, longest, **settings)
    return x
