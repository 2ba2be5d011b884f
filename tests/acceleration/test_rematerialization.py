import keras
import keras_hub
import numpy as np
import pytest
from keras import layers

import keras_reprogram
from keras_reprogram import inputs
from keras_reprogram import keras_internals
from keras_reprogram.acceleration import rematerialization
from keras_reprogram.acceleration import rematerialize
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.sources import TextSource
from keras_reprogram.sources import fingerprint

BACKEND = keras.config.backend()
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 3)).astype("uint8")
TOKENS = np.random.default_rng(0).integers(1, 20, (8, 6))


def residual_network():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(images / 128)
    for _ in range(4):
        y = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
        y = layers.BatchNormalization()(y)
        y = layers.Dropout(0.5)(layers.ReLU()(y))
        x = layers.Add()([x, y])
    backbone = keras.Model(images, x)
    again = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(backbone(again))
    return keras.Model(again, layers.Dense(6)(x))


def transformer():
    return TextSource(
        keras_hub.models.BertBackbone(
            vocabulary_size=24,
            num_layers=3,
            num_heads=2,
            hidden_dim=8,
            intermediate_dim=16,
            max_sequence_length=8,
        )
    )


def reprogrammed(source):
    if isinstance(source, TextSource):
        program = inputs.TokenReprogrammer(inputs.DenseCombination(20), 6)
    else:
        program = inputs.InputReprogrammer((4, 4, 3))
    model = keras_reprogram.ReprogrammedModel(
        source, program, keras_reprogram.LabelMapper(2, "linear")
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def state_of(source):
    """The attributes of all layers, and what is in their lists."""
    return {
        id(layer): {
            name: (id(value), len(value) if isinstance(value, list) else None)
            for name, value in vars(layer).items()
        }
        for layer in keras_internals.flatten_layers(source)
    }


@pytest.mark.parametrize(
    "build, samples", [(residual_network, IMAGES), (transformer, TOKENS)]
)
def test_a_step_of_training_is_the_same(build, samples):
    def after_a_step(source):
        keras.utils.set_random_seed(1)
        model = reprogrammed(source)
        model.fit(samples, np.arange(8) % 2, shuffle=False, verbose=0)
        return model.predict(samples, verbose=0), [
            keras.ops.convert_to_numpy(one) for one in model.program_variables
        ]

    keras.utils.set_random_seed(0)
    source = build()
    wanted, variables = after_a_step(source)
    before = fingerprint(source), source.get_config()
    state = state_of(source)
    model = rematerialize(rematerialize(source))
    assert state_of(source) == state
    assert type(model) is type(source) and model is not source
    for one in (source, model):
        assert (fingerprint(one), one.get_config()) == before
    shared = {id(variable) for variable in source.weights}
    assert {id(variable) for variable in model.weights} == shared
    found, variables_again = after_a_step(model)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    for one, other in zip(variables_again, variables):
        np.testing.assert_allclose(one, other, atol=1e-5)


class Encoder(layers.Layer):
    """Blocks within a layer, as in KerasHub's ViT."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [Block() for _ in range(3)]

    def build(self, shape):
        for block in self.blocks:
            block.build(shape)

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return inputs


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4, "gelu")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs):
        return inputs + self.dense(inputs)


def encoder():
    inputs = keras.Input((4,))
    return keras.Model(inputs, Encoder()(inputs))


def chain():
    return keras.Sequential(
        [keras.Input((4,)), *(layers.Dense(4, "gelu") for _ in range(6))]
    )


@pytest.mark.parametrize("build", [encoder, chain])
def test_outputs_and_gradients_are_the_same(build, monkeypatch):
    calls = []
    remat = keras.remat
    monkeypatch.setattr(
        keras, "remat", lambda function: calls.append(1) or remat(function)
    )
    source = build()
    state = state_of(source)
    model = rematerialize(source)
    samples = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")

    def weights_after_a_step(source):
        before = source.get_weights()
        source.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
        source.train_on_batch(samples, samples[::-1])
        after = source.get_weights()
        source.set_weights(before)
        return after

    found = weights_after_a_step(model)
    assert state_of(source) == state
    assert len(calls) >= 2 and "call" not in vars(source)
    calls.clear()
    for one, other in zip(found, weights_after_a_step(source)):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert not calls


def test_attributes_are_those_of_the_source():
    source = residual_network()
    source.preprocessor = layers.Rescaling(1 / 255)
    source.note = "kept"
    source.compile("adam", "mse")
    model = rematerialize(source)
    assert model.preprocessor is source.preprocessor
    assert model.note == "kept" and model.name == source.name
    assert not model.compiled
    model.note = "changed"
    model.extra = layers.Dense(1)
    assert source.note == "kept"
    assert model.extra not in keras_internals.flatten_layers(source)


def test_files_are_loaded_with_and_without_rematerialization(tmp_path):
    source = residual_network()
    models = reprogrammed(source), reprogrammed(rematerialize(source))
    for model, other in (models, models[::-1]):
        model.adapt(IMAGES, np.arange(8) % 2)
        wanted = model.predict(IMAGES, verbose=0)
        model.save_program(tmp_path / "task.program")
        again = keras_reprogram.ReprogrammedModel.load_program(
            tmp_path / "task.program", other.source
        )
        np.testing.assert_allclose(
            again.predict(IMAGES, verbose=0), wanted, atol=1e-5
        )
    models[1].save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        again.predict(IMAGES, verbose=0), wanted, atol=1e-5
    )


def test_unfrozen_layers_learn_as_well():
    def learned(source):
        last = source.layers[-1].name
        model = keras_reprogram.ReprogrammedModel(
            source, trainable_source_layers=[last]
        )
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(np.ones((4, 8, 8, 3)), np.eye(6)[:4], verbose=0)
        return source.layers[-1].get_weights()

    keras.utils.set_random_seed(0)
    source = residual_network()
    copy = keras.Model.from_config(source.get_config())
    copy.set_weights(source.get_weights())
    wanted = learned(source)
    for one, other in zip(learned(rematerialize(copy)), wanted):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_parts_are_cut_where_one_tensor_goes_on():
    source = residual_network()
    chain = source.layers[1]
    cuts = rematerialization.cut_tensors(chain)
    # Not between the two ways of a residual block.
    names = [keras_internals.producer(tensor).operation.name for tensor in cuts]
    kinds = {name.rsplit("_", 1)[0] for name in names}
    assert kinds <= {"conv2d", "add", "true_divide", "divide"}, names
    assert sum(name.startswith("add") for name in names) == 3
    parts = rematerialization.split_into_parts(chain)
    assert 2 < len(parts) <= 5


def test_blocks_are_the_outermost_that_repeat():
    blocks = rematerialization.repeated_blocks(transformer())
    kinds = [type(block).__name__ for block in blocks]
    assert kinds == ["TransformerEncoder"] * 3


@pytest.mark.skipif(BACKEND != "torch", reason="tells what it remembers")
def test_a_step_remembers_the_inputs_of_parts_alone():
    import torch

    def remembered(source):
        model = reprogrammed(source)
        model.adapt(IMAGES, np.arange(8) % 2)
        found = {}

        def keep(tensor):
            storage = tensor.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
            model(IMAGES.repeat(8, axis=0), training=True)
        return sum(found.values())

    whole = remembered(residual_network())
    assert remembered(rematerialize(residual_network())) < 0.5 * whole


def masked():
    tokens = keras.Input((4,))
    x = layers.Embedding(5, 3, mask_zero=True)(tokens)
    return keras.Model(tokens, layers.LSTM(2)(x))


def test_a_source_of_no_parts_is_a_value_error():
    queried = QueriedSource(lambda x: x, (4, 4, 3), 6, True)
    one = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    for source in (queried, one, masked()):
        with pytest.raises(ValueError, match="Received: "):
            rematerialize(source)
