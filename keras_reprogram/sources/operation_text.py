"""Canonical text of layers and operations, from their class and arguments."""

import inspect
import numbers
from collections.abc import Callable
from collections.abc import Mapping

import keras
import numpy as np

from keras_reprogram.keras_internals import flatten_layers
from keras_reprogram.sources.canonical_values import as_text
from keras_reprogram.sources.canonical_values import canonical_array
from keras_reprogram.sources.canonical_values import canonical_number
from keras_reprogram.sources.canonical_values import is_array
from keras_reprogram.sources.canonical_values import short_digest
from keras_reprogram.sources.canonical_values import shortened
from keras_reprogram.sources.graph_steps import Value
from keras_reprogram.sources.graph_steps import reference
from keras_reprogram.sources.operation_arguments import VOCABULARY_ARGUMENTS
from keras_reprogram.sources.operation_arguments import attribute_or_value
from keras_reprogram.sources.operation_arguments import canonical_argument
from keras_reprogram.sources.operation_arguments import defaults_of
from keras_reprogram.sources.operation_arguments import is_complete
from keras_reprogram.sources.operation_arguments import is_ignored
from keras_reprogram.sources.operation_kinds import KNOWN_PACKAGES
from keras_reprogram.sources.operation_kinds import computes_in_floats
from keras_reprogram.sources.operation_kinds import has_known_code
from keras_reprogram.sources.operation_kinds import has_own_assets
from keras_reprogram.sources.operation_kinds import is_graph
from keras_reprogram.sources.operation_kinds import package_of
from keras_reprogram.typing import Tensor

# Class names under which Keras serializes plain values.
SERIALIZED_VALUES = ("__tuple__", "__numpy__", "__tensor__", "__ellipsis__")


