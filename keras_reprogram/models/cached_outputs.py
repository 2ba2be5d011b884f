"""Training a label map on outputs that the source computes once."""

import tempfile
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_reprogram.models import adaptation


class CachedOutputs(keras.utils.PyDataset):
    """The source's outputs on samples, as batches of `(outputs, labels)`.

    Each sample goes through the source once. What is beyond the memory's
    limit is in a temporary file, and read batch by batch.

    Args:
        model: A `ReprogrammedModel`.
        x: As for `ReprogrammedModel.adapt`.
        y: Labels, where `x` is an array.
        batch_size: Samples of a batch.
        shuffle: Whether batches are drawn anew for each epoch.
        memory_limit: Bytes that are kept in memory.
        verbose: 0 for silence, 1 or `"auto"` for a progress bar.
    """

    def __init__(
        self,
        model: Any,
        x: Any,
        y: Any,
        batch_size: int,
        shuffle: bool,
        memory_limit: int,
        verbose: str | int,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.shuffle = shuffle
        # As `keras.utils.set_random_seed` has set it.
        self.generator = np.random.default_rng(np.random.randint(2**31))
        self.outputs = Rows(memory_limit)
        self.samples = (
            Rows(memory_limit) if model.label_mapper.looks_at_samples else None
        )
        labels = []
        for samples, outputs, batch_labels in adaptation.source_outputs(
            model, x, y, batch_size, None, verbose
        ):
            self.outputs.append(outputs)
            if self.samples is not None:
                self.samples.append(samples)
            labels.append(batch_labels)
        if not labels:
            raise ValueError(
                "A label map is trained on at least one batch of data. "
                "Received: no batches"
            )
        self.labels = np.concatenate(labels)
        self.order = np.arange(len(self.labels))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray]:
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        outputs = self.outputs.read(rows)
        if self.samples is not None:
            return (outputs, self.samples.read(rows)), self.labels[rows]
        return outputs, self.labels[rows]

    def on_epoch_end(self) -> None:
        if self.shuffle:
            self.generator.shuffle(self.order)

    def in_order(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of outputs and labels, as they came."""
        for start in range(0, len(self.labels), self.batch_size):
            rows = np.arange(
                start, min(start + self.batch_size, len(self.labels))
            )
            yield self.outputs.read(rows), self.labels[rows]


class Rows:
    """Arrays of one shape, in memory up to a limit and in a file beyond it.

    Args:
        memory_limit: Bytes that are kept in memory.
    """

    def __init__(self, memory_limit: int) -> None:
        self.file = tempfile.SpooledTemporaryFile(max_size=memory_limit)

    def append(self, rows: np.ndarray) -> None:
        rows = np.ascontiguousarray(rows)
        self.shape, self.dtype = rows.shape[1:], rows.dtype
        self.file.seek(0, 2)
        self.file.write(rows.tobytes())

    def read(self, rows: np.ndarray) -> np.ndarray:
        size = int(np.prod(self.shape)) * self.dtype.itemsize
        read = []
        for row in rows.tolist():
            self.file.seek(row * size)
            read.append(self.file.read(size))
        found = np.frombuffer(b"".join(read), self.dtype)
        return found.reshape(len(rows), *self.shape)


def head_of(model: Any, data: CachedOutputs) -> keras.Model:
    """The label map as a model of its own, compiled as the whole is."""
    outputs = keras.Input(data.outputs.shape, name="source_outputs")
    inputs, samples = outputs, None
    if data.samples is not None:
        samples = keras.Input(
            data.samples.shape,
            name="samples",
            dtype=model.input_reprogrammer.sample_dtype,
        )
        inputs = [outputs, samples]
    head = keras.Model(inputs, model.label_mapper.head(outputs, samples))
    config = model.get_compile_config()
    if config is None:
        raise ValueError(
            "The label map is compiled as the model is: compile it with a "
            "loss and metrics that Keras can serialize. Received: a model "
            "without a compile config"
        )
    settings = keras.saving.deserialize_keras_object(config)
    # The same optimizer: its state goes on from one to the other.
    head.compile(**{**settings, "optimizer": model.optimizer})
    return head


def check(model: Any) -> None:
    """Raises unless a label map is all that is trained."""
    mapper = model.label_mapper
    others = len(model.trainable_variables) - len(mapper.trainable_variables)
    if others or not mapper.trainable_variables:
        raise ValueError(
            "The source's outputs are the same in every epoch where a label "
            "map is all that is trained: set `input_reprogrammer.trainable = "
            "False` before `compile`, or use `fit`; a map that is not trained "
            "is found by `adapt`. Received: "
            f"{len(mapper.trainable_variables)} trained variables of the label "
            f"map and {others} others"
        )
    if getattr(model.input_reprogrammer, "augmentation", None) is not None:
        raise ValueError(
            "Augmented samples are others in every epoch: use `fit`, or leave "
            "out `augmentation`. Received: "
            f"augmentation={model.input_reprogrammer.augmentation}"
        )
