"""A source that can only be asked."""

import os
import warnings
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_reprogram.black_box.answer_cache import AnswerCache
from keras_reprogram.black_box.answer_cache import differs
from keras_reprogram.black_box.answer_cache import key
from keras_reprogram.black_box.host_call import NOT_EXPORTED
from keras_reprogram.black_box.host_call import host_call
from keras_reprogram.black_box.host_call import numeric_array
from keras_reprogram.black_box.named_classes import check_labels
from keras_reprogram.black_box.named_classes import check_scores
from keras_reprogram.black_box.named_classes import labels_and_scores
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.keras_internals import flatten_layers

Function = Callable[[np.ndarray], Any]

ACTIVATIONS = ("linear", "softmax", "sigmoid")
# How far outputs may be from probabilities, as they are rounded on their way.
VALUE_TOLERANCE = 1e-3
SUM_TOLERANCE = 0.1


class QueriedSource(keras.Model):
    """A source behind a Python function: no weights and no gradients.

    The function may be the client of a web service, an ONNX session, a model
    of scikit-learn or a Keras model of another backend. A `ReprogrammedModel`
    of it is trained with a `gradient_estimator`.

    Answers are cached: what is needed twice is asked once, also after a
    restart where `cache` is a file. The answers of a call of the function are
    in the file before the next call, so a process that is killed loses those
    under way and no others. The file also holds the number of classes, the
    input shape, the activation, and the first input with its answer. When a
    file with answers is used again, the function is first called with that
    input once more, which is not counted in `num_queries`; an answer that
    differs is an error, since the file is of another source.

    Example:

    ```python
    def classify(images):  # stands for a web service
        scores = np.exp(images.reshape(len(images), -1)[:, :6] / 255)
        return scores / scores.sum(axis=1, keepdims=True)

    source = keras_reprogram.black_box.QueriedSource(classify, (8, 8, 3), 6)
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((4, 4, 1), placement="pad"),
        keras_reprogram.LabelMapper(2, "frequency"),
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(),
        gradient_estimator=keras_reprogram.black_box.TwoSided(4),
    )
    images = np.random.randint(0, 256, size=(8, 4, 4, 1), dtype="uint8")
    model.fit(images, np.arange(8) % 2, verbose=0)
    ```

    Args:
        function: Takes a float32 NumPy array `[n, *input_shape]`, in units of
            the source, to an array or tensor `[n, num_classes]`, or to a
            dict or list that holds one.
        input_shape: Shape of an input, without the batch axis.
        num_classes: Number of source classes; 1 for a single probability or
            logit.
        from_logits: Whether the function returns logits (also logarithms of
            probabilities) instead of probabilities. Defaults to `False`.
        batch_size: Most inputs in one call of the function. Defaults to 256.
        cache: Path of a file for the answers, to be used for one source
            alone. Defaults to `":memory:"`, which keeps them as long as the
            object lives.
        name: Name of the model. Defaults to `"queried_source"`.
        activation: What makes the function's outputs: `"linear"` for logits,
            `"softmax"` for probabilities whose rows sum to 1, `"sigmoid"` for
            independent probabilities. Defaults to `None`: `"linear"` if
            `from_logits`, else `"sigmoid"` for a single class and `"softmax"`
            for more.

    Attributes:
        num_queries: Number of inputs that the function was asked about.
        num_cache_hits: Number of inputs whose answer was known already.

    Raises:
        ValueError: If an argument is not valid, or `cache` is no file of
            answers or is of another source. In use, if an input is not
            finite, or if an answer is not of the shape `(n, num_classes)`,
            not finite, or not what `activation` stands for.
    """

    # Known to `sources/`, which does not import this class.
    is_queried = True

    def __init__(
        self,
        function: Function,
        input_shape: Sequence[int],
        num_classes: int,
        from_logits: bool = False,
        batch_size: int = 256,
        cache: str | os.PathLike = ":memory:",
        name: str = "queried_source",
        activation: str | None = None,
    ) -> None:
        if not callable(function):
            raise ValueError(
                "`function` must take an array to an array. Received: "
                f"function={function!r}"
            )
        num_classes = positive_integer("num_classes", num_classes)
        input_shape = positive_integers("input_shape", input_shape)
        activation = output_activation(
            activation, boolean("from_logits", from_logits), num_classes
        )
        query = Query(
            function,
            num_classes,
            activation,
            positive_integer("batch_size", batch_size),
            AnswerCache(cache, input_shape, num_classes, activation),
        )
        inputs = keras.Input(input_shape)
        super().__init__(inputs, query(inputs), name=name)
        self.query = query
        self.run_eagerly = True

    @property
    def num_queries(self) -> int:
        return self.query.num_queries

    @num_queries.setter
    def num_queries(self, value: int) -> None:
        self.query.num_queries = value

    @property
    def num_cache_hits(self) -> int:
        return self.query.num_cache_hits

    def export(self, *args: Any, **kwargs: Any) -> None:
        check_exported(self)

    def get_config(self) -> dict[str, Any]:
        raise ValueError(
            "A source behind a function cannot be saved: save the program, by "
            "`save_program`, and load it with the source. Received: a model "
            "of a `QueriedSource`"
        )