class OperationText:
    """Writes layers and operations as canonical text.

    Names, regularization, arguments with their default value and those
    without effect in inference are left out.

    Args:
        describe_graph: Function. Returns the text of a functional model.

    Attributes:
        opaque: Boolean. Whether some text does not determine the computation
            that it describes.
        queried: Boolean. Whether some layer queries a function, as that of
            `QueriedSource` does.
    """

    def __init__(self, describe_graph: Callable[[keras.Model], str]) -> None:
        self.describe_graph = describe_graph
        self.opaque = False
        self.queried = False

    def operation(
        self, operation: keras.Operation, rank: int | None = None
    ) -> str:
        """Writes a layer or an operation with its class and arguments.

        Args:
            operation: `keras.Operation`. The layer or operation.
            rank: Integer. The number of axes of its input. Defaults to
                `None`, not known.

        Returns:
            The text.
        """
        if getattr(operation, "is_query", False):
            self.queried = True
            num_tokens = getattr(operation, "num_tokens", None)
            of_tokens = f" of {num_tokens} tokens" if num_tokens else ""
            return f"a queried function{of_tokens}"
        if is_graph(operation):
            return self.describe_graph(operation)
        if not has_known_code(operation):
            self.opaque = True
            return "a layer of its own code"
        kind = type(operation)
        config: dict[str, object]
        try:
            config = operation.get_config()
        except Exception:  # Some layers of KerasHub raise.
            config = {}
        if not is_complete(kind, config):
            self.opaque = True
        if isinstance(operation, keras.layers.Layer):
            text = self.layer_class(kind, config, operation, rank)
            return f"{text}{self.layer_state(operation)}"
        return f"ops.{self.operation_class(kind, config)}"

    def layer_state(self, layer: keras.layers.Layer) -> str:
        """Writes what neither the config nor the weights of a layer hold."""
        found = []
        if not computes_in_floats(layer):
            found.append(f" in {layer.compute_dtype}")
        for part in flatten_layers(layer):
            if has_own_assets(part):
                self.opaque = True
            if not hasattr(part, "get_vocabulary"):
                continue
            try:
                found.append(f" with {vocabulary_text(part)}")
            except Exception:  # A layer without a vocabulary yet raises.
                self.opaque = True
        return shortened("".join(found))

    def operation_class(self, kind: type, config: Mapping[str, object]) -> str:
        """Writes an operation of `keras.ops`, all of whose arguments count."""
        defaults = defaults_of(kind)
        found = {
            key: self.argument(key, value)
            for key, value in sorted(config.items())
            if key in defaults and key != "name"
        }
        return self.call_text(kind, found)

    def layer_class(
        self,
        kind: type,
        config: Mapping[str, object],
        layer: keras.layers.Layer | None = None,
        rank: int | None = None,
    ) -> str:
        """Writes a layer, or an object in the config of one."""
        defaults = defaults_of(kind)
        has_vocabulary = hasattr(layer, "get_vocabulary")
        found = {}
        for key, value in sorted(config.items()):
            if key not in defaults or is_ignored(key):
                continue
            if has_vocabulary and key in VOCABULARY_ARGUMENTS:
                continue
            if layer is not None and isinstance(value, (str, dict, list)):
                value = attribute_or_value(layer, key, value)
            found[key] = self.argument(key, value, rank)
        return self.call_text(kind, found)

    def call_text(self, kind: type, arguments: Mapping[str, object]) -> str:
        """Writes the call of a class, without its default arguments."""
        # A default that is opaque does not make the source so.
        opaque = self.opaque
        defaults = {
            key: self.argument(key, defaults_of(kind)[key]) for key in arguments
        }
        self.opaque = opaque
        texts = [
            f"{key}={shortened(as_text(value))}"
            for key, value in arguments.items()
            if value != defaults[key]
        ]
        return f"{kind.__name__}({', '.join(texts)})"

    def argument(
        self, key: str, value: object, rank: int | None = None
    ) -> object:
        return canonical_argument(key, self.plain(value), rank)

    def plain(self, value: object) -> object:
        """Converts a value to one that can be written as JSON."""
        if value is None or isinstance(
            value, (bool, str, np.bool_, numbers.Complex)
        ):
            return plain_scalar(value)
        if isinstance(value, (dict, list, tuple, slice)):
            return self.plain_collection(value)
        if isinstance(value, Value):
            return reference(value)
        if isinstance(value, keras.layers.Layer):
            return self.operation(value)
        if inspect.isroutine(value):
            return self.function(value)
        if is_array(value):
            return canonical_array(value)
        return self.plain_constant(value)

    def plain_collection(
        self,
        value: dict[str, object] | list[object] | tuple[object, ...] | slice,
    ) -> object:
        if isinstance(value, dict):
            if "class_name" in value and "config" in value:
                return self.serialized(value)
            return self.plain_dictionary(value)
        if isinstance(value, slice):
            ends = (value.start, value.stop, value.step)
            return {"slice": [self.plain(end) for end in ends]}
        return [self.plain(item) for item in value]

    def plain_dictionary(self, value: dict[str, object]) -> dict[str, object]:
        return {str(key): self.plain(value[key]) for key in sorted(value)}

    def plain_constant(self, value: object) -> object:
        if value is inspect.Parameter.empty:
            return ["required"]
        if value is Ellipsis:
            return "..."
        self.opaque = True
        return type(value).__name__

    def function(self, function: object) -> str:
        name: str = getattr(function, "__name__", "")
        if package_of(function) not in KNOWN_PACKAGES or name == "<lambda>":
            self.opaque = True
            return "a function"
        return name

    def serialized(self, config: Mapping[str, object]) -> object:
        """Converts an object that Keras serialized, such as a sublayer."""
        name, inner = config["class_name"], config["config"]
        if name in SERIALIZED_VALUES:
            return self.plain(inner)
        registered = str(config.get("registered_name"))
        packages = {
            str(config.get("module")).split(".")[0],
            registered.split(">")[0],
        }
        if not packages & {*KNOWN_PACKAGES} or not isinstance(inner, dict):
            self.opaque = True
            return str(name)
        kind = getattr(keras.layers, str(name), None) or (
            keras.saving.get_registered_object(registered)
        )
        if isinstance(kind, type):
            return self.layer_class(kind, inner)
        return {"class": name, **self.plain_dictionary(inner)}


def plain_scalar(value: object) -> object:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return canonical_number(value)
    return canonical_array(np.array(value))


def vocabulary_text(layer: Tensor) -> str:
    """Writes the number of a layer's tokens, and digests of their values."""
    tokens = [
        int(token) if isinstance(token, numbers.Integral) else str(token)
        for token in layer.get_vocabulary()
    ]
    text = f"{len(tokens)} tokens {short_digest(as_text(tokens).encode())}"
    weights = getattr(layer, "idf_weights_const", None)
    if weights is None:
        return text
    return f"{text} {canonical_array(weights.numpy())}"
