"""A source that can only be asked."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.sources.host_call import host_call

Function = Callable[[np.ndarray], np.ndarray]


class QueriedSource(keras.Model):
    """A source behind a Python function: no weights and no gradients.

    The function may be the client of a web service, an ONNX session, a model
    of scikit-learn or a Keras model of another backend. A `ReprogrammedModel`
    of it is trained with a `gradient_estimator`.

    Answers are remembered: what is needed twice is asked once, also after a
    restart where `memory` is a file. The answers of a call of the function are
    in the file before the next call, so a process that is killed loses those
    under way and no others.

    Example:

    ```python
    def classify(images):  # stands for a web service
        scores = np.exp(images.reshape(len(images), -1)[:, :6] / 255)
        return scores / scores.sum(axis=1, keepdims=True)

    source = keras_reprogram.sources.QueriedSource(classify, (8, 8, 3), 6)
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((4, 4, 1), placement="pad"),
        keras_reprogram.LabelMapper(2, "frequency"),
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(),
        gradient_estimator=keras_reprogram.zeroth_order.TwoSided(4),
    )
    images = np.random.randint(0, 256, size=(8, 4, 4, 1), dtype="uint8")
    model.fit(images, np.arange(8) % 2, verbose=0)
    ```

    Args:
        function: Takes a float32 NumPy array `[n, *input_shape]`, in units of
            the source, to an array `[n, num_classes]`.
        input_shape: Shape of an input, without the batch axis.
        num_classes: Number of source classes.
        from_logits: Whether the function returns logits, not probabilities.
        max_batch: Most inputs in one call of the function.
        memory: Path of a file for the answers, to be used for one source
            alone; `":memory:"` keeps them as long as the object lives.
        name: Name of the model.

    Attributes:
        asked: Number of inputs that the function was asked about.
        remembered: Number of inputs whose answer was known already.

    Raises:
        ValueError: In use, if the function's answer is not of the shape
            `(n, num_classes)` or not finite.
    """

    def __init__(
        self,
        function: Function,
        input_shape: Sequence[int],
        num_classes: int,
        from_logits: bool = False,
        max_batch: int = 256,
        memory: str | os.PathLike = ":memory:",
        name: str = "queried_source",
    ) -> None:
        if not callable(function):
            raise ValueError(
                "`function` must take an array to an array. Received: "
                f"function={function!r}"
            )
        num_classes = positive_integer("num_classes", num_classes)
        query = Query(
            function,
            num_classes,
            boolean("from_logits", from_logits),
            positive_integer("max_batch", max_batch),
            Memory(memory),
        )
        inputs = keras.Input(positive_integers("input_shape", input_shape))
        super().__init__(inputs, query(inputs), name=name)
        self.query = query
        self.run_eagerly = True

    @property
    def asked(self) -> int:
        return self.query.asked

    @asked.setter
    def asked(self, value: int) -> None:
        self.query.asked = value

    @property
    def remembered(self) -> int:
        return self.query.remembered

    def get_config(self) -> dict[str, Any]:
        raise ValueError(
            "A source behind a function cannot be saved: save the program, by "
            "`save_program`, and load it with the source. Received: a model "
            "of a `QueriedSource`"
        )


class Query(keras.layers.Layer):
    """Asks a function about a batch, in pieces, and remembers the answers."""

    def __init__(
        self,
        function: Function,
        num_classes: int,
        from_logits: bool,
        max_batch: int,
        memory: "Memory",
    ) -> None:
        super().__init__(trainable=False, dtype="float32")
        self.supports_jit = False
        self.function = function
        self.num_classes = num_classes
        # Where it is known, a source's last activation tells its outputs.
        self.activation = keras.activations.get(
            "linear" if from_logits else "softmax"
        )
        self.max_batch = max_batch
        self.memory = memory
        self.asked = self.remembered = 0

    def call(self, inputs: Any) -> Any:
        return host_call(self.answers, inputs, self.num_classes)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], self.num_classes))

    def answers(self, inputs: np.ndarray) -> np.ndarray:
        """Answers `[n, num_classes]`, from memory where they are there."""
        inputs = np.asarray(inputs, "float32")
        keys = [key(sample) for sample in inputs]
        known = self.memory.read(keys)
        # Alike inputs have one key, in the place of the first of them.
        missing = list(
            {k: row for row, k in enumerate(keys) if k not in known}.values()
        )
        for start in range(0, len(missing), self.max_batch):
            rows = missing[start : start + self.max_batch]
            answer = self.checked(self.function(inputs[rows]), len(rows))
            self.asked += len(rows)
            self.memory.write([keys[row] for row in rows], answer)
            known.update(zip((keys[row] for row in rows), answer))
        self.remembered += len(keys) - len(missing)
        if not keys:
            return np.zeros((0, self.num_classes), "float32")
        return np.stack([known[name] for name in keys])

    def checked(self, answer: Any, count: int) -> np.ndarray:
        answer = np.asarray(answer, "float32")
        wanted = (count, self.num_classes)
        if answer.shape != wanted:
            raise ValueError(
                f"The source must answer with an array of shape {wanted}. "
                f"Received: an answer of shape {answer.shape}"
            )
        if not np.isfinite(answer).all():
            raise ValueError(
                "The source must answer with finite numbers. Received: "
                f"{np.count_nonzero(~np.isfinite(answer))} of {answer.size} "
                "that are not"
            )
        return answer


class Memory:
    """Answers by the digest of their input, in a file or not."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.connection = sqlite3.connect(path, check_same_thread=False)
        with self.connection:
            self.connection.execute(
                "CREATE TABLE IF NOT EXISTS answers (input BLOB PRIMARY KEY, "
                "answer BLOB) WITHOUT ROWID"
            )

    def read(self, keys: list[bytes]) -> dict[bytes, np.ndarray]:
        found = {}
        for name in keys:
            row = self.connection.execute(
                "SELECT answer FROM answers WHERE input = ?", (name,)
            ).fetchone()
            if row is not None:
                found[name] = np.frombuffer(row[0], "<f4")
        return found

    def write(self, keys: list[bytes], answers: np.ndarray) -> None:
        rows = [
            (name, np.asarray(answer, "<f4").tobytes())
            for name, answer in zip(keys, answers)
        ]
        with self.connection:
            self.connection.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)", rows
            )


