"""Training that goes on where a process was killed."""

import os
import pathlib
import zipfile
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.models.whole_file import written_whole


class ResumeTraining(keras.callbacks.Callback):
    """Goes on with a `fit` that was interrupted, at whatever moment.

    At the end of every epoch, one file receives the program, the label map
    with its statistics, the states of random generators, the optimizer, the
    search of `zeroth_order.CMAES`, the queries that were spent and the epoch's
    number: all but the frozen source, which is as it was. The
    file is replaced whole, so that a process that is killed while it writes
    leaves the epoch before. The same script, started again, goes on from
    there and ends as an unbroken run does, if the data come in the same
    order: with `shuffle=False`, or a data set whose order follows from the
    epoch. `keras.callbacks.BackupAndRestore` saves the source too, and may
    leave half a file.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(inputs, outputs),  # stands for a pretrained model
        label_mapper=keras_reprogram.LabelMapper(num_classes=2),
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x, y = np.random.rand(16, 8, 8, 3), np.arange(16) % 2
    resume = keras_reprogram.models.ResumeTraining("digits.training.npz")
    model.fit(x, y, epochs=2, shuffle=False, callbacks=[resume], verbose=0)
    ```

    Args:
        filepath: Path of the file. It is removed when training has ended.
        keep: Whether the file stays when training has ended; a `fit` of more
            epochs then goes on from it.
    """

    def __init__(self, filepath: str | os.PathLike, keep: bool = False) -> None:
        super().__init__()
        self.filepath = pathlib.Path(filepath)
        self.keep = keep

    def variables(self) -> list[keras.Variable]:
        model = self.model
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        fixed = {id(weight) for weight in model.source.weights}
        fixed -= {id(weight) for weight in model.learned_variables}
        return [
            *(weight for weight in model.variables if id(weight) not in fixed),
            *model.optimizer.variables,
            *(v for m in model.questions.metrics for v in m.variables),
        ]

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not self.filepath.exists():
            return
        variables = self.variables()
        progress, values = read(self.filepath)
        if [value.shape for value in values] != [
            tuple(variable.shape) for variable in variables
        ]:
            raise ValueError(
                "The file is of the training of another model: remove it, or "
                f"pass another path. Received: filepath={self.filepath}"
            )
        for variable, value in zip(variables, values):
            variable.assign(value)
        if "rounds" in progress:
            self.model.label_mapper.rounds = int(progress["rounds"])
        self.model.questions.resume(progress)
        # What Keras's own callback of this kind sets.
        self.model._initial_epoch = int(progress["epoch"])

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        values = [
            # NumPy has no bfloat16: a value is cast back when it is assigned.
            ops.convert_to_numpy(
                ops.cast(variable.value, "float32")
                if "bfloat16" in str(variable.dtype)
                else variable.value
            )
            for variable in self.variables()
        ]
        write(self.filepath, self.progress(epoch + 1), values)

    def progress(self, epoch: int) -> dict[str, Any]:
        """What tells how far training is, besides variables."""
        progress = {"epoch": epoch, **self.model.questions.progress()}
        rounds = getattr(self.model.label_mapper, "rounds", None)
        if rounds is not None:
            progress["rounds"] = rounds
        return progress

    def on_train_end(self, logs: dict | None = None) -> None:
        if not self.keep:
            self.filepath.unlink(missing_ok=True)


def write(
    filepath: pathlib.Path,
    progress: dict[str, Any],
    values: list[np.ndarray],
) -> None:
    """Writes a file whole, or leaves the old one as it was."""
    for left in filepath.parent.glob(f".{filepath.name}.*"):
        left.unlink(missing_ok=True)  # of a process that was killed
    with written_whole(filepath) as stream:
        np.savez(stream, *values, **progress)


def read(
    filepath: pathlib.Path,
) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    try:
        with np.load(filepath, allow_pickle=False) as archive:
            found = dict(archive)
        int(found["epoch"])
        count = sum(name.startswith("arr_") for name in found)
        values = [found.pop(f"arr_{index}") for index in range(count)]
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as e:
        raise ValueError(
            "The file is not one of `ResumeTraining`: remove it, or pass "
            f"another path. Received: filepath={filepath}"
        ) from e
    return found, values
