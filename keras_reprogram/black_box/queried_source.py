"""A source model behind a Python function."""

import os
from collections.abc import Sequence
from typing import Any

import keras

from keras_reprogram.black_box.answer_cache import AnswerCache
from keras_reprogram.black_box.numpy_function import NOT_EXPORTED
from keras_reprogram.black_box.query_layer import Function
from keras_reprogram.black_box.query_layer import QueryLayer
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.keras_internals import flatten_layers
from keras_reprogram.sources.joined_source import parts_of

ACTIVATIONS = ("linear", "softmax", "sigmoid")


class QueriedSource(keras.Model):
    """A source behind a Python function, without weights or gradients.

    The function may be a client of a web service, an ONNX session, a
    scikit-learn model, or a Keras model of another backend. A
    `ReprogrammedModel` of it is trained with a `gradient_estimator`.

    Answers are cached, so the function is called once for each input, even
    after a restart if `cache` is a file. The answers of each call are written
    to the file before the next call, so a process that is killed loses the
    answers of one call at most.

    The file also holds the number of classes, the input shape, the
    activation, and the first input with its answer. When a file with answers
    is opened again, the function is first called with that input, which does
    not count in `num_queries`. If the answer differs, the file belongs to
    another source, and an error is raised.

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
        function: Callable. Maps a float32 NumPy array `(n, *input_shape)`, in
            the source's units, to an array or tensor `(n, num_classes)`, or
            to a dictionary or list that holds one.
        input_shape: Tuple of integers. The shape of an input, without the
            batch axis.
        num_classes: Integer. The number of source classes; 1 for a single
            probability or logit.
        from_logits: Boolean. Whether the function returns logits (or
            logarithms of probabilities) instead of probabilities. Defaults to
            `False`.
        batch_size: Integer. The maximum number of inputs in one call of the
            function. Defaults to `256`.
        cache: String or path. A file for the answers, to be used for one
            source only. Defaults to `":memory:"`, which keeps the answers as
            long as the object exists.
        name: String. The name of the model. Defaults to `"queried_source"`.
        activation: String. The activation of the function's outputs:
            `"linear"` for logits, `"softmax"` for probabilities whose rows
            sum to 1, `"sigmoid"` for independent probabilities. Defaults to
            `None`, which is `"linear"` if `from_logits`, else `"sigmoid"` for
            one class and `"softmax"` for more.

    Attributes:
        num_queries: Integer. The number of inputs for which the function was
            called.
        num_cache_hits: Integer. The number of inputs whose answer was in the
            cache.

    Raises:
        ValueError: If an argument is not valid, or if `cache` is not a file
            of answers or belongs to another source. In use, if an input is
            not finite, or if an answer does not have the shape
            `(n, num_classes)`, is not finite, or contradicts `activation`.
    """

    # Read in `sources/`, which does not import this class.
    is_queried = True
    input_dtype: str | None = None

    def __init__(
        self,
        function: Function,
        input_shape: Sequence[int],
        num_classes: int,
        from_logits: bool = False,
        batch_size: int = 256,
        cache: str | os.PathLike[str] = ":memory:",
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
        query = QueryLayer(
            function,
            num_classes,
            activation,
            positive_integer("batch_size", batch_size),
            AnswerCache(cache, input_shape, num_classes, activation),
        )
        inputs = keras.Input(input_shape, dtype=self.input_dtype)
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


def queried_sources(source: keras.Model) -> list[QueriedSource]:
    """Returns what is only queried: a source, or parts of a joined one."""
    found = {
        id(part): part
        for part in parts_of(source)
        if isinstance(part, QueriedSource)
    }
    return list(found.values())


def is_queried(source: keras.Model) -> bool:
    """Whether a function is part of a model."""
    return any(
        isinstance(layer, QueryLayer) for layer in flatten_layers(source)
    )


def check_exported(source: keras.Model) -> None:
    """Raises a `ValueError` if a function is part of an exported model."""
    if is_queried(source):
        raise ValueError(NOT_EXPORTED)


def output_activation(
    activation: object, from_logits: bool, num_classes: int
) -> str:
    """Returns the name of the activation of a function's outputs.

    Args:
        activation: String or activation function, or `None`.
        from_logits: Boolean. Whether the function returns logits.
        num_classes: Integer. The number of source classes.

    Raises:
        ValueError: If the arguments contradict each other.
    """
    if activation is None:
        if from_logits:
            return "linear"
        return "softmax" if num_classes > 1 else "sigmoid"
    name = getattr(activation, "__name__", activation)
    if not isinstance(name, str) or name not in ACTIVATIONS:
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
