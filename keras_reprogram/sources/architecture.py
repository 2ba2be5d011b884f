"""What a source computes, step by step, without names and defaults."""

import dataclasses
import functools
import hashlib
import inspect
import itertools
import json
import numbers
import re
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.keras_internals import base_variables
from keras_reprogram.keras_internals import flatten_layers
from keras_reprogram.keras_internals import graph_nodes
from keras_reprogram.keras_internals import graph_of
from keras_reprogram.keras_internals import has_graph
from keras_reprogram.typing import Tensor

# Whose classes are what their arguments say.
PACKAGES = ("keras", "keras_hub", "keras_nlp", "keras_reprogram")
# Classes of Keras that compute what no argument says.
OPAQUE_LAYERS = (
    keras.layers.Lambda,
    keras.layers.TorchModuleWrapper,
    keras.layers.TFSMLayer,
    keras.layers.JaxLayer,
    keras.layers.FlaxLayer,
)
# What returns its input in inference.
PASSING_LAYERS = (
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
)
AUGMENTATIONS = ("AugMix", "CutMix", "MixUp", "RandAugment")
# Arguments that change no output in inference, or are seen in the weights.
IGNORED_ARGUMENTS = {
    "autocast",
    "dtype",
    "flash_attention",
    "gptq_unpacked_column_size",
    "implementation",
    "lora_alpha",
    "lora_rank",
    "momentum",
    "name",
    "noise_shape",
    "power_iterations",
    "quantization_config",
    "rate",
    "renorm",
    "renorm_clipping",
    "renorm_momentum",
    "seed",
    "stddev",
    "survival_probability",
    "synchronized",
    "trainable",
    "unroll",
    "use_cudnn",
    "weights",
}
IGNORED_ENDINGS = ("initializer", "regularizer", "constraint")
# Told by the vocabulary that a layer has, however it came to it.
VOCABULARY_ARGUMENTS = ("vocabulary", "idf_weights", "vocabulary_size")
# One number stands for the same along all axes.
PER_AXIS = ("strides", "dilation_rate", "pool_size", "kernel_size")
LONGEST_ARGUMENT = 200
LARGEST_EXACT = 2**24  # of the integers from zero that float32 has
REFERENCE = re.compile(r'"(@[0-9.]+)"')


@dataclasses.dataclass(eq=False)
class Step:
    """A call of a layer or of an operation in a source's graph."""

    operation: Any
    arguments: Any = ()
    text: str = ""
    number: int = -1


@dataclasses.dataclass(eq=False)
class Value:
    """An output of a step."""

    step: Step
    index: int
    dtype: str
    rank: int


