"""The computation of a source as canonical steps, without names or defaults."""

import itertools
import re
from collections.abc import Mapping
from collections.abc import Sequence

import keras

from keras_reprogram.keras_internals import base_variables
from keras_reprogram.keras_internals import flatten_layers
from keras_reprogram.keras_internals import graph_nodes
from keras_reprogram.keras_internals import graph_of
from keras_reprogram.sources.canonical_values import as_text
from keras_reprogram.sources.canonical_values import canonical_array
from keras_reprogram.sources.canonical_values import canonical_number
from keras_reprogram.sources.canonical_values import is_array
from keras_reprogram.sources.canonical_values import is_float
from keras_reprogram.sources.canonical_values import shortened
from keras_reprogram.sources.graph_steps import Arguments
from keras_reprogram.sources.graph_steps import Step
from keras_reprogram.sources.graph_steps import Value
from keras_reprogram.sources.graph_steps import as_input
from keras_reprogram.sources.graph_steps import input_value
from keras_reprogram.sources.graph_steps import reference
from keras_reprogram.sources.graph_steps import steps_in_order
from keras_reprogram.sources.graph_steps import value_like
from keras_reprogram.sources.graph_steps import values_in
from keras_reprogram.sources.operation_kinds import is_graph
from keras_reprogram.sources.operation_kinds import is_identity
from keras_reprogram.sources.operation_text import OperationText
from keras_reprogram.typing import Tensor

QUOTED_REFERENCE = re.compile(r'"(@[0-9.]+)"')


class Architecture:
    """The primitive steps of a source, and its weights in their order.

    Nested models are flattened. Names, regularization, default arguments and
    what has no effect in inference are left out, so a sequential and a
    functional model of the same network have the same steps.

    Args:
        source: `keras.Model`. A built model.

    Attributes:
        steps: List of strings. One line of text for each step, in the order
            of computation.
        names: List of strings. The name of each step's layer in this source.
        weights: List of variables, in the order of the steps.
        opaque: Boolean. Whether the text of some step does not determine what
            the step computes.
        queried: Boolean. Whether some step queries a function, as that of
            `QueriedSource` does.
    """

    def __init__(self, source: keras.Model) -> None:
        self.operation_text = OperationText(self.nested_text)
        self.weights_by_id: dict[int, keras.Variable] = {}
        self.first_calls: dict[int, int] = {}
        inputs = [
            input_value(index, tensor)
            for index, tensor in enumerate(source.inputs)
        ]
        if is_graph(source):
            outputs = self.run(source, inputs)
        else:
            outputs = self.call(source, (inputs,), {}, source.outputs)
        steps = list(steps_in_order(outputs))
        for number, step in enumerate(steps):
            step.number = number
            if step.operation is not None:
                step.text = self.text(step, step.operation)
            elif step.arguments:
                step.text += f" <- {self.references(step.arguments)}"
        self.steps = [step.text for step in steps]
        if any(output.index for output in outputs):
            self.steps.append(f"Output <- {self.references((outputs, {}))}")
        self.names: list[str] = [
            getattr(step.operation, "name", "") for step in steps
        ]
        self.add_weights(source)

    @property
    def weights(self) -> list[keras.Variable]:
        return list(self.weights_by_id.values())

    @property
    def opaque(self) -> bool:
        return self.operation_text.opaque

    @property
    def queried(self) -> bool:
        return self.operation_text.queried

    def add_weights(self, layer: keras.layers.Layer) -> None:
        for variable in layer.weights:
            self.weights_by_id.setdefault(id(variable), variable)

    # === From a model to steps ===

    def run(self, model: keras.Model, inputs: Sequence[Value]) -> list[Value]:
        """Returns the outputs of a functional model for given inputs."""
        graph = graph_of(model)
        values = {
            id(tensor): as_input(value, tensor)
            for tensor, value in zip(graph.inputs, inputs)
        }

        def value_of(argument: object) -> object:
            return values.get(id(argument), argument)

        for node in graph_nodes(graph):
            if node.is_input or id(node.outputs[0]) in values:
                continue
            args, kwargs = node.arguments.convert(value_of)
            outputs = self.call(node.operation, args, kwargs, node.outputs)
            values.update(zip(map(id, node.outputs), outputs))
        return [values[id(tensor)] for tensor in graph.outputs]

    def call(
        self,
        operation: keras.Operation,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        outputs: Sequence[Tensor],
    ) -> list[Value]:
        """Returns the outputs of a call, the input's own for an identity."""
        kwargs = {
            key: value
            for key, value in kwargs.items()
            if key != "training"
            and any(item is not None for item in keras.tree.flatten(value))
        }
        values = values_in((args, kwargs))
        if is_identity(operation) and values:
            return values[:1]
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

    def text(self, step: Step, operation: keras.Operation) -> str:
        values = values_in(step.arguments)
        rank = values[0].rank if values else None
        text = self.operation_text.operation(operation, rank)
        if isinstance(operation, keras.layers.Layer) and operation.weights:
            self.add_weights(operation)
            first = self.first_calls.setdefault(id(operation), step.number)
            if first != step.number:
                text = f"{text} of step {first}"
        return f"{text} <- {self.references(step.arguments)}"

    def references(self, arguments: Arguments | tuple[()]) -> str:
        """Writes the arguments of a step, its inputs by their numbers."""
        flat = keras.tree.flatten(arguments)
        if all(isinstance(value, Value) for value in flat):
            return ", ".join(map(reference, flat))
        args, kwargs = with_kinds(arguments)
        plain = self.operation_text.plain
        texts = [as_text(plain(value)) for value in args]
        texts += [
            f"{key}={as_text(plain(value))}"
            for key, value in sorted(kwargs.items())
        ]
        return shortened(QUOTED_REFERENCE.sub(r"\1", ", ".join(texts)))

    def nested_text(self, model: keras.Model) -> str:
        """Writes a functional model that is an argument of a layer."""
        nested = Architecture(model)
        self.operation_text.opaque |= nested.opaque
        self.operation_text.queried |= nested.queried
        return shortened(f"[{'; '.join(nested.steps)}]")


def inputs_of(model: keras.Model, arguments: object) -> list[Value] | None:
    """Returns the values of a model's inputs, in order; `None` if unclear."""
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


def with_kinds(arguments: Arguments | tuple[()]) -> Arguments:
    """Marks floats among the arguments of a step on integers.

    With a float an operation on integers returns floats, with an integer of
    the same value it returns integers.
    """
    marked: Arguments = arguments or ((), {})
    if not any(is_float(value.dtype) for value in values_in(arguments)):
        marked = keras.tree.map_structure(with_kind, marked)
    return marked


def with_kind(argument: Tensor) -> object:
    if isinstance(argument, Value):
        return argument
    if isinstance(argument, float):
        return f"float {canonical_number(argument)}"
    if is_array(argument) and is_float(argument.dtype):
        return f"float {canonical_array(argument)}"
    return argument


def merged_weights(
    source: keras.Model,
) -> dict[int, keras.Variable | Tensor | None]:
    """Returns what replaces a weight in the computation, by the weight's `id`.

    A layer with LoRA computes with one merged kernel: it replaces the base,
    and `None` replaces the two factors.
    """
    found: dict[int, keras.Variable | Tensor | None] = {}
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
