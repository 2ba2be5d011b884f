"""Private members of Keras, which this package uses in this file alone.

Each function names the Keras version in which the member was seen;
`tests/test_keras_internals.py` fails when a new version changes it.
"""

import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from types import FrameType
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from typing import cast

import keras
import numpy as np

from keras_reprogram.typing import Tensor

EXPORTERS = (
    "keras.src.export.",
    "tensorflow.python.saved_model.save",
    "tensorflow.lite.python.",
    "torch.export.",
    "torch.jit.",
    "torch.onnx.",
)


# === Scopes and calls ===


def in_symbolic_scope() -> bool:
    """Whether Keras is inferring shapes and dtypes only (Keras 3.15)."""
    from keras.src.backend.common import symbolic_scope

    return bool(symbolic_scope.in_symbolic_scope())


def in_stateless_scope() -> bool:
    """Whether variable values come from a stateless function (Keras 3.15)."""
    from keras.src.backend.common import stateless_scope

    return bool(stateless_scope.in_stateless_scope())


def is_exporting() -> bool:
    """Whether the current trace will be written to a file (Keras 3.15).

    Exporters set no flag, so this function searches the call stack for them.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(EXPORTERS):
            return True
        frame = frame.f_back
    return False


def entry_layer(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The outermost layer of the current call (Keras 3.15)."""
    return layer._get_call_context().entry_layer


def concrete_value(variable: keras.Variable) -> np.ndarray | None:
    """A variable's value outside of the current trace (Keras 3.15).

    Returns:
        An array; `None` while Keras holds the value somewhere else, as during
        training on JAX.
    """
    value: Any = variable._value
    if value is None:
        return None
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.init_scope():
            return np.asarray(value.numpy())
    if backend == "jax":
        import jax

        # A step takes over what it is given, and deletes it.
        if isinstance(value, jax.core.Tracer) or value.is_deleted():
            return None
        return np.asarray(value)
    return None if value.is_meta else np.asarray(value.detach().cpu())


# === Layers and their variables ===


def flatten_layers(
    layer: keras.layers.Layer, include_self: bool = True
) -> list[keras.layers.Layer]:
    """A layer and its sublayers at all depths (Keras 3.15)."""
    return list(layer._flatten_layers(include_self=include_self))


def sublayers(layer: keras.Operation) -> list[keras.layers.Layer]:
    """The layers that a layer holds itself (Keras 3.15).

    An operation that is no layer has none.
    """
    return list(getattr(layer, "_layers", ()))


def own_trainable_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The variables that a layer itself created as trainable (Keras 3.15).

    They include frozen ones, and exclude statistics and sublayers' variables.
    """
    return list(layer._trainable_variables)


def base_variables(layer: keras.layers.Layer) -> dict[str, keras.Variable]:
    """The variables to which LoRA adds, by their public names (Keras 3.15)."""
    found = {
        name: getattr(layer, f"_{name}", None)
        for name in ("kernel", "embeddings")
    }
    return {
        name: variable
        for name, variable in found.items()
        if variable is not None
    }


def set_without_tracking(
    layer: keras.layers.Layer, name: str, part: keras.layers.Layer
) -> None:
    """Sets an attribute that does not become a sublayer (Keras 3.15).

    The part is saved with the layer. The layer does not include the part's
    variables, losses and metrics, and does not pass `trainable` on to it.
    """
    setattr(layer, name, part)
    layer._tracker.untrack(part)


# === Losses and metrics ===


def clear_losses(layer: keras.layers.Layer) -> None:
    """Removes the losses that a layer and its sublayers added (Keras 3.15)."""
    for part in layer._flatten_layers():
        if part._losses or part._loss_ids:
            part._clear_losses()


def metric_direction(metric: keras.Metric | None) -> str | None:
    """`"up"` or `"down"`, if a metric declares a direction (Keras 3.15)."""
    return getattr(metric, "_direction", None)


def metric_function(metric: keras.Metric | None) -> Callable[..., Any] | None:
    """The function that a metric averages, if there is one (Keras 3.15)."""
    return getattr(metric, "_fn", None)


# === Graphs of functional models ===


class Producer(NamedTuple):
    """The call that computed a symbolic tensor."""

    operation: Any
    node_index: int
    tensor_index: int
    inputs: list[keras.KerasTensor]


def producer(tensor: keras.KerasTensor) -> Producer:
    """The operation and the inputs that a tensor comes from (Keras 3.15).

    Returns:
        A `Producer`. Its operation is `None` for a tensor that no operation
        computed.
    """
    operation, node_index, tensor_index = tensor._keras_history
    if operation is None:
        return Producer(None, node_index, tensor_index, [])
    inputs = operation._inbound_nodes[node_index].input_tensors
    return Producer(operation, node_index, tensor_index, list(inputs))


def graph_of(model: object) -> Any:
    """The functional model within a sequential one (Keras 3.15).

    Returns:
        A functional model; the argument where it is not a sequential model.
    """
    return getattr(model, "_functional", None) or model


def has_graph(model: object) -> bool:
    """Whether a model was built from a graph of operations (Keras 3.15)."""
    return hasattr(graph_of(model), "_nodes_by_depth")


def nodes_by_depth(model: keras.Model) -> list[tuple[int, list[Any]]]:
    """The nodes of a model's graph from its inputs to outputs (Keras 3.15).

    Returns:
        Pairs of a depth, which falls from the inputs to the outputs, and the
        nodes at that depth.
    """
    nodes: dict[int, list[Any]] = graph_of(model)._nodes_by_depth
    return [(depth, nodes[depth]) for depth in sorted(nodes, reverse=True)]


def graph_nodes(model: keras.Model) -> Iterator[Any]:
    """The nodes of a model's graph, those of the inputs first (Keras 3.15)."""
    for _, nodes in nodes_by_depth(model):
        yield from nodes


