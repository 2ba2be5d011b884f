"""Sources are compared by what they compute, not by their names."""

import json
import re

import keras
import numpy as np
import pytest
from keras import layers

from keras_reprogram.acceleration import rematerialize
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.sources import compare_fingerprints
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import not_compared
from keras_reprogram.sources.architecture import Architecture
from keras_reprogram.sources.graph_steps import Step
from keras_reprogram.sources.graph_steps import Value

SETTINGS = {
    "scale": 1 / 255,
    "offset": 0.0,
    "activation": "relu",
    "strides": 1,
    "padding": "same",
    "dilation_rate": 1,
    "epsilon": 1e-3,
    "pooling": layers.MaxPooling2D,
    "residual": True,
    "last": None,
    "slope": 0.3,
    "interpolation": "nearest",
    "rate": 0.5,
    "operation": keras.ops.tanh,
    "constant": 2.0,
    "axis": -1,
}


def network(**changes):
    chosen = {**SETTINGS, **changes}

    def of(*names):
        return {name: chosen[name] for name in names}

    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(**of("scale", "offset"))(inputs)
    x = layers.Conv2D(
        4, 3, **of("strides", "padding", "dilation_rate", "activation")
    )(x)
    y = layers.BatchNormalization(epsilon=chosen["epsilon"])(x)
    y = layers.Dropout(chosen["rate"])(y)
    y = layers.LeakyReLU(negative_slope=chosen["slope"])(y)
    x = layers.Add()([x, y]) if chosen["residual"] else y
    x = layers.UpSampling2D(2, interpolation=chosen["interpolation"])(x)
    x = chosen["pooling"](4)(x)
    x = chosen["operation"](x) * chosen["constant"]
    x = keras.ops.flip(x, axis=chosen["axis"])
    x = layers.GlobalAveragePooling2D()(x)
    return with_numbers(
        keras.Model(inputs, layers.Dense(6, activation=chosen["last"])(x))
    )


def with_numbers(model):
    """The weights by a formula, the same on every machine."""
    for index, weight in enumerate(model.weights):
        values = np.arange(np.prod(weight.shape), dtype="float32")
        weight.assign(((values + index) % 7 / 8).reshape(weight.shape))
    return model


@pytest.fixture(scope="module")
def recorded():
    # As a file has it.
    return json.loads(json.dumps(fingerprint(network())))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("scale", 1 / 128, r"Rescaling\(scale=0.0078125"),
        ("offset", -1.0, "offset=-1"),
        ("activation", "tanh", 'activation="tanh"'),
        ("activation", None, r"Conv2D\(filters"),
        ("strides", 2, "strides=2"),
        ("padding", "valid", r"Conv2D\(activation=.*, not .*padding"),
        ("dilation_rate", 2, "dilation_rate=2"),
        ("epsilon", 1e-5, "BatchNormalization.epsilon=1e-05"),
        ("pooling", layers.AveragePooling2D, "AveragePooling2D"),
        ("residual", False, r"UpSampling2D.*, not Add\(\) <- @2, @4"),
        ("last", "softmax", 'activation="softmax"'),
        ("slope", 0.2, "negative_slope=0.2"),
        ("interpolation", "bilinear", 'interpolation="bilinear"'),
        ("operation", keras.ops.sin, "ops.Sin.*, not ops.Tanh"),
        ("constant", 3.0, "ops.Multiply.*3, not .*2"),
        ("axis", 1, "ops.Flip.axis=1"),
    ],
)
@pytest.mark.numpy_alone
def test_another_computation_is_named(recorded, name, value, words):
    other = network(**{name: value})
    found = " ".join(compare_fingerprints(other, recorded))
    assert "step " in found
    assert re.search(words, found), found


