"""The callback that resumes interrupted training."""

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
    """Resumes a `fit` that was interrupted at any moment.

    At the end of every epoch, one file receives the program, the label map with
    its statistics, the states of random generators, the optimizer, the search
    of `black_box.CMAES`, the number of queries, the state of the other
    callbacks and the epoch's number: all but the frozen source, which does not
    change. The file is replaced atomically, so that a process that is killed
    while it writes leaves the previous epoch. The same script, started again,
    resumes there and ends as an uninterrupted run does, if the data are in the
    same order: with `shuffle=False`, or a data set whose order depends on the
    epoch alone. The history that `fit` returns contains the epochs since.
    `keras.callbacks.BackupAndRestore` saves the source too, and may leave an
    incomplete file.

    `fit` calls this callback after all others, whatever its position in the
    list. The file contains the state of `RestoreBest`, `callbacks.QueryBudget`
    and `keras.callbacks.EarlyStopping`, `ModelCheckpoint`, `OrbaxCheckpoint`,
    `ReduceLROnPlateau`, `SwapEMAWeights` and `TensorBoard`, and of custom
    callbacks with the methods `get_state()`, which returns a dictionary of
    numbers, strings and arrays, and `set_state(state)`, which restores it. A
    `CSVLogger` needs `append=True`; the interrupted epoch may occur in it
    twice.

    The file is locked during training: another training with the same path
    raises an error. With several processes of `torch.distributed`, the first
    one writes, and all read.

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
        filepath: String or `os.PathLike`. Path of the file, in an existing
            folder. It is removed when training has ended, unless `keep`.
        keep: Boolean. Whether the file is kept when training has ended; a `fit`
            with more epochs then resumes from it. Defaults to `False`.

    Raises:
        ValueError: When training starts, if the file belongs to another
            training or cannot be written, another training uses it, or a
            callback would have another result after an interruption.
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
        """Locks the file for this training, and reads it.

        Args:
            callbacks: Sequence. All callbacks of `fit`.

        Raises:
            ValueError: If the file is of another kind or cannot be written,
                another training uses it, or a callback is not supported.
        """
        self.release()
        check_callbacks(callbacks, self.keep)
        self.callbacks = callback_states.named(
            [callback for callback in callbacks if callback is not self]
        )
        # Absolute, since the working directory may change later.
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
        """Unlocks the file."""
        if self.lock is not None:
            self.lock.close()
        self.lock, self.is_prepared = None, False

    # === In training ===

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.is_prepared:  # a training loop of the user
            self.prepare([])
        self.unknown = callback_states.Unknown(list(self.callbacks.values()))
        self._check_epoch_everywhere()
        if self.found is not None:
            self.resume(self.found)
        self.found = None
        callback_states.packed(self.states())  # Fails early.
        self.written = training_state.values_of(self.variables())

    def resume(self, found: "Checkpoint") -> None:
        variables = self.variables()
        current = training_state.values_of(variables)
        if list(map(shape_and_kind, found.values)) != list(
            map(shape_and_kind, current)
        ):
            raise ValueError(
                "The file belongs to the training of another model: remove "
                f"it, or pass another path. Received: filepath={self.filepath}"
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
                    for value, like in zip(found.values, current)
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
                        "The file contains a state that a callback does not "
                        "accept: remove the file, or pass the callback as "
                        f"before. Received: filepath={self.filepath}, and "
                        f"{type(callback).__name__}: {error}"
                    ) from error
        training_state.assign(variables, values)
        self._warn_of_new_callbacks(found)
        # As `keras.callbacks.BackupAndRestore` does.
        set_initial_epoch(self.model, found.epoch)
        if found.stopped and self.epochs() <= found.epochs:
            set_initial_epoch(self.model, max(found.epoch, self.epochs()))

    def epochs(self) -> int:
        return int((self.params or {}).get("epochs") or 0)

    def _warn_of_new_callbacks(self, found: "Checkpoint") -> None:
        new = [
            type(callback).__name__
            for name, callback in self.callbacks.items()
            if callback_states.has_state(callback)
            and name not in found.callbacks
        ]
        if new:
            warnings.warn(
                "The file of `ResumeTraining` has no state of some "
                f"callbacks, which are reset at epoch {found.epoch + 1}: "
                "pass the same ones as before, or remove the file to train "
                f"from the start. Received: {', '.join(new)}",
                stacklevel=2,
            )

    def _check_epoch_everywhere(self) -> None:
        """Raises a `ValueError` if processes resume from different epochs."""
        processes = process_group()
        if processes is None:
            return
        epoch = 0 if self.found is None else self.found.epoch
        first = ops.convert_to_tensor(np.array([epoch], "int64"))
        processes.broadcast(first, 0)
        if int(ops.convert_to_numpy(first)[0]) != epoch:
            raise ValueError(
                "All processes must resume from one file: pass a path in a "
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
        # The trained variables come first.
        lost = training_state.lost_and_learned(self.model, self.written, values)
        if lost:
            raise ValueError(
                "Trained weights are not finite, so the file is left as it "
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
        """Returns the progress of training besides variables."""
        progress = {"epoch": epoch}
        if getattr(self.model, "query_state", None) is not None:
            progress |= self.model.query_state.progress()
        mapper = getattr(self.model, "label_mapper", None)
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
    """Whether this process writes the file in distributed training."""
    processes = process_group()
    return processes is None or processes.get_rank() == 0


def check_callbacks(
    callbacks: Sequence[keras.callbacks.Callback], keep: bool
) -> None:
    """Raises a `ValueError` for callbacks that cannot be resumed."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "`keras.callbacks.BackupAndRestore` and `ResumeTraining` do "
                "the same: leave one of them out. Received: both"
            )
        if isinstance(callback, keras.callbacks.CSVLogger):
            if not callback.append:
                raise ValueError(
                    "Resumed training would overwrite the rows of the "
                    "previous epochs: pass `CSVLogger` the argument "
                    "`append=True`. Received: append=False, with "
                    "`ResumeTraining`"
                )
        if isinstance(callback, keras.callbacks.SwapEMAWeights):
            if keep and callback.swap_on_epoch:
                raise ValueError(
                    "After its last epoch `SwapEMAWeights` leaves only the "
                    "average, from which training cannot be resumed: pass "
                    "`ResumeTraining` the argument `keep=False`. Received: "
                    "keep=True, with swap_on_epoch=True"
                )


