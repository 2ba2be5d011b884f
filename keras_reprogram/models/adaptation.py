"""A pass over data for the label map alone."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_reprogram.models import batches
from keras_reprogram.models import checks

DEFAULT_BATCH_SIZE = 32


def source_outputs(
    model: Any,
    x: Any,
    y: Any,
    batch_size: int | None,
    steps: int | None,
    verbose: str | int,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields samples, the source's outputs and labels, with a progress bar.

    Args:
        model: A `ReprogrammedModel`.
        x: As for `ReprogrammedModel.adapt`, and so the others.
        y: Labels, where `x` is an array.
        batch_size: Samples of a batch, where `x` is an array.
        steps: Number of batches to look at, or `None` for all.
        verbose: 0 for silence, 1 or `"auto"` for a progress bar.

    Yields:
        Samples, outputs `[N, ..., S]` and labels as they were given.
    """
    batch_size = batch_size or DEFAULT_BATCH_SIZE
    total = batches.number_of_batches(x, batch_size)
    if steps is not None:
        total = steps if total is None else min(total, steps)
    progress = keras.utils.Progbar(
        total, verbose=1 if verbose == "auto" else verbose
    )
    done = full = 0
    for samples, labels in batches.iterate(x, y, batch_size, steps):
        if labels is None:
            raise ValueError(
                "A label map is found from labelled data: pass `y`, or "
                "batches (x, y). Received: samples without labels"
            )
        checks.check_samples(samples, model.input_reprogrammer)
        # A smaller last batch would be compiled anew: fill it up.
        size = len(samples)
        full = max(full, size)
        filled = np.resize(np.arange(size), full)
        outputs = model.source_model.predict_on_batch(samples[filled])
        done += 1
        progress.update(done)
        yield samples, np.asarray(outputs[:size]), labels
    progress.update(done, finalize=True)


def labelled_source_outputs(
    model: Any, *data: Any
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields outputs and labels as a label map is solved from them.

    Args:
        model: A `ReprogrammedModel`.
        *data: As for `source_outputs`.

    Yields:
        Pairs of outputs `[N, ..., S]` and labels: integers `[N, ...]`, or
        `[N, ..., T]` where targets are binary.
    """
    for _, outputs, labels in source_outputs(model, *data):
        yield (
            outputs,
            model.label_mapper.solvable_labels(labels, model.expects_integers),
        )