def same_networks():
    def sequential(*stack):
        return keras.Sequential([keras.Input((8, 8, 1)), *stack])

    def functional(*stack):
        x = inputs = keras.Input((8, 8, 1))
        for layer in stack:
            x = layer(x)
        return keras.Model(inputs, x)

    def stack(*between, rate=0.1, **kwargs):
        return [
            layers.Conv2D(3, (3, 3), strides=(2, 2), activation="relu"),
            *between,
            layers.BatchNormalization(momentum=rate, **kwargs),
            layers.Flatten(),
            layers.Dense(6),
        ]

    extra = [
        layers.Dropout(0.5),
        layers.GaussianNoise(0.1),
        layers.Identity(),
        layers.ActivityRegularization(0.1),
        layers.Activation("linear"),
        layers.RandomFlip(),
    ]
    explicit = [
        layers.Conv2D(
            3,
            3,
            strides=2,
            activation=keras.activations.relu,
            padding="valid",
            dilation_rate=1,
            data_format="channels_last",
            kernel_initializer="zeros",
            kernel_regularizer="l2",
            bias_constraint="non_neg",
            name="another",
            dtype="mixed_bfloat16",
        ),
        *stack(gamma_regularizer="l2")[1:],
    ]
    first, *rest = stack()
    nested = [sequential(first), *rest[:-1], functional_of(rest[-1], (27,))]
    return {
        "functional": functional(*stack()),
        "sequential": sequential(*stack()),
        "nested": functional(*nested),
        "within a model": functional(sequential(*stack())),
        "without effect": sequential(*stack(*extra)),
        "written out": functional(*explicit),
    }