# === Layers that share variables ===


def shallow_copy(
    layer: keras.layers.Layer,
    parts: Mapping[int, keras.layers.Layer] = MappingProxyType({}),
    **attributes: Any,
) -> keras.layers.Layer:
    """A layer of the same class with the same variables (Keras 3.15).

    The layer itself is not changed. The copy is for calls on tensors: neither
    call it on symbolic tensors nor set attributes of it.

    Args:
        layer: The layer to copy, which is built.
        parts: Replacements for sublayers, by the `id` of the sublayer.
            Defaults to none.
        **attributes: Attributes that the copy has instead of the layer's,
            for instance `call`.

    Returns:
        A layer.
    """
    copy: keras.layers.Layer = object.__new__(type(layer))
    state = {
        name: with_replacements(value, parts)
        for name, value in vars(layer).items()
    }
    if has_graph(layer) and graph_of(layer) is layer:
        # Called by `Functional.call` for each node.
        state["_get_operation_for_node"] = lambda node: parts.get(
            id(node.operation), node.operation
        )
    vars(copy).update(state, **attributes)
    return copy


def with_replacements(value: object, parts: Mapping[int, Any]) -> Any:
    """A value in which containers hold replacements instead of layers."""
    if id(value) in parts:
        return parts[id(value)]
    if isinstance(value, dict):
        items = {
            key: with_replacements(item, parts) for key, item in value.items()
        }
        same = all(items[key] is item for key, item in value.items())
        return value if same else items
    if type(value) is tuple or isinstance(value, list):
        found = [with_replacements(item, parts) for item in value]
        same = all(new is item for new, item in zip(found, value))
        return value if same else type(value)(found)
    return value


def substitute(
    layer: keras.layers.Layer,
    replacement: Callable[[keras.layers.Layer], keras.layers.Layer | None],
) -> keras.layers.Layer:
    """A layer that computes with replacements for its sublayers (Keras 3.15).

    Args:
        layer: The layer, which is not changed.
        replacement: Returns what to compute with instead of a layer, or
            `None` to look at its sublayers.

    Returns:
        The layer itself if nothing in it is replaced; otherwise a
        `shallow_copy`.
    """
    found: dict[int, keras.layers.Layer] = {}

    def visit(layer: keras.layers.Layer) -> keras.layers.Layer:
        if id(layer) not in found:
            found[id(layer)] = layer  # in case it holds itself
            new = replacement(layer)
            found[id(layer)] = with_parts(layer) if new is None else new
        return found[id(layer)]

    def with_parts(layer: keras.layers.Layer) -> keras.layers.Layer:
        children = sublayers(layer)
        if graph_of(layer) is not layer:
            children.append(graph_of(layer))
        parts = {id(child): visit(child) for child in children}
        parts = {key: new for key, new in parts.items() if id(new) != key}
        return shallow_copy(layer, parts) if parts else layer

    return visit(layer)


def computes_graph(model: Any) -> bool:
    """Whether a model's call runs its graph and nothing else (Keras 3.15)."""
    if not has_graph(model):
        return False
    code = type(model).call.__module__.split(".")[0]
    return code == "keras" and "call" not in vars(model)


