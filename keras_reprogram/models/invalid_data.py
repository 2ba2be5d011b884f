"""What is wrong with data that flow by, counted where they are."""

import contextlib
from collections.abc import Iterator
from typing import Any
from typing import Protocol

import keras
from keras import ops

from keras_reprogram.replicas import summed_over_replicas

COUNTED = ("samples", "labels")


class CheckedModel(Protocol):
    """A model whose data are checked."""

    def expected_data(self) -> tuple[str, str]:
        """Returns what valid samples and labels are, for error messages."""


class InvalidData:
    """Counts what no step can take, on the device.

    What a data set yields is seen in the steps alone, where nothing can be
    raised and nothing is copied from: the counts are read at the end of an
    epoch. They are no metrics, which would be among what `fit` returns, and no
    attribute of the model that Keras would track.
    """

    def __init__(self) -> None:
        self.counts = keras.Variable(
            [0] * len(COUNTED),
            dtype="int32",
            trainable=False,
            aggregation="sum",
            name="invalid_data",
        )

    def add(self, *valid: Any) -> None:
        """Counts what is false, in a step.

        Args:
            *valid: Boolean tensors of any shape, for samples and for labels;
                `None` where everything is valid.
        """
        counts = [
            ops.sum(ops.cast(ops.logical_not(one), "int32"))
            for one in valid
            if one is not None
        ]
        if not counts:
            return
        zero = ops.zeros_like(counts[0])
        left = iter(counts)
        self.counts.assign_add(
            ops.stack([zero if one is None else next(left) for one in valid])
        )

    def read(self) -> list[int]:
        """Numbers of samples and of labels that were not valid."""
        counts = summed_over_replicas(self.counts.value)
        found: list[int] = ops.convert_to_numpy(counts).tolist()
        return found

    def any(self) -> bool:
        return any(self.read())

    def reset(self) -> None:
        self.counts.assign([0] * len(COUNTED))

    @contextlib.contextmanager
    def of_one_pass(self, model: CheckedModel) -> Iterator[None]:
        """Raises for what a pass over data counts, and for nothing else."""
        before = self.read()
        self.reset()
        try:
            yield
            self.check(model)
        finally:
            self.counts.assign(before)

    def check(self, model: CheckedModel) -> None:
        """Raises, once, for what has been counted.

        Raises:
            ValueError: If there was a sample or a label that is not valid.
        """
        samples, labels = self.read()
        if not samples and not labels:
            return
        self.reset()
        of_samples, of_labels = model.expected_data()
        wanted = []
        if samples:
            wanted.append(f"Samples must be {of_samples}.")
        if labels:
            wanted.append(f"Labels must be {of_labels}.")
        raise ValueError(
            f"{' '.join(wanted)} Look through the data set: a step has taken "
            f"others. Received: {samples} samples and {labels} labels that "
            "are not valid"
        )
