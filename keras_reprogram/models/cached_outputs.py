"""Training a label map on outputs that the source computes once."""

import functools
import tempfile
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np

from keras_reprogram.kept_state import KeptState
from keras_reprogram.models import adaptation
from keras_reprogram.models import class_weights
from keras_reprogram.outputs.label_weights import ClassWeight
from keras_reprogram.outputs.label_weights import Weighted
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor

if TYPE_CHECKING:
    from keras_reprogram.models.trainer import ReprogrammingTrainer


class CachedOutputs(keras.utils.PyDataset):
    """The source's outputs on samples, as batches of `(outputs, labels)`.

    Each sample goes through the source once. What is beyond the memory's
    limit is in a temporary file, and read batch by batch.

    Args:
        model: A `ReprogrammedModel`.
        x: As for `ReprogrammedModel.adapt`.
        y: Labels, where `x` is an array.
        sample_weight: Weights of the samples, where `x` is an array.
        batch_size: Samples of a batch.
        shuffle: Whether batches are drawn anew for each epoch.
        memory_limit: Bytes that are kept in memory.
        verbose: As for `Progress`.
        steps: Number of batches of a pass over a data set, or `None` for all.
        class_weight: Weights of classes, or `"balanced"`, by which the sample
            weights are multiplied. Defaults to `None`.
        title: String. What the progress bar counts batches of.
    """

    def __init__(
        self,
        model: "ReprogrammingTrainer",
        x: Data,
        y: Data,
        sample_weight: Data,
        batch_size: int,
        shuffle: bool,
        memory_limit: int,
        verbose: str | int,
        steps: int | None = None,
        class_weight: ClassWeight = None,
        title: str = "Computing the source's outputs",
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.shuffle = shuffle
        # As `keras.utils.set_random_seed` has set it.
        self.generator = np.random.default_rng(np.random.randint(2**31))
        self.outputs = Rows(memory_limit)
        self.samples = (
            Rows(memory_limit) if model.label_mapper.uses_samples else None
        )
        labels, weights = [], []
        for samples, outputs, *rest in adaptation.source_outputs(
            model,
            x,
            y,
            batch_size,
            None,
            verbose,
            sample_weight,
            steps,
            title=title,
        ):
            if outputs is not None:
                self.outputs.append(outputs)
            if self.samples is not None and samples is not None:
                self.samples.append(samples)
            model.check_labels(rest[0])
            labels.append(rest[0])
            weights.append(rest[1])
        if not labels:
            raise ValueError(
                "A label map is trained on at least one batch of data. "
                "Received: no batches"
            )
        self.labels = np.concatenate(labels)
        self.weights = None
        if any(part is not None for part in weights):
            self.weights = np.concatenate(
                [
                    np.ones(len(label), "float32") if part is None else part
                    for label, part in zip(labels, weights)
                ]
            )
        if class_weight is not None:
            self.weights = self.with_class_weights(model, class_weight)
        self.order = np.arange(len(self.labels))
        self.on_epoch_end()

    def with_class_weights(
        self,
        model: "ReprogrammingTrainer",
        class_weight: dict[int, float] | str,
    ) -> np.ndarray:
        """Returns the products of sample weights and class weights."""
        found = class_weights.resolved(
            model, class_weight, self.labels, self.labels, self.weights
        )
        class_weights.check_trained(model, found)
        return class_weights.of_samples(model, found, self.labels, self.weights)

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        outputs = self.outputs.read(rows)
        inputs = (
            outputs
            if self.samples is None
            else (outputs, self.samples.read(rows))
        )
        if self.weights is None:
            return inputs, self.labels[rows]
        return inputs, self.labels[rows], self.weights[rows]

    def on_epoch_end(self) -> None:
        if self.shuffle:
            self.generator.shuffle(self.order)

    def in_order(self) -> Iterator[Weighted]:
        """Batches of outputs, labels and weights, as they came."""
        for start in range(0, len(self.labels), self.batch_size):
            rows = np.arange(
                start, min(start + self.batch_size, len(self.labels))
            )
            weights = None if self.weights is None else self.weights[rows]
            yield self.outputs.read(rows), self.labels[rows], weights


class Rows:
    """Arrays of one shape, in memory up to a limit and in a file beyond it.

    Args:
        memory_limit: Integer. Bytes that are kept in memory.
    """

    def __init__(self, memory_limit: int) -> None:
        self.memory_limit = memory_limit
        self.file = tempfile.SpooledTemporaryFile(max_size=memory_limit)
        self.count = 0

    def append(self, rows: np.ndarray) -> None:
        """Adds rows, which must be before any are read."""
        self.shape, self.dtype = rows.shape[1:], rows.dtype
        self.file.write(rows.tobytes())
        self.count += len(rows)

    @functools.cached_property
    def array(self) -> np.ndarray:
        size = self.file.tell()
        self.file.seek(0)
        if size <= self.memory_limit:
            array = np.frombuffer(self.file.read(), self.dtype)
            self.file.close()
        else:
            self.file.rollover()
            self.file.flush()
            # The system keeps in memory what there is room for.
            array = np.memmap(self.file, self.dtype, "r")
        return array.reshape(self.count, *self.shape)

    def read(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.array[rows])


class Head(KeptState):
    """A label map whose loss is that of the whole model."""

    def __init__(
        self, inputs: Tensor, outputs: Tensor, model: "ReprogrammingTrainer"
    ) -> None:
        super().__init__(inputs, outputs)
        self.label_mapper = model.label_mapper
        # Keras would track the model itself as a part.
        self.reference = weakref.ref(model)

    def compute_loss(
        self,
        x: Data = None,
        y: Data = None,
        y_pred: Tensor = None,
        sample_weight: Data = None,
        training: bool = True,
    ) -> Tensor:
        model = self.reference()
        if model is not None:
            sample_weight = class_weights.of_positions(sample_weight, y_pred)
            y, y_pred = model.loss_arguments(y, y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training)


def head_of(model: "ReprogrammingTrainer", data: CachedOutputs) -> keras.Model:
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
    head = Head(inputs, model.label_mapper(outputs, samples), model)
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


def check(model: "ReprogrammingTrainer") -> None:
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
    augmentations = model.input_reprogrammer.augmentations
    if augmentations:
        raise ValueError(
            "Augmented samples are others in every epoch: use `fit`, or leave "
            "out `augmentation`. Received: "
            f"augmentation={augmentations[0]}"
        )