class Architecture:
    """The primitive steps of a source, and its weights in their order.

    Models within models are flattened. Names, regularization, what Keras
    takes as a default, and what is of no effect in inference are left out, so
    the same network is the same text whether it is sequential or functional.

    Args:
        source: A built `keras.Model`.

    Attributes:
        steps: One line of text for each step, in the order of computation.
        names: The name of each step's layer at hand.
        weights: The weights, in the order of the steps.
        opaque: Whether there is a step that no text describes.
        queried: Whether a step asks a function, as `QueriedSource` does.
    """

    def __init__(self, source: keras.Model) -> None:
        self.opaque = self.queried = False
        self.found: dict[int, keras.Variable] = {}
        self.first_calls: dict[int, int] = {}
        inputs = [
            value_like(tensor, Step(None, text=input_text(index, tensor)))
            for index, tensor in enumerate(source.inputs)
        ]
        if is_graph(source):
            outputs = self.run(source, inputs)
        else:
            outputs = self.call(source, (inputs,), {}, source.outputs)
        found = list(in_order(outputs))
        for number, step in enumerate(found):
            step.number = number
            if step.operation is not None:
                step.text = self.text(step)
            elif step.arguments:
                step.text += f" <- {self.references(step.arguments)}"
        self.steps = [step.text for step in found]
        if any(output.index for output in outputs):
            self.steps.append(f"Output <- {self.references((outputs, {}))}")
        self.names = [getattr(step.operation, "name", "") for step in found]
        self.add_weights(source)

    @property
    def weights(self) -> list[keras.Variable]:
        return list(self.found.values())

    def add_weights(self, layer: keras.layers.Layer) -> None:
        for variable in layer.weights:
            self.found.setdefault(id(variable), variable)

    # === From a model to steps ===

    def run(self, model: keras.Model, inputs: Sequence[Value]) -> list[Value]:
        """The values that a functional model makes of its inputs."""
        graph = graph_of(model)
        made = {
            id(tensor): taken(value, tensor)
            for tensor, value in zip(graph.inputs, inputs)
        }

        def value_of(argument: Any) -> Any:
            return made.get(id(argument), argument)

        for node in graph_nodes(graph):
            if node.is_input or id(node.outputs[0]) in made:
                continue
            args, kwargs = node.arguments.convert(value_of)
            outputs = self.call(node.operation, args, kwargs, node.outputs)
            made.update(zip(map(id, node.outputs), outputs))
        return [made[id(tensor)] for tensor in graph.outputs]

    def call(
        self, operation: Any, args: Any, kwargs: Any, outputs: Sequence[Any]
    ) -> list[Value]:
        kwargs = {
            key: value
            for key, value in kwargs.items()
            if key != "training"
            and any(item is not None for item in keras.tree.flatten(value))
        }
        given = values_in((args, kwargs))
        if passes_on(operation) and given:
            return given[:1]
        if is_graph(operation) and not kwargs and len(args) == 1:
            inputs = inputs_of(operation, args[0])
            if inputs is not None:
                return self.run(operation, inputs)
        step = Step(operation, (args, kwargs))
        return [
            value_like(tensor, step, index)
            for index, tensor in enumerate(outputs)
        ]

    # === From steps to text ===

    def text(self, step: Step) -> str:
        operation = step.operation
        given = values_in(step.arguments)
        text = self.described(operation, given[0].rank if given else None)
        if isinstance(operation, keras.layers.Layer) and operation.weights:
            self.add_weights(operation)
            first = self.first_calls.setdefault(id(operation), step.number)
            if first != step.number:
                text = f"{text} of step {first}"
        args, kwargs = step.arguments
        return f"{text} <- {self.references((args, kwargs))}"

    def references(self, arguments: Any) -> str:
        flat = keras.tree.flatten(arguments)
        if all(isinstance(value, Value) for value in flat):
            return ", ".join(map(reference, flat))
        args, kwargs = map(self.plain, with_kinds(arguments))
        named = {f"{key}=": value for key, value in kwargs.items()}
        found = (
            f"{name}{as_text(value)}"
            for name, value in (
                *(("", value) for value in args),
                *named.items(),
            )
        )
        return shortened(REFERENCE.sub(r"\1", ", ".join(found)))

    def described(self, operation: Any, rank: int | None = None) -> str:
        """A layer or an operation by its class and its arguments.

        Args:
            operation: The layer or operation.
            rank: The number of axes of its input, where it is known.
        """
        if getattr(operation, "is_query", False):
            self.queried = True
            return "a queried function"
        if is_graph(operation):
            inner = Architecture(operation)
            self.opaque |= inner.opaque
            self.queried |= inner.queried
            return shortened(f"[{'; '.join(inner.steps)}]")
        if not is_known(operation):
            self.opaque = True
            return "a layer of its own code"
        kind = type(operation)
        try:
            config = operation.get_config()
        except Exception:  # some of KerasHub have none that works
            config = {}
        if not is_whole(kind, config):
            self.opaque = True
        if isinstance(operation, keras.layers.Layer):
            text = self.with_arguments(kind, config, operation, rank=rank)
            return f"{text}{self.kept_by(operation)}"
        # What an operation is given is all that it is.
        config = {key: config[key] for key in config if key != "name"}
        return f"ops.{self.with_arguments(kind, config, ignoring=False)}"

    def kept_by(self, layer: keras.layers.Layer) -> str:
        """What a layer has beside its config and its weights."""
        found = []
        if not computes_in_floats(layer):
            found.append(f" in {layer.compute_dtype}")
        for part in flatten_layers(layer):
            if has_assets_of_its_own(part):
                self.opaque = True
            if not hasattr(part, "get_vocabulary"):
                continue
            try:
                found.append(f" with {vocabulary_of(part)}")
            except Exception:  # there is none yet, say
                self.opaque = True
        return shortened("".join(found))

    def with_arguments(
        self,
        kind: type,
        config: dict[str, Any],
        layer: Any = None,
        ignoring: bool = True,
        rank: int | None = None,
    ) -> str:
        defaults = defaults_of(kind)
        found = []
        for key in sorted(config):
            if key not in defaults or (ignoring and is_ignored(key)):
                continue
            if key in VOCABULARY_ARGUMENTS and hasattr(layer, "get_vocabulary"):
                continue
            value = config[key]
            if layer is not None and isinstance(value, (str, dict, list)):
                value = self.attribute(layer, key, value)
            value = self.argument(key, value, rank)
            if value != self.default(key, defaults[key]):
                found.append(f"{key}={shortened(as_text(value))}")
        return f"{kind.__name__}({', '.join(found)})"

    def default(self, key: str, value: Any) -> Any:
        opaque = self.opaque
        value = self.argument(key, value)
        self.opaque = opaque  # It says nothing of the source at hand.
        return value

    def attribute(self, layer: Any, key: str, value: Any) -> Any:
        """A layer's own layers or function; what its config has otherwise.

        A function of the user may have the name of one of Keras.
        """
        found = getattr(layer, key, None)
        if isinstance(found, (list, tuple)) and isinstance(value, list):
            layers = [isinstance(one, keras.layers.Layer) for one in found]
            return found if layers and all(layers) else value
        if isinstance(found, keras.layers.Layer) or inspect.isroutine(found):
            return found
        return value

    def argument(self, key: str, value: Any, rank: int | None = None) -> Any:
        value = self.plain(value)
        if key == "axis" and rank is not None:
            return counted_from_last(value, rank)
        if "activation" in key and value is None:
            return "linear"
        if key == "data_format" and value == "channels_last":
            return None
        if key == "dtype":
            return precision(value)
        if key in PER_AXIS and isinstance(value, list) and value:
            if all(item == value[0] for item in value):
                return value[0]
        return value

    def plain(self, value: Any) -> Any:
        """A value as JSON has it, the same for all that computes the same."""
        if value is None or isinstance(value, (bool, str)):
            return value
        if value is inspect.Parameter.empty:
            return ["required"]
        if isinstance(value, np.bool_):
            return bool(value)
        if isinstance(value, numbers.Integral):
            return int(value)
        if isinstance(value, numbers.Real):
            return number(value)
        if isinstance(value, numbers.Complex):
            return of_array(np.array(value))
        if isinstance(value, Value):
            return reference(value)
        if isinstance(value, dict):
            if "class_name" in value and "config" in value:
                return self.of_config(value)
            return {str(key): self.plain(value[key]) for key in sorted(value)}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in value]
        if isinstance(value, slice):
            ends = (value.start, value.stop, value.step)
            return {"slice": [self.plain(end) for end in ends]}
        if value is Ellipsis:
            return "..."
        if isinstance(value, keras.layers.Layer):
            return self.described(value)
        if inspect.isroutine(value):
            return self.of_function(value)
        if is_array(value):
            return of_array(value)
        self.opaque = True
        return type(value).__name__

    def of_function(self, function: Any) -> str:
        name = getattr(function, "__name__", "")
        if package_of(function) not in PACKAGES or name == "<lambda>":
            self.opaque = True
            return "a function"
        return name

    def of_config(self, config: dict[str, Any]) -> Any:
        """What Keras has serialized, a layer within another one, say."""
        name, inner = config["class_name"], config["config"]
        if name in ("__tuple__", "__numpy__", "__tensor__", "__ellipsis__"):
            return self.plain(inner)
        registered = str(config.get("registered_name"))
        packages = (
            str(config.get("module")).split(".")[0],
            registered.split(">")[0],
        )
        kind = getattr(keras.layers, str(name), None) or (
            keras.saving.get_registered_object(registered)
        )
        if not {*packages} & {*PACKAGES} or not isinstance(inner, dict):
            self.opaque = True
            return str(name)
        if isinstance(kind, type):
            return self.with_arguments(kind, inner)
        return {"class": name, **self.plain(inner)}


