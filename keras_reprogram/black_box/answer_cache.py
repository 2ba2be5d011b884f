"""Answers of a source that outlive the process that asked for them."""

import hashlib
import json
import os
import sqlite3
import threading
import warnings
from typing import Any

import numpy as np

# One source in a batch of another size differs by some 0.003 in bfloat16.
PROBE_TOLERANCE = 1e-2
# Another process holds the file for one transaction of one batch.
LONGEST_WAIT = 20.0


class AnswerCache:
    """Answers by the digest of their input, in a file or not.

    A file also holds what it is of: the number of classes, the input shape,
    the activation, and a probe, which is the first input and its answer.
    Files of earlier versions do not; they get it with the next answer.

    Where the file cannot be written for now, as on a full disk, answers are
    kept in memory until it can be, and a warning says so.

    Args:
        path: Path of the file, or `":memory:"`.
        input_shape: Shape of an input, without the batch axis.
        num_classes: Number of source classes.
        activation: Name of the activation that makes the answers.

    Attributes:
        probe: The probe of a file that holds answers, until it is set to
            `None` by who has checked it.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        input_shape: tuple[int, ...],
        num_classes: int,
        activation: str,
    ) -> None:
        self.path = path
        self.input_shape = input_shape
        self.answer_shape = (num_classes,)
        self.description = json.dumps(
            {
                "num_classes": num_classes,
                "input_shape": input_shape,
                "activation": activation,
            }
        )
        self.described = False
        self.probe = None
        # Answers that are not in the file yet.
        self.waiting: dict[bytes, np.ndarray] = {}
        self.first: tuple[np.ndarray, np.ndarray] | None = None
        # A connection has one transaction at a time, whatever the threads.
        self.lock = threading.RLock()
        try:
            self.connection = sqlite3.connect(
                path, timeout=LONGEST_WAIT, check_same_thread=False
            )
        except (TypeError, ValueError, sqlite3.DatabaseError) as error:
            raise self.unreadable(error) from error
        try:
            self.open()
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise self.unreadable(error) from error
        except ValueError:
            self.connection.close()
            raise

    def open(self) -> None:
        tables = self.connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        if not tables:
            with self.connection:
                self.connection.execute(
                    "CREATE TABLE IF NOT EXISTS answers (input BLOB PRIMARY "
                    "KEY, answer BLOB) WITHOUT ROWID"
                )
        first = self.connection.execute(
            "SELECT answer FROM answers WHERE input IS NOT NULL LIMIT 1"
        ).fetchone()
        if first is not None:
            self.numbers(first[0], self.answer_shape)
        if ("source",) in tables:
            stored = dict(
                self.connection.execute("SELECT name, value FROM source")
            )
            self.check_description(stored["description"])
            self.probe = (
                self.numbers(stored["probe_input"], self.input_shape),
                self.numbers(stored["probe_answer"], self.answer_shape),
            )

    def check_description(self, stored: str) -> None:
        if stored != self.description:
            raise ValueError(
                "The cache file is of another source, or of other arguments: "
                f"pass another `cache`. Received: {self.description}, and in "
                f"{str(self.path)!r}: {stored}"
            )
        self.described = True

    def numbers(self, content: Any, shape: tuple[int, ...]) -> np.ndarray:
        """The float32 array that is stored in so many bytes."""
        length = len(content) if isinstance(content, bytes) else None
        wanted = 4 * int(np.prod(shape))
        if length != wanted:
            raise ValueError(
                "The cache file is damaged, or of a source with another "
                "number of classes: pass another `cache`, or delete the file. "
                f"Received: {length} bytes instead of {wanted} in "
                f"{str(self.path)!r}"
            )
        return np.frombuffer(content, "<f4").reshape(shape)

    def unreadable(self, error: Exception) -> ValueError:
        return ValueError(
            "`cache` must be the path of a file of answers, or of a new file "
            "in a folder that exists: pass another path, or delete a damaged "
            f"file. Received: cache={str(self.path)!r}, and {error}"
        )

    def read(self, keys: list[bytes]) -> dict[bytes, np.ndarray]:
        try:
            with self.lock:
                found = {k: self.waiting[k] for k in keys if k in self.waiting}
                for name in keys:
                    row = self.connection.execute(
                        "SELECT answer FROM answers WHERE input = ?", (name,)
                    ).fetchone()
                    if row is not None:
                        found[name] = self.numbers(row[0], self.answer_shape)
        except sqlite3.OperationalError as error:
            raise ValueError(
                "The cache file cannot be read: see whether another process "
                "holds it, or pass another `cache`. Received: "
                f"cache={str(self.path)!r}, and {error}"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self.unreadable(error) from error
        return found

    def write(
        self, keys: list[bytes], inputs: np.ndarray, answers: np.ndarray
    ) -> None:
        with self.lock:
            is_first = not self.waiting
            self.waiting.update(zip(keys, np.array(answers)))
            if self.first is None:
                self.first = np.array(inputs[0]), np.array(answers[0])
            described = self.described
            try:
                self.write_waiting()
            except sqlite3.OperationalError as error:
                self.described = described
                # Answers may be paid for: they are not lost for a full disk.
                if is_first:
                    warnings.warn(
                        "Answers cannot be written to the cache file, and "
                        "are kept in memory until they can be: free the file "
                        "or its disk before this process ends. Received: "
                        f"cache={str(self.path)!r}, and {error}",
                        stacklevel=2,
                    )
            except sqlite3.DatabaseError as error:
                raise self.unreadable(error) from error

    def write_waiting(self) -> None:
        rows = [(name, blob(held)) for name, held in self.waiting.items()]
        # One transaction: a process that is killed leaves all of it or none.
        with self.connection:
            self.connection.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)", rows
            )
            if not self.described:
                self.describe(*self.first)
        self.waiting.clear()

    def describe(self, sample: np.ndarray, answer: np.ndarray) -> None:
        """Adds what the file is of, unless another process just did."""
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS source (name TEXT PRIMARY KEY, value) "
            "WITHOUT ROWID"
        )
        self.connection.executemany(
            "INSERT OR IGNORE INTO source VALUES (?, ?)",
            [
                ("description", self.description),
                ("probe_input", blob(sample)),
                ("probe_answer", blob(answer)),
            ],
        )
        (stored,) = self.connection.execute(
            "SELECT value FROM source WHERE name = 'description'"
        ).fetchone()
        self.check_description(stored)


def blob(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def key(sample: np.ndarray) -> bytes:
    return hashlib.blake2b(blob(sample), digest_size=20).digest()


def differs(answer: np.ndarray, other: np.ndarray) -> bool:
    """Whether two answers to one input are of different sources."""
    largest = max(np.abs(answer).max(), np.abs(other).max())
    return bool(np.abs(answer - other).max() > PROBE_TOLERANCE * largest)
