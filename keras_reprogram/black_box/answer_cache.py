"""Cache of a source's answers, in memory or in a file."""

import hashlib
import json
import os
import sqlite3
import threading
import warnings

import numpy as np

# In bfloat16, answers differ by about 0.003 from one batch size to another.
PROBE_TOLERANCE = 1e-2
# Seconds to wait while another process writes the answers of one batch.
LONGEST_WAIT = 20.0


class AnswerCache:
    """Cache of answers, with a digest of the input as the key.

    A file also describes its source: the number of classes, the input shape,
    the activation, and a probe, which is the first input with its answer.
    Files of earlier versions have no description and get one with the next
    answer.

    While the file cannot be written, for example because the disk is full,
    answers are kept in memory, and a warning is issued.

    Args:
        path: String or path. The file, or `":memory:"`.
        input_shape: Tuple of integers. The shape of an input, without the
            batch axis.
        num_classes: Integer. The number of source classes.
        activation: String. The activation of the source's outputs.

    Attributes:
        probe: Pair of arrays. The probe of a file that holds answers, or
            `None`. The caller sets it to `None` once it has been checked.

    Raises:
        ValueError: If the file is not a file of answers, or has a different
            description.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
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
        self.is_described = False
        self.probe: tuple[np.ndarray, np.ndarray] | None = None
        # Answers that are not in the file yet.
        self.unwritten: dict[bytes, np.ndarray] = {}
        self.first_pair: tuple[np.ndarray, np.ndarray] | None = None
        # A connection allows one transaction at a time, in all threads.
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
        first_row = self.connection.execute(
            "SELECT answer FROM answers WHERE input IS NOT NULL LIMIT 1"
        ).fetchone()
        if first_row is not None:
            self.decode(first_row[0], self.answer_shape)
        if ("source",) in tables:
            stored = dict(
                self.connection.execute("SELECT name, value FROM source")
            )
            self.check_description(stored["description"])
            self.probe = (
                self.decode(stored["probe_input"], self.input_shape),
                self.decode(stored["probe_answer"], self.answer_shape),
            )

    def check_description(self, stored: str) -> None:
        if stored != self.description:
            raise ValueError(
                "The cache file is of another source, or of other arguments: "
                f"pass another `cache`. Received: {self.description}, and in "
                f"{str(self.path)!r}: {stored}"
            )
        self.is_described = True

    def decode(self, content: object, shape: tuple[int, ...]) -> np.ndarray:
        """Returns a float32 array from the bytes of the file."""
        expected_length = 4 * int(np.prod(shape))
        length = len(content) if isinstance(content, bytes) else None
        if not isinstance(content, bytes) or length != expected_length:
            raise ValueError(
                "The cache file is damaged, or of a source with another "
                "number of classes: pass another `cache`, or delete the file. "
                f"Received: {length} bytes instead of {expected_length} in "
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
        """Returns the answers that the cache holds, by their keys."""
        answers: dict[bytes, np.ndarray] = {}
        try:
            with self.lock:
                for key in keys:
                    if key in self.unwritten:
                        answers[key] = self.unwritten[key]
                    row = self.connection.execute(
                        "SELECT answer FROM answers WHERE input = ?", (key,)
                    ).fetchone()
                    if row is not None:
                        answers[key] = self.decode(row[0], self.answer_shape)
        except sqlite3.OperationalError as error:
            raise ValueError(
                "The cache file cannot be read: check whether another process "
                "holds it, or pass another `cache`. Received: "
                f"cache={str(self.path)!r}, and {error}"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self.unreadable(error) from error
        return answers

    def write(
        self, keys: list[bytes], inputs: np.ndarray, answers: np.ndarray
    ) -> None:
        """Adds answers, and writes them to the file if possible."""
        with self.lock:
            is_first_failure = not self.unwritten
            self.unwritten.update(zip(keys, np.array(answers)))
            if self.first_pair is None:
                self.first_pair = np.array(inputs[0]), np.array(answers[0])
            is_described = self.is_described
            try:
                self.write_to_file(*self.first_pair)
            except sqlite3.OperationalError as error:
                self.is_described = is_described
                # Queries may cost money, so answers are not discarded.
                if is_first_failure:
                    warnings.warn(
                        "Answers cannot be written to the cache file, and "
                        "are kept in memory until they can be: free the file "
                        "or its disk before this process ends. Received: "
                        f"cache={str(self.path)!r}, and {error}",
                        stacklevel=2,
                    )
            except sqlite3.DatabaseError as error:
                raise self.unreadable(error) from error

    def write_to_file(
        self, first_input: np.ndarray, first_answer: np.ndarray
    ) -> None:
        rows = [(key, encode(answer)) for key, answer in self.unwritten.items()]
        # One transaction, so that a process that is killed leaves no part.
        with self.connection:
            self.connection.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)", rows
            )
            if not self.is_described:
                self.describe(first_input, first_answer)
        self.unwritten.clear()

    def describe(self, sample: np.ndarray, answer: np.ndarray) -> None:
        """Writes the description, unless another process has written one."""
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS source (name TEXT PRIMARY KEY, value) "
            "WITHOUT ROWID"
        )
        self.connection.executemany(
            "INSERT OR IGNORE INTO source VALUES (?, ?)",
            [
                ("description", self.description),
                ("probe_input", encode(sample)),
                ("probe_answer", encode(answer)),
            ],
        )
        (stored,) = self.connection.execute(
            "SELECT value FROM source WHERE name = 'description'"
        ).fetchone()
        self.check_description(stored)


def encode(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def input_key(sample: np.ndarray) -> bytes:
    return hashlib.blake2b(encode(sample), digest_size=20).digest()


def answers_differ(answer: np.ndarray, other: np.ndarray) -> bool:
    """Whether two answers to one input come from different sources."""
    largest = max(np.abs(answer).max(), np.abs(other).max())
    return bool(np.abs(answer - other).max() > PROBE_TOLERANCE * largest)