def check_exported(source: keras.Model) -> None:
    """Raises where a function is a part of what is exported."""
    if any(isinstance(layer, Query) for layer in flatten_layers(source)):
        raise ValueError(NOT_EXPORTED)


def output_activation(
    activation: Any, from_logits: bool, num_classes: int
) -> str:
    """Returns the name of what makes a function's outputs, checked."""
    if activation is None:
        if from_logits:
            return "linear"
        return "softmax" if num_classes > 1 else "sigmoid"
    name = getattr(activation, "__name__", activation)
    if name not in ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {ACTIVATIONS}, or `None`. Received: "
            f"activation={activation!r}"
        )
    if from_logits and name != "linear":
        raise ValueError(
            "Logits have no activation: leave out `from_logits` or "
            f"`activation`. Received: from_logits=True, activation={name!r}"
        )
    if name == "softmax" and num_classes == 1:
        raise ValueError(
            'A softmax of one class is always 1: pass `activation="sigmoid"` '
            "for a single probability. Received: activation='softmax', "
            "num_classes=1"
        )
    return name


class Query(keras.layers.Layer):
    """Asks a function about a batch, in pieces, and remembers the answers."""

    # Known to `sources/`, which does not import this class.
    is_query = True

    def __init__(
        self,
        function: Function,
        num_classes: int,
        activation: str,
        batch_size: int,
        cache: AnswerCache,
    ) -> None:
        super().__init__(trainable=False, dtype="float32")
        self.supports_jit = False
        self.function = function
        self.num_classes = num_classes
        # Where it is known, a source's last activation tells its outputs.
        self.activation = keras.activations.get(activation)
        self.batch_size = batch_size
        self.cache = cache
        self.num_queries = self.num_cache_hits = 0
        self.answered = False

    def call(self, inputs: Any) -> Any:
        return host_call(self.evaluate, inputs, self.num_classes)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], self.num_classes))

    def evaluate(self, inputs: np.ndarray) -> np.ndarray:
        """Answers `[n, num_classes]`, from the cache where they are there."""
        inputs = np.asarray(inputs, "float32")
        if not len(inputs):
            return np.zeros((0, self.num_classes), "float32")
        if not np.isfinite(inputs).all():
            raise ValueError(
                "The inputs of the source must be finite numbers: look at the "
                "samples, and at the learning rate of the program. Received: "
                f"{np.count_nonzero(~np.isfinite(inputs))} of {inputs.size} "
                "that are not"
            )
        self.check_cache()
        keys = [key(sample) for sample in inputs]
        known = self.cache.read(keys)
        if known:
            self.check_values(
                np.stack(list(known.values())), " in the cache file"
            )
        # Alike inputs have one key, in the place of the first of them.
        missing = list(
            {k: row for row, k in enumerate(keys) if k not in known}.values()
        )
        for start in range(0, len(missing), self.batch_size):
            rows = missing[start : start + self.batch_size]
            answer = self.checked(self.function(inputs[rows]), len(rows))
            self.num_queries += len(rows)
            self.cache.write([keys[row] for row in rows], inputs[rows], answer)
            known.update(zip((keys[row] for row in rows), answer))
        self.num_cache_hits += len(keys) - len(missing)
        return np.stack([known[name] for name in keys])

    def check_cache(self) -> None:
        """Raises if the cache file is of another source."""
        if self.cache.probe is None:
            return
        sample, expected = self.cache.probe

        def ask() -> np.ndarray:
            return self.checked(self.function(sample[None]), 1)[0]

        answer = ask()
        if differs(answer, expected):
            if not differs(answer, ask()):
                raise ValueError(
                    "The cache file is of another source, or of this one "
                    "before it changed: pass another `cache`. Received: "
                    f"values from {answer.min():.4g} to {answer.max():.4g}, "
                    f"where the file has values from {expected.min():.4g} to "
                    f"{expected.max():.4g} for the same input"
                )
            warnings.warn(
                "The source returns different answers to the same input, so "
                "it cannot be told whether the cache file is of this source: "
                "if it is not, pass another `cache`.",
                stacklevel=2,
            )
        self.cache.probe = None

    def checked(self, answer: Any, count: int) -> np.ndarray:
        """The float32 array of what the function returned for some inputs."""
        answer = numeric_array(only_one(answer))
        wanted = (count, self.num_classes)
        if answer.shape != wanted:
            raise ValueError(
                f"The source must answer with an array of shape {wanted}; "
                "wrap a function that returns labels, or a few classes, in "
                "`probabilities_from_top_k`. Received: an answer of shape "
                f"{answer.shape}"
            )
        with np.errstate(over="ignore"):
            answer = answer.astype("float32")
        self.check_values(answer)
        return answer

    def check_values(self, answer: np.ndarray, place: str = "") -> None:
        finite = np.isfinite(answer)
        if not finite.all():
            raise ValueError(
                "The source must answer with finite numbers. Received: "
                f"{np.count_nonzero(~finite)} of {answer.size} that are "
                f"not{place}"
            )
        kind = self.activation.__name__
        sums = answer.sum(axis=1, dtype="float64")
        seen = (
            f"values from {answer.min():.4g} to {answer.max():.4g}, sums of "
            f"rows from {sums.min():.4g} to {sums.max():.4g}{place}"
        )
        if kind == "sigmoid" and not within(answer):
            raise ValueError(
                "The source must answer with probabilities, from 0 to 1: pass "
                "`from_logits=True` for logits, and divide percent by 100. "
                f"Received: {seen}"
            )
        if kind == "softmax" and not (
            within(answer) and np.abs(sums - 1.0).max() <= SUM_TOLERANCE
        ):
            raise ValueError(
                "The source must answer with probabilities, from 0 to 1, whose "
                "rows sum to 1. Pass `from_logits=True` for logits; divide "
                'percent by 100; pass `activation="sigmoid"` for independent '
                "probabilities; wrap a function that returns a few classes in "
                f"`probabilities_from_top_k`. Received: {seen}"
            )
        if (
            kind == "linear"
            and not self.answered
            and self.num_classes > 1
            and within(answer, 0.0)
            and np.abs(sums - 1.0).max() <= VALUE_TOLERANCE
        ):
            warnings.warn(
                "The source was declared to return logits, and its first "
                "answer looks like probabilities. If it returns "
                "probabilities, leave out `from_logits=True` and "
                f'`activation="linear"`. Received: {seen}',
                stacklevel=2,
            )
        self.answered = True


