"""Private members of Keras exist and have the expected meaning."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_reprogram import keras_internals

BACKEND = keras.config.backend()
SEEN = []


class Spy(keras.layers.Layer):
    def call(self, inputs):
        SEEN[:] = (
            keras_internals.in_symbolic_scope(),
            keras_internals.in_stateless_scope(),
            keras_internals.entry_layer(self),
        )
        return inputs


def test_in_symbolic_scope():
    spy = Spy()
    spy(np.zeros((1, 2)))
    assert not SEEN[0] and SEEN[2] is spy
    spy(keras.Input((2,)))
    assert SEEN[0]


def test_entry_layer_is_the_outermost_layer_of_a_call():
    spy = Spy()
    model = keras.Sequential([keras.Input((2,)), spy])
    model(np.zeros((1, 2)))
    assert SEEN[2] is model and not SEEN[0]


def test_in_stateless_scope():
    spy = Spy()
    with keras.StatelessScope():
        spy(ops.zeros((1, 2)))
    assert SEEN[1]


def test_concrete_value_of_a_variable_while_a_step_is_traced():
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    layer.bias.assign([3.0])
    read = []

    class Reader(keras.layers.Layer):
        def call(self, inputs):
            read.append(keras_internals.concrete_value(layer.bias))
            return inputs

    model = keras.Sequential([keras.Input((1,)), Reader()])
    model.predict(np.zeros((2, 1)), verbose=0)
    assert all(float(value[0]) == 3.0 for value in read) and read


def nested():
    """A sequential model, with a functional one inside it."""
    inputs = keras.Input((4,))
    normed = layers.BatchNormalization(name="norm")(inputs)
    inner = keras.Model(inputs, normed, name="inner")
    return keras.Sequential(
        [keras.Input((4,)), inner, layers.Dense(2, name="dense")]
    )


def names(found):
    return [layer.name for layer in found]


@pytest.mark.numpy_alone
def test_flatten_layers_and_sublayers():
    model = nested()
    assert set(names(keras_internals.flatten_layers(model))) >= {
        model.name,
        "inner",
        "norm",
        "dense",
    }
    assert model not in keras_internals.flatten_layers(model, False)
    found = names(keras_internals.sublayers(model))
    assert "norm" not in found and {"inner", "dense"} <= set(found)


@pytest.mark.numpy_alone
def test_own_trainable_variables_exclude_statistics_and_keep_frozen_ones():
    norm = nested().get_layer("inner").get_layer("norm")
    norm.trainable = False
    found = keras_internals.own_trainable_variables(norm)
    assert [id(it) for it in found] == [id(norm.gamma), id(norm.beta)]


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "layer, shape, name",
    [
        (layers.Dense(3), (None, 4), "kernel"),
        (layers.Embedding(5, 3), (None, 4), "embeddings"),
    ],
)
def test_base_variables_are_those_that_lora_keeps_fixed(layer, shape, name):
    layer.build(shape)
    layer.enable_lora(2)
    ((found, variable),) = keras_internals.base_variables(layer).items()
    assert found == name and not variable.trainable
    assert any(variable is it for it in layer.weights)


def test_clear_losses_of_all_layers():
    inner = keras.Sequential(
        [keras.Input((2,)), layers.ActivityRegularization(1.0)]
    )
    inner(np.ones((1, 2), "float32"))
    assert inner.losses
    keras_internals.clear_losses(inner)
    assert not inner.losses


@pytest.mark.numpy_alone
def test_metric_direction_and_function():
    metric = keras.metrics.MeanMetricWrapper(keras.metrics.mean_squared_error)
    function = keras_internals.metric_function(metric)
    assert function is keras.metrics.mean_squared_error
    assert keras_internals.metric_function(keras.metrics.Mean()) is None
    accuracy = keras.metrics.BinaryAccuracy()
    assert keras_internals.metric_direction(accuracy) == "up"
    assert keras_internals.metric_direction(None) is None


@pytest.mark.numpy_alone
def test_producer_of_a_tensor():
    inputs = keras.Input((4,))
    first, second = ops.split(inputs, 2, axis=1)
    found = keras_internals.producer(second)
    assert type(found.operation).__name__ == "Split"
    assert found.tensor_index == 1 and found.inputs[0] is inputs
    dense = layers.Dense(2)
    dense(first)
    assert keras_internals.producer(dense(second)).node_index == 1
    assert keras_internals.producer(inputs).inputs == []


@pytest.mark.numpy_alone
def test_graph_nodes_run_from_inputs_to_outputs():
    model = nested()
    assert keras_internals.has_graph(model)
    assert not keras_internals.has_graph(layers.Dense(1))
    graph = keras_internals.graph_of(model)
    assert graph is not model and keras_internals.graph_of(graph) is graph
    found = [node.operation.name for node in keras_internals.graph_nodes(model)]
    assert found[1:] == ["inner", "dense"]
    depths = [depth for depth, _ in keras_internals.nodes_by_depth(model)]
    assert depths == [2, 1, 0]
    last = list(keras_internals.graph_nodes(model))[-1]
    assert last.outputs[0] is model.outputs[0]
    (taken,) = last.arguments.keras_tensors
    assert taken is last.input_tensors[0] and not last.is_input


def test_set_without_tracking_makes_no_sublayer():
    outer, inner = Spy(), nested()
    keras_internals.set_without_tracking(outer, "inner", inner)
    assert outer.inner is inner and outer.weights == []
    assert keras_internals.sublayers(outer) == []
    outer.trainable = False
    assert inner.trainable


def doubled(layer):
    """A copy of a dense layer with outputs twice as large."""
    return keras_internals.shallow_copy(
        layer, call=lambda inputs, training=None: 2 * layer.call(inputs)
    )


def test_shallow_copy_and_substitute_change_no_layer():
    model = nested()
    samples = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    wanted = ops.convert_to_numpy(model(samples))
    layers_of_model = keras_internals.flatten_layers(model)
    before = [dict(vars(layer)) for layer in layers_of_model]

    def replacement(layer):
        return doubled(layer) if isinstance(layer, layers.Dense) else None

    copy = keras_internals.substitute(model, replacement)
    found = ops.convert_to_numpy(copy(samples))
    np.testing.assert_allclose(found, 2 * wanted, rtol=1e-5)
    assert [dict(vars(layer)) for layer in layers_of_model] == before
    np.testing.assert_array_equal(ops.convert_to_numpy(model(samples)), wanted)
    assert keras_internals.substitute(model, lambda layer: None) is model


@pytest.mark.numpy_alone
def test_with_replacements_keeps_containers_without_any():
    old, new = layers.ReLU(), layers.ReLU()
    parts = {id(old): new}
    value = {"a": [1, old], "b": (old, {"c": 2})}
    found = keras_internals.with_replacements(value, parts)
    assert found == {"a": [1, new], "b": (new, {"c": 2})}
    same = {"a": [1, new]}
    assert keras_internals.with_replacements(same, parts) is same


@pytest.mark.numpy_alone
def test_computes_graph_is_false_for_a_call_of_its_own():
    model = nested()
    assert keras_internals.computes_graph(model)
    assert not keras_internals.computes_graph(layers.Dense(1))

    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    inputs = keras.Input((4,))
    assert not keras_internals.computes_graph(Own(inputs, inputs + 1))
    copy = keras_internals.functional_copy(model)
    copy.call = model.call
    assert not keras_internals.computes_graph(copy)


@pytest.mark.numpy_alone
def test_functional_copy_has_the_same_class_weights_and_settings():
    class Named(keras.Model):
        pass

    inputs = keras.Input((4,))
    model = Named(inputs, layers.Dense(2)(inputs), name="named")
    model.note = "kept"
    model.trainable = False
    model.compile("sgd", "mse")
    nodes = [list(layer._inbound_nodes) for layer in model.layers]
    copy = keras_internals.functional_copy(model)
    assert type(copy) is Named and copy.name == "named"
    assert copy.note == "kept" and not copy.compiled and not copy.trainable
    assert all(one is other for one, other in zip(copy.weights, model.weights))
    assert [list(layer._inbound_nodes) for layer in model.layers] == nodes


def test_run_function_and_standardize_inputs_are_a_functional_call():
    inputs = keras.Input((4,))
    hidden = layers.Dropout(0.99)(inputs)
    hidden = layers.Dense(2)(hidden)
    model = keras.Model(inputs, hidden + 1)
    samples = np.ones((3, 4), "float64")
    (values,) = keras_internals.standardize_inputs(model, samples)
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    part = keras.Function(inputs, hidden)
    found = keras_internals.run_function(part, values, training=False)
    wanted = ops.convert_to_numpy(model(samples)) - 1
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), wanted, rtol=1e-5, atol=1e-6
    )
    trained = keras_internals.run_function(part, values, training=True)
    assert not np.allclose(ops.convert_to_numpy(trained), wanted)

    def operation(operation):
        is_dense = isinstance(operation, layers.Dense)
        return doubled(operation) if is_dense else operation

    twice = keras_internals.run_function(part, values, False, operation)
    np.testing.assert_allclose(
        ops.convert_to_numpy(twice), 2 * wanted, rtol=1e-5, atol=1e-6
    )


class Epochs(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_begin(self, logs=None):
        keras_internals.set_initial_epoch(self.model, 2)

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)


class Evaluated(keras.Model):
    from_fit = ()

    def evaluate(self, *args, **kwargs):
        found = keras_internals.is_validation_in_fit(kwargs)
        self.from_fit = (*self.from_fit, found)
        return super().evaluate(*args, **kwargs)


def test_initial_epoch_and_validation_in_fit():
    inputs = keras.Input((1,))
    model = Evaluated(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", "mse", run_eagerly=True)
    data = np.ones((2, 1)), np.ones((2, 1))
    epochs = Epochs()
    model.fit(
        *data, epochs=4, validation_data=data, callbacks=[epochs], verbose=0
    )
    model.evaluate(*data, verbose=0)
    assert epochs.seen == [2, 3]
    assert model.from_fit == (True, True, False)


@pytest.mark.skipif(BACKEND != "jax", reason="Keras holds a state on JAX only")
def test_a_jax_state_is_held_and_restored():
    compiled = []

    class Held(keras_internals.JaxTraining, keras.Model):
        def compile_step(self, step):
            compiled.append(step)
            return step

    inputs = keras.Input((1,))
    model = Held(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", "mse", jit_compile=True)
    before = model.get_weights()
    names = keras_internals.JAX_STATE
    model._get_jax_state(
        purge_model_variables=True, **dict.fromkeys(names, True)
    )
    assert list(model._jax_state) == list(names)
    assert keras_internals.concrete_value(model.weights[0]) is None
    model.restore_jax_state()
    for one, other in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, other)
    model.make_predict_function()
    assert len(compiled) == 1


@pytest.mark.numpy_alone
def test_callback_states_are_attributes_of_the_callbacks(tmp_path):
    arguments = {
        keras.callbacks.ModelCheckpoint: (tmp_path / "model.keras",),
        keras.callbacks.TensorBoard: (tmp_path,),
    }
    for kind, attributes in keras_internals.CALLBACK_STATES.items():
        if kind is keras.callbacks.OrbaxCheckpoint:
            continue  # needs a package of its own
        callback = kind(*arguments.get(kind, ()))
        model = nested()
        model.compile("sgd", "mse")
        callback.set_model(model)
        callback.set_params({})
        callback.on_train_begin()
        missing = set(attributes) - set(vars(callback))
        assert not missing - {"best"}, kind