def functional_copy(model: keras.Model) -> keras.Model:
    """A functional model of the same graph, layers and class (Keras 3.15).

    Args:
        model: A functional or a sequential model, which is not changed.

    Returns:
        A model with the same attributes, which is not compiled. The copy of a
        sequential model is a functional one.
    """
    from keras.src.models import functional

    ends = graph_of(model).input, graph_of(model).output
    if type(model).__module__.startswith("keras."):
        copy = keras.Model(*ends, name=model.name)
    else:
        kind: Any = type(model)
        copy = kind.__new__(kind)
        functional.Functional.__init__(copy, *ends, name=model.name)
    for name in ("_trainable", "_dtype_policy"):
        vars(copy)[name] = vars(model)[name]
    own = {**vars(model), **vars(model).get("_modules", {})}
    for name, value in own.items():
        known = name in vars(copy) or name in vars(copy).get("_modules", {})
        if not (known or name in NOT_COPIED or value is graph_of(model)):
            setattr(copy, name, value)
    return copy


# What `compile`, `fit` and this file set, and PyTorch's list of variables.
NOT_COPIED = (
    "_compile_config",
    "_compiled_trainable_state",
    "_eval_epoch_iterator",
    "_functional",
    "_jax_state",
    "_torch_params",
    "call",
    "history",
    "optimizer",
    "stop_evaluating",
    "stop_predicting",
    "stop_training",
)


def standardize_inputs(model: keras.Model, inputs: Tensor) -> list[Any]:
    """The inputs of a functional model as a flat list (Keras 3.15).

    They have the dtypes and the ranks that the model expects.
    """
    return list(model._standardize_inputs(inputs))


def run_function(
    function: keras.Function,
    inputs: Tensor,
    training: bool | None,
    operation: Callable[[Any], Any] = lambda operation: operation,
) -> Any:
    """Runs a graph as a functional model does (Keras 3.15).

    Args:
        function: The graph.
        inputs: Its inputs.
        training: Passed to each layer that takes it.
        operation: Returns what to call instead of an operation of the graph.
            Defaults to the operation itself.

    Returns:
        The outputs.
    """
    from keras.src.models import functional

    return function._run_through_graph(
        inputs,
        operation_fn=lambda found: functional.operation_fn(
            operation(found), training=training
        ),
    )


# === Training ===


def set_initial_epoch(model: keras.Model, epoch: int | None) -> None:
    """Sets the epoch at which the current `fit` starts (Keras 3.15).

    Keras's own `BackupAndRestore` sets it, in `on_train_begin`.
    """
    model._initial_epoch = epoch


def is_validation_in_fit(arguments: Mapping[str, Any]) -> bool:
    """Whether `evaluate` was called by `fit` for validation (Keras 3.15).

    Args:
        arguments: The keyword arguments that `evaluate` received.
    """
    return bool(arguments.get("_use_cached_eval_dataset"))


# In the order in which Keras returns their values on JAX.
JAX_STATE = (
    "trainable_variables",
    "non_trainable_variables",
    "optimizer_variables",
    "metrics_variables",
)


if TYPE_CHECKING:
    from keras import Model as ModelMixin
else:
    # The first functional model of a class makes all models among its bases
    # functional, which models of other classes may share (Keras 3.15).
    ModelMixin = object


class JaxTraining(ModelMixin):
    """A model whose variables can be restored in a step on JAX (Keras 3.15).

    Keras calls the private methods on JAX only.
    """

    _jax_state: dict[str, list[Any]] | None

    def compile_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function that runs instead of a compiled step."""
        return step

    def restore_jax_state(self) -> None:
        """Writes the values that Keras removed back into the variables."""
        self.jax_state_sync()
        self._jax_state = None

    def _get_jax_state(
        self, purge_model_variables: bool = False, **parts: bool
    ) -> tuple[list[Any], ...]:
        state: tuple[list[Any], ...] = super()._get_jax_state(**parts)
        # Held before a value is removed from its variable.
        names = [name for name in JAX_STATE if parts.get(name)]
        self._jax_state = dict(zip(names, state))
        self._jax_state_synced = False
        if purge_model_variables:
            self._purge_model_variables(**parts)
        return state

    def _make_function(
        self, step_function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Callable[..., Any]:
        if self.jit_compile and not self.run_eagerly:
            step_function = self.compile_step(step_function)
        function = super()._make_function(step_function, *args, **kwargs)
        return cast(Callable[..., Any], function)


# Attributes of Keras's callbacks that change in `fit` and matter to later
# epochs (Keras 3.15).
CALLBACK_STATES: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: (
        "best",
        "best_epoch",
        "best_weights",
        "stopped_epoch",
        "wait",
    ),
    keras.callbacks.ModelCheckpoint: (
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
        "best",
    ),
    keras.callbacks.OrbaxCheckpoint: (
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
        "_total_batches_seen",
        "best",
    ),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.TensorBoard: (
        "_global_test_batch",
        "_global_train_batch",
    ),
}