def within(values: np.ndarray, tolerance: float = VALUE_TOLERANCE) -> bool:
    """Whether values are from 0 to 1."""
    return bool(values.min() >= -tolerance and values.max() <= 1.0 + tolerance)


def only_one(answer: Any) -> Any:
    """The array in a dict or list of one array."""
    if isinstance(answer, Mapping):
        if len(answer) != 1:
            raise ValueError(
                "The source must answer with one array: return one of those "
                f"in the dict. Received: a dict with keys {list(answer)}"
            )
        return next(iter(answer.values()))
    if isinstance(answer, (list, tuple)) and len(answer) == 1:
        return answer[0] if numeric_array(answer[0]).ndim == 2 else answer
    return answer


def probabilities_from_top_k(
    function: Callable[[np.ndarray], Any], num_classes: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Makes probabilities of a source's few best answers.

    Of the classes that are named, each has the probability that is given; the
    rest is shared evenly by the others, or, where all classes are named, in
    proportion. A source that returns labels alone is taken to be certain to
    90 %, with more on labels named earlier: the k named share it in the
    proportion `1 : 1/2 : ... : 1/k`. A class that is named twice has the sum of
    both. What is lost is the order of the classes that are not named, and of
    inputs with the same label: with labels alone the loss is flat wherever no
    label changes, so take many directions and a large `smoothing`.

    Example:

    ```python
    source = keras_reprogram.black_box.QueriedSource(
        keras_reprogram.black_box.probabilities_from_top_k(
            lambda images: images.reshape(len(images), -1).argmax(axis=1) % 6,
            num_classes=6,
        ),
        input_shape=(8, 8, 3),
        num_classes=6,
    )
    ```

    Args:
        function: Takes an array `[n, ...]` to integer labels `[n]` or
            `[n, k]`; to a tuple or list of labels and their probabilities,
            both `[n, k]`; or, for each input, to pairs `(label, probability)`
            or to a dict from labels to probabilities, as many as there are. A
            list of two rows of integers for two inputs is labels.
        num_classes: Number of source classes.

    Returns:
        A function to probabilities `[n, num_classes]`.

    Raises:
        ValueError: In use, if labels are no integers from 0 to
            `num_classes - 1`, if scores are no probabilities, or if there is
            not one row for each input.
    """
    num_classes = positive_integer("num_classes", num_classes)

    def probabilities(inputs: np.ndarray) -> np.ndarray:
        labels, scores = labels_and_scores(function(inputs), len(inputs))
        labels = check_labels(labels, num_classes)
        if scores is None:
            scores = [shares(row, num_classes) for row in labels]
        else:
            scores = check_scores(scores, labels)
        result = np.zeros((len(inputs), num_classes))
        for row, named, given in zip(result, labels, scores):
            np.add.at(row, named, given)
            others = np.ones(num_classes, bool)
            others[named] = False
            if others.any():
                rest = max(1.0 - row.sum(), 0.0)
                row[others] = rest / np.count_nonzero(others)
            elif not row.any():
                row[:] = 1.0
            row /= row.sum()
        return result.astype("float32")

    return probabilities


def shares(named: np.ndarray, num_classes: int) -> np.ndarray:
    """Probabilities of labels that come without scores."""
    weights = 1.0 / np.arange(1, named.size + 1)
    certain = 0.9 if np.unique(named).size < num_classes else 1.0
    return certain * weights / weights.sum()
