"""Training that goes on where a process was killed."""

import contextlib
import dataclasses
import errno
import math
import os
import pathlib
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.callbacks import callback_states
from keras_reprogram.callbacks import training_state
from keras_reprogram.keras_internals import set_initial_epoch
from keras_reprogram.optional_packages import optional_package
from keras_reprogram.replicas import process_group
from keras_reprogram.saving.atomic_write import atomic_write
from keras_reprogram.saving.atomic_write import checked_target
from keras_reprogram.saving.atomic_write import short_name


class ResumeTraining(keras.callbacks.Callback):
    """Goes on with a `fit` that was interrupted, at whatever moment.

    At the end of every epoch, one file receives the program, the label map
    with its statistics, the states of random generators, the optimizer, the
    search of `black_box.CMAES`, the queries that were spent, the state of
    the other callbacks and the epoch's number: all but the frozen source,
    which is as it was. The file is replaced whole, so that a process that is
    killed while it writes leaves the epoch before. The same script, started
    again, goes on from there and ends as an unbroken run does, if the data
    come in the same order: with `shuffle=False`, or a data set whose order
    follows from the epoch. The history that `fit` returns is that of the
    epochs since. `keras.callbacks.BackupAndRestore` saves the source too, and
    may leave half a file.

    `fit` calls this callback after all others, wherever it is in the list. Of
    the others the file holds the state of `RestoreBest`,
    `callbacks.QueryBudget` and `keras.callbacks.EarlyStopping`,
    `ModelCheckpoint`, `OrbaxCheckpoint`, `ReduceLROnPlateau`,
    `SwapEMAWeights` and `TensorBoard`, and of a callback of your own if it has
    the methods `get_state()`, which returns a dictionary of numbers, strings
    and arrays, and `set_state(state)`, which takes it. A `CSVLogger` must be
    one that appends; the epoch that was interrupted may be in it twice.

    While it trains, a process holds the file: another training with the same
    path is refused. In several processes of `torch.distributed` the first one
    writes, and all read.

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
    resume = keras_reprogram.callbacks.ResumeTraining("digits.training.npz")
    model.fit(x, y, epochs=2, shuffle=False, callbacks=[resume], verbose=0)
    ```

    Args:
        filepath: Path of the file, in a folder that is there. It is removed
            when training has ended.
        keep: Whether the file stays when training has ended; a `fit` of more
            epochs then goes on from it.

    Raises:
        ValueError: When training starts, if the file is not of this training
            or cannot be written, another training uses it, or a callback
            would end differently after an interruption.
    """

    def __init__(
        self, filepath: str | os.PathLike[str], keep: bool = False
    ) -> None:
        super().__init__()
        self.filepath = pathlib.Path(filepath)
        self.keep = keep
        self.lock: contextlib.ExitStack | None = None
        self.is_prepared = False

    def variables(self) -> list[keras.Variable]:
        model = self.model
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        query_state = getattr(model, "query_state", None)
        metrics = [] if query_state is None else query_state.metrics
        return [
            *training_state.trained_variables(model),
            *(v for metric in metrics for v in metric.variables),
        ]

    # === Before training ===

    def prepare(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Takes the file for this training, and reads what it holds.

        Args:
            callbacks: All callbacks of `fit`, of which the file has the state.

        Raises:
            ValueError: If the file is of another kind or cannot be written,
                another training uses it, or a callback does not go with it.
        """
        self.release()
        check_callbacks(callbacks, self.keep)
        self.callbacks = callback_states.named(
            [callback for callback in callbacks if callback is not self]
        )
        # Wherever the program goes: a path is that of the start.
        self.target = checked_target(self.filepath)
        if writes():
            self.lock = locked(self.target, self.filepath)
        try:
            self.found = None
            if self.target.exists():
                self.found = read(self.target)
            states = self.found.callbacks if self.found else {}
            for name, callback in self.callbacks.items():
                if hasattr(callback, "will_be_resumed"):
                    callback.will_be_resumed = name in states
            self.is_prepared = True
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Lets others use the file."""
        if self.lock is not None:
            self.lock.close()
        self.lock, self.is_prepared = None, False

    # === In training ===

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.is_prepared:  # a training loop of the user
            self.prepare([])
        self.unknown = callback_states.Unknown(list(self.callbacks.values()))
        self.check_epoch_everywhere()
        if self.found is not None:
            self.resume(self.found)
        self.found = None
        callback_states.packed(self.states())  # What cannot be is said now.
        self.written = training_state.values_of(self.variables())

    def resume(self, found: "Checkpoint") -> None:
        variables = self.variables()
        wanted = training_state.values_of(variables)
        if list(map(shape_and_kind, found.values)) != list(
            map(shape_and_kind, wanted)
        ):
            raise ValueError(
                "The file is of the training of another model: remove it, or "
                f"pass another path. Received: filepath={self.filepath}"
            )
        try:
            if "steps_since_solve" in found.progress:
                self.model.label_mapper.steps_since_solve = int(
                    found.progress["steps_since_solve"]
                )
            if getattr(self.model, "query_state", None) is not None:
                self.model.query_state.resume(found.progress)
            with np.errstate(all="ignore"):
                values = [
                    value.astype(like.dtype)
                    for value, like in zip(found.values, wanted)
                ]
            if any(map(training_state.lost_numbers, found.values, values)):
                raise ValueError("Received: values out of range")
        except Exception as error:
            raise damaged(self.filepath) from error
        for name, callback in self.callbacks.items():
            if name in found.callbacks:
                try:
                    state = found.callbacks[name]
                    callback_states.restore(callback, self.model, state)
                except Exception as error:
                    raise ValueError(
                        "The file holds a state that a callback does not "
                        "take: remove the file, or pass the callback as "
                        f"before. Received: filepath={self.filepath}, and "
                        f"{type(callback).__name__}: {error}"
                    ) from error
        training_state.assign(variables, values)
        self.warn_of_new_callbacks(found)
        # What Keras's own callback of this kind sets.
        set_initial_epoch(self.model, found.epoch)
        if found.stopped and self.epochs() <= found.epochs:
            set_initial_epoch(self.model, max(found.epoch, self.epochs()))

    def epochs(self) -> int:
        return int((self.params or {}).get("epochs") or 0)

    def warn_of_new_callbacks(self, found: "Checkpoint") -> None:
        new = [
            type(callback).__name__
            for name, callback in self.callbacks.items()
            if callback_states.has_state(callback)
            and name not in found.callbacks
        ]
        if new:
            warnings.warn(
                "The file of `ResumeTraining` holds no state of some "
                f"callbacks, which start anew with epoch {found.epoch + 1}: "
                "pass the same ones as before, or remove the file to train "
                f"from the start. Received: {', '.join(new)}",
                stacklevel=2,
            )

    def check_epoch_everywhere(self) -> None:
        """Raises if other processes go on from another epoch."""
        processes = process_group()
        if processes is None:
            return
        epoch = 0 if self.found is None else self.found.epoch
        first = ops.convert_to_tensor(np.array([epoch], "int64"))
        processes.broadcast(first, 0)
        if int(ops.convert_to_numpy(first)[0]) != epoch:
            raise ValueError(
                "All processes must go on from one file: pass a path in a "
                f"folder that they share. Received: filepath={self.filepath}, "
                f"with {epoch} epochs, and another number in the first process"
            )

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        set_initial_epoch(self.model, None)  # in this `fit` only

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        values = training_state.values_of(self.variables())
        # What is trained comes first among them.
        lost = training_state.lost_and_learned(self.model, self.written, values)
        if lost:
            raise ValueError(
                "What was learned is not finite, so the file is left as it "
                "was: look for NaN or infinity in the samples, or lower the "
                f"learning rate. Received: {lost} values after epoch "
                f"{epoch + 1}"
            )
        self.unknown.warn()
        self.written = values
        if writes():
            content, arrays = callback_states.packed(self.states())
            write(
                self.target,
                {
                    **self.progress(epoch + 1),
                    "stopped": bool(self.model.stop_training),
                    "epochs": self.epochs(),
                    "callbacks": content,
                },
                values,
                arrays,
            )

    def states(self) -> dict[str, dict[str, Any]]:
        return {
            name: callback_states.state_of(callback, self.model)
            for name, callback in self.callbacks.items()
            if callback_states.has_state(callback)
        }

    def progress(self, epoch: int) -> dict[str, Any]:
        """What tells how far training is, besides variables."""
        progress = {"epoch": epoch}
        if getattr(self.model, "query_state", None) is not None:
            progress |= self.model.query_state.progress()
        mapper = self.model.label_mapper
        steps_since_solve = mapper and mapper.steps_since_solve
        if steps_since_solve is not None:
            progress["steps_since_solve"] = steps_since_solve
        return progress

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        set_initial_epoch(self.model, None)
        if not self.keep and writes():
            self.target.unlink(missing_ok=True)
        self.release()

    def on_train_interrupted(self) -> None:
        set_initial_epoch(self.model, None)


def writes() -> bool:
    """Whether this process has the file, of those that train together."""
    processes = process_group()
    return processes is None or processes.get_rank() == 0


def check_callbacks(
    callbacks: Sequence[keras.callbacks.Callback], keep: bool
) -> None:
    """Raises if a callback ends differently after an interruption."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "`keras.callbacks.BackupAndRestore` does what `ResumeTraining` "
                "does: leave one of them out. Received: both"
            )
        if isinstance(callback, keras.callbacks.CSVLogger):
            if not callback.append:
                raise ValueError(
                    "Training that goes on would overwrite the rows of the "
                    "epochs before: pass `CSVLogger` the argument "
                    "`append=True`. Received: append=False, with "
                    "`ResumeTraining`"
                )
        if isinstance(callback, keras.callbacks.SwapEMAWeights):
            if keep and callback.swap_on_epoch:
                raise ValueError(
                    "After its last epoch `SwapEMAWeights` leaves the average "
                    "alone, from which no more epochs go on: pass "
                    "`ResumeTraining` the argument `keep=False`. Received: "
                    "keep=True, with swap_on_epoch=True"
                )


def locked(
    target: pathlib.Path, filepath: pathlib.Path
) -> contextlib.ExitStack:
    """Holds a file for one training, until it is closed or the process ends.

    Args:
        target: The file.
        filepath: The path that was passed, for messages.
    """
    path = target.with_name(f"{short_name(target)}.lock")
    # One for all threads: they are other trainings, as processes are.
    filelock = optional_package("filelock", "resume", "ResumeTraining")
    lock = filelock.FileLock(path, timeout=0, thread_local=False)
    stack = contextlib.ExitStack()
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ValueError(
            "Another training uses the file: let it end, or pass another "
            f"path. Received: filepath={filepath}"
        ) from None
    except PermissionError as error:
        raise ValueError(
            "A file is written whole beside the old one, in a folder that "
            "must be writable: pass a path in another folder. Received: "
            f"filepath={filepath}, and {error.strerror}"
        ) from error
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", None) == errno.EROFS:
            raise ValueError(
                "The file cannot be written: pass a path in another folder. "
                f"Received: filepath={filepath}, and {error}"
            ) from error
        warnings.warn(
            "The file cannot be locked: see to it that no other training uses "
            f"it. Received: filepath={filepath}, and {error}",
            stacklevel=2,
        )
        return stack
    stack.callback(lock.release)
    # While it is held: who opened it meanwhile sees that it is gone.
    stack.callback(remove, path)
    return stack


def remove(path: pathlib.Path) -> None:
    with contextlib.suppress(OSError):  # Windows removes no open file.
        path.unlink(missing_ok=True)


# === The file ===


@dataclasses.dataclass
class Checkpoint:
    """What a file holds."""

    epoch: int
    epochs: int
    stopped: bool
    values: list[np.ndarray]
    callbacks: dict[str, dict[str, Any]]
    progress: dict[str, np.ndarray]


def write(
    filepath: pathlib.Path,
    progress: dict[str, Any],
    values: list[np.ndarray],
    arrays: Sequence[np.ndarray] = (),
) -> None:
    """Writes a file whole, or leaves the old one as it was.

    Args:
        filepath: Path of the file.
        progress: Numbers and strings by name.
        values: Values of the variables.
        arrays: What the states of callbacks refer to.
    """
    named: dict[str, Any] = {
        f"state_{index}": array for index, array in enumerate(arrays)
    }
    with atomic_write(filepath) as stream:
        np.savez(stream, *values, **{**named, **progress})


def shape_and_kind(value: np.ndarray) -> tuple[tuple[int, ...], bool]:
    return value.shape, value.dtype.kind == "f"


def damaged(filepath: pathlib.Path) -> ValueError:
    return ValueError(
        "The file is not one of `ResumeTraining`: remove it, or pass "
        f"another path. Received: filepath={filepath}"
    )


def read(filepath: pathlib.Path) -> Checkpoint:
    """Reads a file, whatever it holds, in no more memory than its size."""
    try:
        with zipfile.ZipFile(filepath) as archive:
            found = {
                info.filename.removesuffix(".npy"): read_array(archive, info)
                for info in archive.infolist()
            }
        values = numbered(found, "arr_")
        arrays = numbered(found, "state_")
        epoch = int(found.pop("epoch"))
        checkpoint = Checkpoint(
            epoch=epoch,
            epochs=int(found.pop("epochs", 0)),
            stopped=bool(found.pop("stopped", False)),
            values=values,
            callbacks=callback_states.unpacked(
                str(found.pop("callbacks", "{}")), arrays
            ),
            progress=found,
        )
        if epoch < 0:
            raise ValueError(f"Received: epoch={epoch}")
    except Exception as error:
        raise damaged(filepath) from error
    return checkpoint


def numbered(found: dict[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    count = sum(name.startswith(prefix) for name in found)
    return [found.pop(f"{prefix}{index}") for index in range(count)]


def read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"Received: compress_type={info.compress_type}")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise ValueError(f"Received: version={version}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or size != info.file_size - member.tell():
            raise ValueError(f"Received: shape={shape}, dtype={dtype}")
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)