def functional_of(layer, shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


def test_the_same_network_in_other_words_is_the_same():
    found = {name: with_numbers(it) for name, it in same_networks().items()}
    expected = fingerprint(found["functional"])
    for name, model in found.items():
        assert compare_fingerprints(model, expected) == [], name
        assert Architecture(model).steps == expected["architecture"]["steps"]
    rematerialize(found["functional"])
    assert compare_fingerprints(found["functional"], expected) == []


def test_a_fingerprint_is_the_same_on_every_backend(recorded):
    assert recorded["architecture"] == {
        "steps": [
            "Input(0, float)",
            "Rescaling(scale=0.003921569) <- @0",
            'Conv2D(activation="relu", filters=4, kernel_size=3, '
            'padding="same") <- @1',
            "BatchNormalization() <- @2",
            "LeakyReLU() <- @3",
            "Add() <- @2, @4",
            "UpSampling2D() <- @5",
            "MaxPooling2D(pool_size=4, strides=4) <- @6",
            "ops.Tanh() <- @7",
            "ops.Multiply() <- @8, 2",
            "ops.Flip(axis=-1) <- @9",
            "GlobalAveragePooling2D() <- @10",
            "Dense(units=6) <- @11",
        ],
        "outputs": None,
    }
    assert recorded["weights"] == [
        "3x3x3x4:5189b8bd8ea32fdb",
        "4:15c305a063783a6d",
        "4:1a5ac4f4c8aad9bc",
        "4:80d6c5a6972eee89",
        "4:a46da257c6b02043",
        "4:dbb4b23cb124c208",
        "4x6:95b0ab593bc8732f",
        "6:6d48747158494c16",
    ]
    source = around(OWN["layer"](lambda x: keras.ops.sin(x)))
    expected = fingerprint(source)
    wanted = [1.69289, 1.51744, -0.104792, -0.110531]
    for row, value in zip(expected["architecture"]["outputs"], wanted):
        row[0] = value
    assert compare_fingerprints(source, expected) == []


@pytest.mark.numpy_alone
def test_layers_that_share_weights_are_not_two_layers():
    def model(shared):
        first, second = layers.Dense(4), layers.Dense(4)
        inputs = keras.Input((4,))
        second = first if shared else second
        return keras.Model(inputs, second(first(inputs)))

    expected = fingerprint(with_numbers(model(True)))
    assert compare_fingerprints(with_numbers(model(True)), expected) == []
    assert compare_fingerprints(with_numbers(model(False)), expected)
    # A layer without weights is the same each time.
    relu = layers.ReLU()
    inputs = keras.Input((4,))
    again = keras.Model(inputs, relu(-relu(inputs)))
    other = keras.Model(inputs, layers.ReLU()(-layers.ReLU()(inputs)))
    assert compare_fingerprints(other, fingerprint(again)) == []


@pytest.mark.numpy_alone
def test_an_argument_of_a_later_keras_is_left_out(monkeypatch, recorded):
    def of_later(self):
        return {**of_today(self), "new_argument": None, "other": {"a": 1}}

    of_today = layers.Conv2D.get_config
    monkeypatch.setattr(layers.Conv2D, "get_config", of_later)
    assert compare_fingerprints(network(), recorded) == []


@pytest.mark.numpy_alone
def test_a_model_that_takes_integers_is_another():
    def model(dtype):
        inputs = keras.Input((4,), dtype=dtype)
        inner = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
        x = inner(keras.ops.cast(inputs, "float32"))
        return with_numbers(keras.Model(inputs, x))

    expected = fingerprint(model("uint8"))
    (found,) = compare_fingerprints(model("float32"), expected)
    assert "Input(0, float), not Input(0, uint8)" in found


@pytest.mark.numpy_alone
def test_a_layer_within_a_layer_is_looked_into():
    def model(activation, wrapped=layers.TimeDistributed):
        inner = keras.Sequential([layers.Dense(3, activation), layers.Dense(2)])
        inputs = keras.Input((5, 4))
        return with_numbers(keras.Model(inputs, wrapped(inner)(inputs)))

    expected = fingerprint(model("relu"))
    assert compare_fingerprints(model("relu"), expected) == []
    (found,) = compare_fingerprints(model("tanh"), expected)
    assert "tanh" in found

    def recurrent(activation):
        inputs = keras.Input((5, 4))
        layer = layers.Bidirectional(layers.LSTM(2, activation))
        return with_numbers(keras.Model(inputs, layer(inputs)))

    expected = fingerprint(recurrent("tanh"))
    assert compare_fingerprints(recurrent("tanh"), expected) == []
    assert compare_fingerprints(recurrent("relu"), expected)


@pytest.mark.numpy_alone
def test_lora_that_adds_nothing_changes_nothing():
    def model():
        return with_numbers(
            keras.Sequential(
                [keras.Input((6,)), layers.Dense(5), layers.Dense(3)]
            )
        )

    source, other = model(), model()
    other.layers[0].enable_lora(2)
    assert compare_fingerprints(other, fingerprint(source)) == []
    assert compare_fingerprints(source, fingerprint(other)) == []
    other.layers[0].lora_kernel_b.assign(np.ones((2, 5)))
    (found,) = compare_fingerprints(other, fingerprint(source))
    assert "1 of 4 weights have other values" in found


# === What is in no weight and no config ===


def on(function, dtype="int32", shape=(4,)):
    inputs = keras.Input(shape, dtype=dtype)
    x = keras.ops.cast(function(inputs), "float32")
    return with_numbers(keras.Model(inputs, layers.Dense(2)(x)))


def taking(dtype, shape=(4,)):
    """A model within a model, that takes another dtype or another shape."""
    inputs = keras.Input(shape, dtype=dtype)
    inner = keras.Model(inputs, keras.ops.sum(inputs, -1, keepdims=True))
    return lambda x: inner(x)


def by(function, constant):
    return lambda x: function(x, constant)


def are_the_same(one, other):
    found = compare_fingerprints(other, fingerprint(one))
    return compare_fingerprints(one, fingerprint(other)) == [] and found == []


@pytest.mark.parametrize(
    ("outer", "one", "other"),
    [
        ("float32", "bool", "float32"),
        ("float32", "bool", "int32"),
        ("float32", "uint8", "int32"),
        ("bool", "float32", "bool"),
        ("int32", "float32", "int32"),
    ],
)
@pytest.mark.numpy_alone
def test_a_model_within_a_model_takes_its_own_dtype(outer, one, other):
    one, other, again = (
        on(taking(dtype), outer) for dtype in (one, other, one)
    )
    assert are_the_same(one, again)
    assert not are_the_same(one, other)


@pytest.mark.numpy_alone
def test_what_a_model_within_a_model_casts_is_told():
    def model(index):
        inputs = [keras.Input((4,)), keras.Input((4,))]
        added = layers.Add()(inputs)
        parts = [added, taking("bool")(inputs[index])]
        return keras.Model(inputs, layers.Concatenate()(parts))

    assert are_the_same(model(0), model(0))
    assert not are_the_same(model(0), model(1))


@pytest.mark.numpy_alone
def test_a_model_within_a_model_takes_its_own_number_of_axes():
    def model(shape):
        return on(taking("float32", shape), "float32", (4, 1))

    steps = fingerprint(model((4,)))["architecture"]["steps"]
    assert steps[1] == "Axes(2) <- @0"
    assert not are_the_same(model((4,)), model((4, 1)))


@pytest.mark.parametrize(
    "kind", [layers.ReLU, layers.Identity, layers.Rescaling, layers.Dropout]
)
@pytest.mark.numpy_alone
def test_a_layer_of_integers_is_not_one_of_floats(kind):
    def model(dtype):
        layer = (
            kind(0.5, dtype=dtype)
            if kind != layers.Identity
            else kind(dtype=dtype)
        )
        return on(layer, "float32")

    assert are_the_same(model("float32"), model("bfloat16"))
    assert not are_the_same(model("float32"), model("int32"))


@pytest.mark.parametrize(
    ("function", "one", "other"),
    [
        (keras.ops.mod, np.array(16777217), np.array(16777218)),
        (keras.ops.mod, 16777217, 16777218),
        (keras.ops.mod, np.int64(2**31 - 1), np.int64(2**31 - 2)),
        (keras.ops.mod, np.array(2**62), np.array(2**62 + 1)),
        (
            keras.ops.mod,
            np.array(2**64 - 1, "uint64"),
            np.array(2**63, "uint64"),
        ),
        (keras.ops.mod, np.arange(4) + 2**30, np.arange(4) + 2**30 + 1),
        (keras.ops.power, 4, 4.0),
        (keras.ops.power, 4, np.float32(4)),
        (keras.ops.power, np.array(4), np.array(4.0)),
        (keras.ops.power, np.arange(4), np.arange(4.0)),
        (keras.ops.add, np.ones(4, "int32"), np.ones(4, "bool")),
        (keras.ops.add, 1, True),
        (keras.ops.add, np.array(1), np.array(True)),
        (keras.ops.multiply, 1.0000001, 1.0000002),
        (keras.ops.equal, np.array(["a", "b"]), np.array(["a", "c"])),
    ],
)
@pytest.mark.numpy_alone
def test_another_constant_is_another_computation(function, one, other):
    def described(constant):
        return text_of_call(function, constant, "int32")

    assert described(one) == described(one)
    assert described(one) != described(other)


def text_of_layer(layer):
    found = Architecture(on(lambda x: x))
    return found.operation_text.operation(layer)


def text_of_call(function, constant, dtype):
    step = Step(None, ())
    found = Architecture(on(lambda x: x))
    given = Value(step, 0, dtype, 2)
    return function.__name__, found.references(((given, constant), {}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (2, 2.0),
        (2.0, np.array(2)),
        (np.arange(4), np.arange(4.0)),
        (np.arange(4, dtype="uint8"), np.arange(4)),
        (0.1, np.float32(0.1)),
        (0.1, np.array(0.1)),
        (0.1, 0.1 + 1e-12),
        (1e300, float("inf")),
        (np.full(3, 1 / 3), np.full(3, 1 / 3, "float32")),
        (1 / 3 + 1j, np.complex64(1 / 3 + 1j)),
        (np.full(3, 1j / 3), np.full(3, 1j / 3, "complex64")),
    ],
)
@pytest.mark.numpy_alone
def test_the_same_constant_for_floats_is_the_same(one, other):
    texts = [
        text_of_call(keras.ops.add, value, "float32") for value in (one, other)
    ]
    assert texts[0] == texts[1]


def test_constants_that_are_tensors_are_compared_exactly():
    def model(constant, dtype="int32"):
        constant = keras.ops.convert_to_tensor(np.array(constant, dtype))
        return on(lambda x: keras.ops.mod(x, constant))

    large = [2**24 + 1, 1, 1, 1], [2**24 + 2, 1, 1, 1]
    assert are_the_same(model(large[0]), model(large[0]))
    assert not are_the_same(model(large[0]), model(large[1]))
    assert not are_the_same(model(large[0][0]), model(large[1][0]))
    first, second = (
        text_of_call(
            keras.ops.add,
            keras.ops.convert_to_tensor(
                np.array([1, 1j * factor], "complex64")
            ),
            "complex64",
        )
        for factor in (1, 2)
    )
    assert first != second


def lookup(tokens, kind=layers.IntegerLookup, **kwargs):
    layer = kind(max_tokens=10, **kwargs)
    layer.adapt(np.array(tokens))
    return layer


TOKENS = [[1, 2, 3, 4, 5], [5, 4, 4, 4, 3, 3, 2, 9]]


def vocabularies():
    def words(tokens):
        return [str(token) for token in tokens]

    def within(tokens):
        return layers.Pipeline([lookup(tokens), layers.Rescaling(1.0)])

    def file_like(tokens):
        layer = layers.IntegerLookup()
        layer.set_vocabulary(sorted(set(tokens)))
        return layer

    return {
        "integers": lookup,
        "set": file_like,
        "within": within,
        "binary": lambda tokens: lookup(tokens, output_mode="multi_hot"),
        "weighted": lambda tokens: lookup(tokens, output_mode="tf_idf"),
        "words": lambda tokens: lookup(words(tokens), layers.StringLookup),
        "text": lambda tokens: lookup(words(tokens), layers.TextVectorization),
        "bins": lambda tokens: adapted(
            layers.Discretization(num_bins=3), tokens
        ),
        "scaled": lambda tokens: adapted(layers.Normalization(None), tokens),
    }


def adapted(layer, values):
    layer.adapt(np.array(values, "float32"))
    return layer


@pytest.mark.parametrize("kind", vocabularies())
@pytest.mark.numpy_alone
def test_what_a_layer_was_adapted_to_is_compared(kind):
    def text(tokens):
        layer = vocabularies()[kind](tokens)
        weights = layer.get_weights()
        return text_of_layer(layer), str(weights)

    assert text(TOKENS[0]) == text(TOKENS[0])
    assert text(TOKENS[0]) != text(TOKENS[1])


@pytest.mark.numpy_alone
def test_a_vocabulary_is_the_same_however_it_came():
    found = lookup(TOKENS[1])
    # The most frequent one first.
    given = layers.IntegerLookup(max_tokens=10, vocabulary=[4, 3, 9, 5, 2])
    assert found.get_vocabulary() == given.get_vocabulary()
    assert are_the_same(on(found), on(given))
    assert not are_the_same(on(found), on(lookup(TOKENS[0])))
    weights = [[0.1, 0.2], [0.1, 0.3]]
    one, other = (
        text_of_layer(
            layers.IntegerLookup(
                output_mode="tf_idf", vocabulary=[1, 2], idf_weights=values
            )
        )
        for values in weights
    )
    assert one != other


# === Code of its own ===


class Own(layers.Layer):
    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, inputs):
        return self.function(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


def changed(layer, call):
    layer.call = call
    return layer


def named_relu(inputs):
    return keras.ops.abs(inputs)


named_relu.__name__ = "relu"

OWN = {
    "layer": Own,
    "lambda": lambda function: layers.Lambda(
        function, output_shape=lambda shape: shape
    ),
    "activation": layers.Activation,
    "changed": lambda function: changed(layers.ReLU(), function),
    "within": lambda function: layers.TimeDistributed(Own(function)),
}


def around(layer, inner=(3,)):
    inputs = keras.Input((5, 4))
    x = layer(layers.Dense(4)(inputs))
    return with_numbers(keras.Model(inputs, layers.Dense(2)(x)))


@pytest.mark.parametrize("kind", OWN)
def test_code_of_its_own_is_told_by_its_outputs(kind):
    expected = fingerprint(around(OWN[kind](lambda x: keras.ops.sin(x))))
    outputs = expected["architecture"]["outputs"]
    assert [len(row) for row in outputs] == [10] * 4
    for function, same in (
        (lambda x: keras.ops.sin(x * (1 + 1e-7)), True),
        (lambda x: keras.ops.sin(x) * 1.01, False),
        (lambda x: keras.ops.cos(x), False),
    ):
        found = compare_fingerprints(around(OWN[kind](function)), expected)
        assert (found == []) is same
        assert same or "its outputs on four fixed inputs" in found[0]


@pytest.mark.numpy_alone
def test_a_function_with_the_name_of_keras_own_is_not_keras_own():
    expected = fingerprint(around(layers.Activation("relu")))
    assert expected["architecture"]["outputs"] is None
    assert compare_fingerprints(around(layers.Activation(named_relu)), expected)


@pytest.mark.numpy_alone
def test_the_same_outputs_by_other_code_are_the_same_source():
    own = fingerprint(around(Own(lambda x: keras.ops.relu(x))))
    assert compare_fingerprints(around(layers.ReLU()), own) == []
    # What else is there is compared by its arguments, too.
    assert compare_fingerprints(around(layers.ReLU(threshold=1e-6)), own) == []
    assert compare_fingerprints(around(layers.ReLU(threshold=1.0)), own)


@pytest.mark.numpy_alone
def test_a_model_of_a_class_of_its_own():
    class Network(keras.Model):
        def __init__(self, function):
            super().__init__()
            self.dense = layers.Dense(3)
            self.function = function

        def call(self, inputs):
            return self.function(self.dense(inputs))

    def source(function):
        inputs = keras.Input((4,))
        return with_numbers(keras.Model(inputs, Network(function)(inputs)))

    expected = fingerprint(source(keras.ops.sin))
    assert compare_fingerprints(source(keras.ops.sin), expected) == []
    (found,) = compare_fingerprints(source(keras.ops.tanh), expected)
    assert "outputs" in found

    class Functional(keras.Model):
        def __init__(self):
            inputs = keras.Input((4,))
            super().__init__(inputs, layers.Dense(3, "relu")(inputs))

    class Doubled(Functional):
        def call(self, *args, **kwargs):
            return 2 * super().call(*args, **kwargs)

    def inside(kind):
        inputs = keras.Input((4,))
        return with_numbers(keras.Model(inputs, kind()(inputs)))

    plain = functional_of(layers.Dense(3, "relu"), (4,))
    expected = fingerprint(with_numbers(plain))
    assert expected["architecture"]["outputs"] is None
    assert compare_fingerprints(inside(Functional), expected) == []
    assert compare_fingerprints(inside(Doubled), expected)


@pytest.mark.skipif(
    keras.config.backend() != "torch", reason="a module of PyTorch"
)
def test_running_statistics_of_a_module_of_pytorch():
    import torch

    def source(mean):
        module = torch.nn.Sequential(
            torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3)
        )
        module[0].running_mean.fill_(mean)
        inputs = keras.Input((4,))
        layer = layers.TorchModuleWrapper(module, output_shape=(None, 3))
        return with_numbers(keras.Model(inputs, layer(inputs)))

    expected = fingerprint(source(0.5))
    assert compare_fingerprints(source(0.5), expected) == []
    (found,) = compare_fingerprints(source(0.7), expected)
    assert "outputs" in found