def value_like(tensor: Tensor, step: Step, index: int = 0) -> Value:
    return Value(step, index, dtype_of(tensor), len(tensor.shape))


def input_text(index: int, tensor: Tensor) -> str:
    return f"Input({index}, {precision(dtype_of(tensor))})"


def dtype_of(tensor: Tensor) -> str:
    return str(keras.backend.standardize_dtype(tensor.dtype))


def precision(dtype: Any) -> Any:
    """A dtype, but for how precise a float is."""
    return "float" if "float" in str(dtype) else dtype


def is_graph(operation: Any) -> bool:
    """Whether a model computes what its graph says, and nothing else."""
    return has_graph(operation) and all(
        package_of(getattr(type(operation), name)) in PACKAGES
        and package_of(vars(operation).get(name)) in PACKAGES
        for name in ("call", "__call__")
    )


def is_known(operation: Any) -> bool:
    """Whether all code of a layer is that of its class, of a known package."""
    if isinstance(operation, keras.layers.Layer):
        parts = flatten_layers(operation)
    else:
        parts = [operation]
    return not any(
        isinstance(part, OPAQUE_LAYERS)
        or not (package_of(type(part)) in PACKAGES or is_graph(part))
        # A function of the user, or a method set on this object alone.
        or any(
            callable(value) and package_of(value) not in PACKAGES
            for value in vars(part).values()
            if inspect.isroutine(value) or isinstance(value, functools.partial)
        )
        for part in parts
    )