def locked(
    target: pathlib.Path, filepath: pathlib.Path
) -> contextlib.ExitStack:
    """Locks a file for one training, until it is closed or the process ends.

    Args:
        target: `pathlib.Path`. The file.
        filepath: `pathlib.Path`. The path that was passed, for messages.
    """
    path = target.with_name(f"{short_name(target)}.lock")
    # One lock for all threads: other threads are other trainings.
    filelock = optional_package("filelock", "resume", "ResumeTraining")
    lock = filelock.FileLock(path, timeout=0, thread_local=False)
    stack = contextlib.ExitStack()
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ValueError(
            "Another training uses the file: wait until it ends, or pass "
            f"another path. Received: filepath={filepath}"
        ) from None
    except PermissionError as error:
        raise ValueError(
            "A new file is written beside the old one, so the folder must "
            "be writable: pass a path in another folder. Received: "
            f"filepath={filepath}, and {error.strerror}"
        ) from error
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", None) == errno.EROFS:
            raise ValueError(
                "The file cannot be written: pass a path in another folder. "
                f"Received: filepath={filepath}, and {error}"
            ) from error
        warnings.warn(
            "The file cannot be locked: make sure that no other training uses "
            f"it. Received: filepath={filepath}, and {error}",
            stacklevel=2,
        )
        return stack
    stack.callback(lock.release)
    # Remove before the release, so that waiting processes notice it.
    stack.callback(remove, path)
    return stack


def remove(path: pathlib.Path) -> None:
    with contextlib.suppress(OSError):  # Windows does not remove open files.
        path.unlink(missing_ok=True)


# === The file ===


@dataclasses.dataclass
class Checkpoint:
    """The contents of a checkpoint file."""

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
    """Writes a file atomically.

    Args:
        filepath: `pathlib.Path`. Path of the file.
        progress: Dictionary of numbers and strings.
        values: List of arrays. Values of the variables.
        arrays: Sequence of the arrays in the states of callbacks. Defaults to
            `()`.
    """
    named_arrays: dict[str, Any] = {
        f"state_{index}": array for index, array in enumerate(arrays)
    }
    with atomic_write(filepath) as stream:
        np.savez(stream, *values, **{**named_arrays, **progress})


def shape_and_kind(value: np.ndarray) -> tuple[tuple[int, ...], bool]:
    return value.shape, value.dtype.kind == "f"


def damaged(filepath: pathlib.Path) -> ValueError:
    return ValueError(
        "The file was not written by `ResumeTraining`: remove it, or pass "
        f"another path. Received: filepath={filepath}"
    )


def read(filepath: pathlib.Path) -> Checkpoint:
    """Reads an untrusted file in no more memory than its size."""
    try:
        with zipfile.ZipFile(filepath) as archive:
            members = {
                info.filename.removesuffix(".npy"): read_array(archive, info)
                for info in archive.infolist()
            }
        values = numbered(members, "arr_")
        arrays = numbered(members, "state_")
        epoch = int(members.pop("epoch"))
        checkpoint = Checkpoint(
            epoch=epoch,
            epochs=int(members.pop("epochs", 0)),
            stopped=bool(members.pop("stopped", False)),
            values=values,
            callbacks=callback_states.unpacked(
                str(members.pop("callbacks", "{}")), arrays
            ),
            progress=members,
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
        found: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
    return found