def test_outputs_of_16_bits_are_compared_with_room():
    def source(factor):
        own = Own(lambda x: x * factor, dtype="bfloat16")
        return around(own)

    expected = fingerprint(source(1.0))
    assert compare_fingerprints(source(1.02), expected) == []
    assert compare_fingerprints(source(1.2), expected)


def test_tokens_on_probe_are_in_the_vocabulary():
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(7, 4)(inputs)
    x = Own(lambda x: keras.ops.sin(x))(x)
    source = with_numbers(keras.Model(inputs, layers.Flatten()(x)))
    expected = fingerprint(source)
    assert np.count_nonzero(expected["architecture"]["outputs"]) > 20
    assert compare_fingerprints(source, expected) == []


# === A queried function ===


def queried(factor, asked=None):
    def function(inputs):
        if asked is not None:
            asked.append(inputs)
        return factor * inputs.reshape(len(inputs), -1)[:, :3]

    return QueriedSource(function, (4, 4, 3), 3, from_logits=True)


@pytest.mark.numpy_alone
def test_a_function_is_asked_on_request_alone():
    asked = []
    source = queried(1.0, asked)
    quiet = fingerprint(source)
    assert compare_fingerprints(queried(2.0, asked), quiet) == []
    assert "query may cost" in not_compared(source, quiet)
    assert not asked
    expected = fingerprint(source, probe=True)
    assert source.num_queries == sum(map(len, asked)) == 4
    assert min(inputs.min() for inputs in asked) >= 0
    other = queried(1.1)
    assert (
        compare_fingerprints(other, expected) == [] and other.num_queries == 0
    )
    assert "query may cost" in not_compared(other, expected)
    (found,) = compare_fingerprints(other, expected, probe=True)
    assert "outputs" in found and other.num_queries == 4
    assert compare_fingerprints(queried(1.0), expected, probe=True) == []
    assert not_compared(source, expected, probe=True) is None


# === What anyone may have written ===


@pytest.mark.parametrize(
    "architecture",
    [
        None,
        [],
        {},
        {"steps": [3], "outputs": None},
        {"steps": "many", "outputs": None},
        {"steps": []},
        {"steps": [], "outputs": []},
        {"steps": [], "outputs": [[]] * 4},
        {"steps": [], "outputs": [["1"]] * 4},
        {"steps": [], "outputs": [[True]] * 4},
        {"steps": [], "outputs": [[float("nan")]] * 4},
        {"steps": [], "outputs": [[10**400]] * 4},
        {"steps": [], "outputs": [[0.0] * 257] * 4},
    ],
)
@pytest.mark.numpy_alone
def test_a_damaged_architecture_is_a_value_error(source, architecture):
    expected = {**fingerprint(source), "architecture": architecture}
    with pytest.raises(ValueError, match="Received: an architecture"):
        compare_fingerprints(source, expected)


@pytest.mark.numpy_alone
def test_messages_are_short_whatever_is_recorded(source):
    expected = fingerprint(source)
    expected["architecture"]["steps"][2] = "x" * 10**6
    expected["input_shape"] = list(range(10**5))
    assert sum(map(len, compare_fingerprints(source, expected))) < 1000
