"""Layer that calls a Python function and caches the answers."""

import warnings
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_reprogram.black_box.answer_cache import AnswerCache
from keras_reprogram.black_box.answer_cache import answers_differ
from keras_reprogram.black_box.answer_cache import input_key
from keras_reprogram.black_box.numeric_array import numeric_array
from keras_reprogram.black_box.numpy_function import call_numpy_function
from keras_reprogram.typing import Tensor

Function = Callable[[np.ndarray], Any]

# Rounding may move probabilities out of [0, 1], and their sums away from 1.
VALUE_TOLERANCE = 1e-3
SUM_TOLERANCE = 0.1


class QueryLayer(keras.layers.Layer):
    """Calls a function on a batch, in chunks, and caches the answers.

    Args:
        function: Callable. Maps an array `(n, *input_shape)` to an array
            `(n, num_classes)`.
        num_classes: Integer. The number of source classes.
        activation: String. The activation of the function's outputs.
        batch_size: Integer. The maximum number of inputs in one call.
        cache: An `AnswerCache`.
    """

    # Read in `sources/`, which does not import this class.
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
        # `inspect_source` reads the activation of a source's last layer.
        self.activation = keras.activations.get(activation)
        self.batch_size = batch_size
        self.cache = cache
        # Read in `sources/`; set by a source that takes the IDs of tokens.
        self.num_tokens: int | None = None
        self.num_queries = self.num_cache_hits = 0
        self.has_answered = False

    def call(self, inputs: Tensor) -> Tensor:
        return call_numpy_function(self.evaluate, inputs, self.num_classes)

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], self.num_classes))

    def evaluate(self, inputs: np.ndarray) -> np.ndarray:
        """Returns answers `(n, num_classes)`, from the cache if possible."""
        inputs = np.asarray(inputs, "float32")
        if not len(inputs):
            return np.zeros((0, self.num_classes), "float32")
        if not np.isfinite(inputs).all():
            raise ValueError(
                "The inputs of the source must be finite numbers: check the "
                "samples, and the learning rate of the program. Received: "
                f"{np.count_nonzero(~np.isfinite(inputs))} of {inputs.size} "
                "that are not"
            )
        self.check_cache()
        keys = [input_key(sample) for sample in inputs]
        answers = self.cache.read(keys)
        if answers:
            self.check_values(
                np.stack(list(answers.values())), " in the cache file"
            )
        # One row for each key, so equal inputs are queried once.
        row_of_key = {
            key: row for row, key in enumerate(keys) if key not in answers
        }
        missing_rows = list(row_of_key.values())
        for start in range(0, len(missing_rows), self.batch_size):
            rows = missing_rows[start : start + self.batch_size]
            answer = self.check_answer(self.function(inputs[rows]), len(rows))
            self.num_queries += len(rows)
            self.cache.write([keys[row] for row in rows], inputs[rows], answer)
            answers.update(zip((keys[row] for row in rows), answer))
        self.num_cache_hits += len(keys) - len(missing_rows)
        return np.stack([answers[key] for key in keys])

    def check_cache(self) -> None:
        """Checks once whether the cache file belongs to this source.

        Raises:
            ValueError: If it belongs to another source.
        """
        if self.cache.probe is None:
            return
        sample, expected = self.cache.probe

        def query_probe() -> np.ndarray:
            answers = self.check_answer(self.function(sample[None]), 1)
            return answers.reshape(-1)

        answer = query_probe()
        if answers_differ(answer, expected):
            if not answers_differ(answer, query_probe()):
                raise ValueError(
                    "The cache file is of another source, or of this one "
                    "before it changed: pass another `cache`. Received: "
                    f"values from {answer.min():.4g} to {answer.max():.4g}, "
                    f"where the file has values from {expected.min():.4g} to "
                    f"{expected.max():.4g} for the same input"
                )
            warnings.warn(
                "The source returns different answers to the same input, so "
                "it cannot be determined whether the cache file is of this "
                "source: if it is not, pass another `cache`.",
                stacklevel=2,
            )
        self.cache.probe = None

    def check_answer(self, answer: object, count: int) -> np.ndarray:
        """Returns an answer of the function as a float32 array.

        Args:
            answer: The return value of the function.
            count: Integer. The number of inputs.

        Raises:
            ValueError: If the answer is not valid.
        """
        array = numeric_array(unwrap_single(answer))
        expected_shape = (count, self.num_classes)
        if array.shape != expected_shape:
            raise ValueError(
                "The source must answer with an array of shape "
                f"{expected_shape}; wrap a function that returns labels, or a "
                "few classes, in `probabilities_from_top_k`. Received: an "
                f"answer of shape {array.shape}"
            )
        with np.errstate(over="ignore"):
            array = array.astype("float32")
        self.check_values(array)
        return array

    def check_values(self, answer: np.ndarray, place: str = "") -> None:
        finite = np.isfinite(answer)
        if not finite.all():
            raise ValueError(
                "The source must answer with finite numbers. Received: "
                f"{np.count_nonzero(~finite)} of {answer.size} that are "
                f"not{place}"
            )
        activation = self.activation.__name__
        sums = answer.sum(axis=1, dtype="float64")
        values = (
            f"values from {answer.min():.4g} to {answer.max():.4g}, sums of "
            f"rows from {sums.min():.4g} to {sums.max():.4g}{place}"
        )
        if activation == "sigmoid" and not in_unit_interval(answer):
            raise ValueError(
                "The source must answer with probabilities, from 0 to 1: pass "
                "`from_logits=True` for logits, and divide percent by 100. "
                f"Received: {values}"
            )
        if activation == "softmax" and not (
            in_unit_interval(answer)
            and np.abs(sums - 1.0).max() <= SUM_TOLERANCE
        ):
            raise ValueError(
                "The source must answer with probabilities, from 0 to 1, whose "
                "rows sum to 1. Pass `from_logits=True` for logits; divide "
                'percent by 100; pass `activation="sigmoid"` for independent '
                "probabilities; wrap a function that returns a few classes in "
                f"`probabilities_from_top_k`. Received: {values}"
            )
        if (
            activation == "linear"
            and not self.has_answered
            and self.num_classes > 1
            and in_unit_interval(answer, 0.0)
            and np.abs(sums - 1.0).max() <= VALUE_TOLERANCE
        ):
            warnings.warn(
                "The source was declared to return logits, and its first "
                "answer looks like probabilities. If it returns "
                "probabilities, leave out `from_logits=True` and "
                f'`activation="linear"`. Received: {values}',
                stacklevel=2,
            )
        self.has_answered = True


def in_unit_interval(
    values: np.ndarray, tolerance: float = VALUE_TOLERANCE
) -> bool:
    return bool(values.min() >= -tolerance and values.max() <= 1.0 + tolerance)


def unwrap_single(answer: object) -> Any:
    """Returns the array in a dictionary or list that holds a single one."""
    if isinstance(answer, Mapping):
        if len(answer) != 1:
            raise ValueError(
                "The source must answer with one array: return one of those "
                "in the dictionary. Received: a dictionary with keys "
                f"{list(answer)}"
            )
        return next(iter(answer.values()))
    if isinstance(answer, (list, tuple)) and len(answer) == 1:
        return answer[0] if numeric_array(answer[0]).ndim == 2 else answer
    return answer