def package_of(thing: Any) -> str:
    """The package that a class or function is from; Keras's for `None`."""
    if isinstance(thing, functools.partial):
        thing = thing.func
    module = "keras" if thing is None else getattr(thing, "__module__", "")
    return (module or "").split(".")[0]


def computes_in_floats(operation: Any) -> bool:
    return is_float(getattr(operation, "compute_dtype", None) or "float32")


def has_assets_of_its_own(layer: keras.layers.Layer) -> bool:
    """Whether a layer has files of which nothing is known."""
    return hasattr(layer, "save_assets") and package_of(type(layer)) != "keras"


def vocabulary_of(layer: Any) -> str:
    """The tokens of a layer, in their order, and how much each counts."""
    tokens = [
        int(token) if isinstance(token, numbers.Integral) else str(token)
        for token in layer.get_vocabulary()
    ]
    text = f"{len(tokens)} tokens {short_digest(as_text(tokens).encode())}"
    weights = getattr(layer, "idf_weights_const", None)
    return text if weights is None else f"{text} {of_array(weights.numpy())}"


def passes_on(operation: Any) -> bool:
    """Whether a layer returns its input in inference."""
    kind = type(operation)
    if not computes_in_floats(operation):
        return False  # It makes integers of what it is given.
    if kind is keras.layers.Activation:
        return operation.activation is keras.activations.linear
    if kind in PASSING_LAYERS:
        return "call" not in vars(operation)
    name = kind.__name__
    return kind is getattr(keras.layers, name, None) and (
        name in AUGMENTATIONS
        or (name.startswith("Random") and name != "RandomCrop")
    )


def is_whole(kind: type, config: dict[str, Any]) -> bool:
    """Whether a config holds all arguments of its class.

    Keras sees to that for its own layers.
    """
    if package_of(kind) == "keras" and issubclass(kind, keras.layers.Layer):
        return bool(config)
    initializer = inspect.getattr_static(kind, "__init__")
    return all(
        key in config or is_ignored(key)
        for key in inspect.signature(initializer).parameters
        if key not in ("self", "args", "kwargs")
    )


def counted_from_last(axis: Any, rank: int) -> Any:
    """An axis, or a list of several, the last one being -1."""
    axes = axis if isinstance(axis, list) else [axis]
    axes = [
        one - rank if isinstance(one, int) and one >= 0 else one for one in axes
    ]
    return axes[0] if len(axes) == 1 else axes


def is_ignored(key: str) -> bool:
    return (
        key in IGNORED_ARGUMENTS
        or key.endswith(IGNORED_ENDINGS)
        or "drop" in key
    )


@functools.cache
def defaults_of(kind: type) -> dict[str, Any]:
    """The arguments of a class and of its bases, with their defaults."""
    defaults: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if "__init__" in vars(base):
            initializer = vars(base)["__init__"]
            parameters = inspect.signature(initializer).parameters.values()
            defaults.update({one.name: one.default for one in parameters})
    return defaults


def taken(value: Value, tensor: Tensor) -> Value:
    """A value as a model within a model takes it."""
    dtype = precision(dtype_of(tensor))
    text = "" if dtype == precision(value.dtype) else f"Cast({dtype})"
    rank = len(tensor.shape)
    if rank != value.rank:
        text += f"Axes({rank})"
    if not text:
        return value
    return value_like(tensor, Step(None, ((value,), {}), text=text))


def inputs_of(model: keras.Model, arguments: Any) -> list[Value] | None:
    """The values for a model's inputs, in order; `None` if unclear."""
    tensors = graph_of(model).inputs
    if isinstance(arguments, dict) and not isinstance(model.input, dict):
        names = [tensor.name for tensor in tensors]
        arguments = [arguments[name] for name in names if name in arguments]
    inputs: list[Value] = keras.tree.flatten(arguments)
    if len(inputs) == len(tensors) and all(
        isinstance(value, Value) for value in inputs
    ):
        return inputs
    return None


