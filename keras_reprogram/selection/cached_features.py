"""Features that a source computes once, read from disk."""

import hashlib
import os
import pathlib
import tempfile
from collections.abc import Callable

import keras
import numpy as np

from keras_reprogram.black_box.queried_source import is_queried
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.keras_internals import flatten_layers
from keras_reprogram.resolvable import serialized
from keras_reprogram.saving.program_reader import without_names
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources.fingerprint import weight_digest


class CachedFeatures:
    """Features of samples, computed once and memory-mapped from files.

    A file's name is a digest of the source, of the input transformation and of
    the samples: features are found again in a later run, and those of another
    source or other samples never are. Those of a `QueriedSource`, whose
    function has no weights to tell it from another one, are not kept.

    Args:
        directory: Path of the files. Defaults to `None`, a temporary directory
            that `close` removes.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.directory = pathlib.Path(directory or self.temporary.name)
        self.directory.mkdir(parents=True, exist_ok=True)

    def temporary_file(self, name: str) -> pathlib.Path:
        """Returns the path of a file that `close` removes."""
        return pathlib.Path(self.temporary.name) / name

    def close(self) -> None:
        """Removes the temporary directory."""
        self.temporary.cleanup()

    def __enter__(self) -> "CachedFeatures":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def features(
        self,
        model: keras.Model,
        samples: np.ndarray,
        batch_size: int,
        on_batch: Callable[[int], None] | None = None,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """Returns the outputs of a model's source, as a memory map.

        Args:
            model: A `ReprogrammedModel`.
            samples: Array of samples.
            batch_size: Integer.
            on_batch: Function that is called with the number of samples of
                each batch that was computed or read.
            known: Array `[M, S]`. The features of the first `M` samples, which
                are not computed again. Defaults to `None`.

        Returns:
            Array `[N, S]`, read-only.
        """
        directory = self.directory
        if is_queried(model.source):
            directory = pathlib.Path(self.temporary.name)
        path = directory / (
            f"{digest(model.source, model.input_reprogrammer, samples)}.npy"
        )
        found = read(path, len(samples))
        if found is not None:
            if on_batch is not None:
                on_batch(len(samples))
            return found
        self.compute(path, model, samples, batch_size, on_batch, known)
        computed: np.ndarray = np.load(path, mmap_mode="r")
        return computed

    def compute(
        self,
        path: pathlib.Path,
        model: keras.Model,
        samples: np.ndarray,
        batch_size: int,
        on_batch: Callable[[int], None] | None,
        known: np.ndarray | None,
    ) -> None:
        # A pass that is interrupted leaves no file of this name.
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        os.close(handle)
        try:
            rows = None
            batch_size = min(batch_size, len(samples))
            count = 0 if known is None else len(known)
            for start in range(count, len(samples), batch_size):
                batch = samples[start : start + batch_size]
                # A smaller last batch would be compiled anew: fill it up.
                filled = np.resize(np.arange(len(batch)), batch_size)
                outputs = model.predict_source(batch[filled])[: len(batch)]
                if outputs.dtype.name == "bfloat16":  # Files have none.
                    outputs = outputs.astype("float32")
                check_features(outputs)
                if rows is None:
                    rows = np.lib.format.open_memmap(
                        partial,
                        "w+",
                        outputs.dtype,
                        (len(samples), *outputs.shape[1:]),
                    )
                    if known is not None:
                        rows[:count] = known
                rows[start : start + len(batch)] = outputs
                if on_batch is not None:
                    on_batch(len(batch))
            if rows is not None:
                rows.flush()
            os.replace(partial, path)
        finally:
            if os.path.exists(partial):
                os.remove(partial)


def read(path: pathlib.Path, num_samples: int) -> np.ndarray | None:
    """Returns the features in a file, `None` if it is missing or damaged."""
    try:
        found = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    is_whole = isinstance(found, np.ndarray) and len(found) == num_samples
    return found if is_whole else None


def check_features(outputs: np.ndarray) -> None:
    """Raises a `ValueError` unless outputs are finite numbers `[N, S]`."""
    if outputs.ndim != 2:
        raise ValueError(
            "A source must return one vector of features for each sample: "
            "pool its outputs over positions, as by `keras.Model(source.input, "
            "keras.layers.GlobalAveragePooling2D()(source.output))`. Received: "
            f"outputs of shape {outputs.shape}"
        )
    if not np.isfinite(outputs).all():
        raise ValueError(
            "The source's outputs must be finite: pass a source of dtype "
            "float32 if they exceed the range of float16. Received: outputs "
            f"of dtype {outputs.dtype} with NaN or infinity"
        )


def digest(
    source: keras.Model,
    transformation: InputTransformation,
    samples: np.ndarray,
) -> str:
    """Returns a name for the features of samples."""
    found = hashlib.blake2b(digest_size=20)
    described = fingerprint(source)
    for value in (
        described["weights"],
        described["architecture"]["steps"],
        described["architecture"]["outputs"],
        [layer.compute_dtype for layer in flatten_layers(source)],
        without_names(serialized(transformation)),
        [weight_digest(weight) for weight in transformation.weights],
        samples.shape,
        samples.dtype.str,
    ):
        found.update(repr(value).encode())
    found.update(np.ascontiguousarray(samples).data)
    return found.hexdigest()
