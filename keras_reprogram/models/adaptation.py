"""A pass over data for the label map alone."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_reprogram.models import batches
from keras_reprogram.models import checks
from keras_reprogram.models.compiled_loss import CompiledLoss

DEFAULT_BATCH_SIZE = 32


def source_outputs(
    model: Any,
    x: Any,
    y: Any,
    batch_size: int | None,
    steps: int | None,
    verbose: str | int,
    sample_weight: Any = None,
    longest: int | None = None,
    needs_outputs: bool = True,
) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray, Any]]:
    """Yields samples, outputs, labels and weights, with a progress bar.

    Args:
        model: A `ReprogrammedModel`.
        x: As for `ReprogrammedModel.adapt`, and so the others.
        y: Labels, where `x` is an array.
        batch_size: Samples of a batch, where `x` is an array.
        steps: Number of batches to look at, or `None` for all.
        verbose: 0 for silence, 1 or `"auto"` for a progress bar.
        sample_weight: Weights, where `x` is an array.
        longest: As for `batches.iterate`.
        needs_outputs: Whether the source is run; outputs are `None` if not.

    Yields:
        Samples, outputs `[N, ..., S]`, labels as they were given, and weights
        or `None`.
    """
    batch_size = batch_size or DEFAULT_BATCH_SIZE
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
    progress = keras.utils.Progbar(
        total, verbose=1 if verbose == "auto" else verbose
    )
    done = full = 0
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
        done += 1
        progress.update(done)
        yield samples, outputs, labels, weights
    progress.update(done, finalize=True)


def labeled_source_outputs(
    model: Any, *data: Any, **kwargs: Any
) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
    """Yields outputs and labels as a label map is solved from them.

    Args:
        model: A `ReprogrammedModel`.
        *data: As for `source_outputs`.
        **kwargs: As for `source_outputs`.

    Yields:
        Pairs of outputs `[N, ..., S]` and labels: integers `[N, ...]`, or
        `[N, ..., T]` where targets are binary.
    """
    mapper, loss = model.label_mapper, CompiledLoss.of(model)
    kwargs["needs_outputs"] = mapper.needs_outputs
    for _, outputs, labels, _ in source_outputs(model, *data, **kwargs):
        yield (
            outputs,
            mapper.standardize_labels(
                labels, loss.expects_integers, loss.ignored_label
            ),
        )