def key(sample: np.ndarray) -> bytes:
    content = np.ascontiguousarray(sample, "<f4").tobytes()
    return hashlib.blake2b(content, digest_size=20).digest()


def top_answers(
    function: Callable[[np.ndarray], Any], num_classes: int
) -> Function:
    """Makes probabilities of a source's few best answers.

    Of the classes that are named, each has the probability that is given; the
    rest is shared evenly by the others. A source that gives labels alone is
    taken to be certain to 90 %, with more on labels named earlier: the k named
    share it in the proportion `1 : 1/2 : ... : 1/k`. What is lost is the order
    of the classes that are not named, and of inputs with the same label: with
    labels alone the loss is flat wherever no label changes, so take many
    directions and a large `smoothing`.

    Example:

    ```python
    source = keras_reprogram.sources.QueriedSource(
        keras_reprogram.sources.top_answers(
            lambda images: images.reshape(len(images), -1).argmax(axis=1) % 6,
            num_classes=6,
        ),
        input_shape=(8, 8, 3),
        num_classes=6,
    )
    ```

    Args:
        function: Takes an array `[n, ...]` to labels `[n]` or `[n, k]`, or to
            a pair of labels and their probabilities, both `[n, k]`.
        num_classes: Number of source classes.

    Returns:
        A function to probabilities `[n, num_classes]`.
    """
    num_classes = positive_integer("num_classes", num_classes)

    def probabilities(inputs: np.ndarray) -> np.ndarray:
        labels = function(inputs)
        given = None
        if isinstance(labels, tuple):
            labels, given = labels
        labels = np.asarray(labels).reshape(len(inputs), -1).astype(int)
        named = labels.shape[1]
        if labels.min() < 0 or labels.max() >= num_classes:
            raise ValueError(
                f"Labels must be from 0 to {num_classes - 1}. Received: "
                f"labels from {labels.min()} to {labels.max()}"
            )
        if given is None:
            shares = 1.0 / np.arange(1, named + 1)
            share = 0.9 if named < num_classes else 1.0
            given = np.broadcast_to(share * shares / shares.sum(), labels.shape)
        given = np.asarray(given, "float64").reshape(labels.shape)
        others = max(num_classes - named, 1)
        rest = np.clip(1.0 - given.sum(axis=1, keepdims=True), 0.0, 1.0)
        result = np.broadcast_to(
            rest / others, (len(inputs), num_classes)
        ).copy()
        np.put_along_axis(result, labels, given, axis=1)
        return result.astype("float32")

    return probabilities