def values_in(arguments: Any) -> list[Value]:
    flat = keras.tree.flatten(arguments)
    return [value for value in flat if isinstance(value, Value)]


def in_order(outputs: Sequence[Value]) -> Iterator[Step]:
    """The steps that outputs need, each after those that it needs."""
    done: set[int] = set()
    waiting = [(value.step, False) for value in reversed(outputs)]
    while waiting:
        step, ready = waiting.pop()
        if id(step) in done:
            continue
        if ready:
            done.add(id(step))
            yield step
            continue
        waiting.append((step, True))
        needed = values_in(step.arguments)
        waiting += [(value.step, False) for value in reversed(needed)]


def reference(value: Value) -> str:
    index = f".{value.index}" if value.index else ""
    return f"@{value.step.number}{index}"


def with_kinds(arguments: Any) -> Any:
    """The arguments of a step, in which 2 among integers is not 2.0."""
    values = values_in(arguments)
    if any(is_float(value.dtype) for value in values):
        return arguments
    return keras.tree.map_structure(with_kind, arguments)


def with_kind(argument: Any) -> Any:
    if isinstance(argument, Value):
        return argument
    if isinstance(argument, float):
        return f"float {number(argument)}"
    if is_array(argument) and is_float(argument.dtype):
        return f"float {of_array(argument)}"
    return argument


def is_float(dtype: Any) -> bool:
    return "float" in str(dtype)


def is_array(value: Any) -> bool:
    return isinstance(value, (keras.Variable, np.ndarray, np.generic)) or (
        ops.is_tensor(value)
    )


def number(value: Any) -> float | int | str:
    """A number as float32 has it."""
    with np.errstate(all="ignore"):
        value = float(str(np.float32(value)))
    if not np.isfinite(value):
        return str(value)
    return value if value % 1 else int(value)


def of_array(value: Any) -> Any:
    """An array of floats as float32 has them; any other one as it is."""
    if isinstance(value, keras.Variable):
        value = value.value
    if ops.is_tensor(value):
        if is_float(value.dtype):
            value = ops.cast(value, "float32")
        value = ops.convert_to_numpy(value)
    values = np.asarray(value)
    kind = values.dtype.kind
    if is_float(values.dtype):
        kind = "f"
        with np.errstate(all="ignore"):
            values = values.astype("float32")
    if kind not in "biufc":
        return shortened(str(values.tolist()))
    if values.size == 1:
        one = values.reshape(()).item()
        if kind == "c":
            return f"{number(one.real)} and {number(one.imag)}j"
        return number(one) if kind == "f" else one
    shape = "x".join(map(str, values.shape))
    return f"{shape}:{short_digest(content_of(values, kind))}"


def content_of(values: np.ndarray, kind: str) -> bytes:
    if kind == "f":
        return values.tobytes()
    if kind == "c":
        return b"complex" + values.astype("complex64").tobytes()
    if kind == "b":
        return b"bool" + values.tobytes()
    if values.size and not (
        -LARGEST_EXACT <= values.min() and values.max() <= LARGEST_EXACT
    ):
        return str(values.ravel().tolist()).encode()
    # The same as floats.
    return values.astype("float32").tobytes()


def short_digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def shortened(text: str) -> str:
    """A text whose end is a digest where it is long."""
    if len(text) <= LONGEST_ARGUMENT:
        return text
    return f"{text[:LONGEST_ARGUMENT]}...{short_digest(text.encode())}"


def merged_weights(source: keras.Model) -> dict[int, Any]:
    """What stands for a weight in computation, by its identity.

    Of a layer with LoRA, the kernel that it multiplies by, and `None` for the
    two factors of the part that is added.
    """
    found: dict[int, Any] = {}
    for layer in flatten_layers(source):
        if not getattr(layer, "lora_enabled", False) or getattr(
            layer, "quantization_mode", None
        ):
            continue
        for name, end in itertools.product(("kernel", "embeddings"), "ab"):
            base = base_variables(layer).get(name)
            factor = getattr(layer, f"lora_{name}_{end}", None)
            if base is not None and factor is not None:
                found[id(base)] = getattr(layer, name)
                found[id(factor)] = None
    return found
