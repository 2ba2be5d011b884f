"""A part of the source is trained on request, and only that part."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.callbacks import RestoreBest
from keras_reprogram.sources import FrozenSource


@pytest.fixture
def source() -> keras.Model:
    """A backbone within a classifier, with what must stay as it is."""
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(pixels)
    x = keras.layers.Conv2D(4, 3, strides=2, name="stem")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2D(4, 1, name="last")(x)
    backbone = keras.Model(pixels, x, name="backbone")
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(backbone(inputs))
    x = keras.layers.Dropout(0.5)(x)
    outputs = keras.layers.Dense(6, name="head")(x)
    return keras.Model(inputs, outputs)


def fine_tuned(source, trainable_source_layers):
    model = ReprogrammedModel(
        source,
        InputReprogrammer((4, 4, 1), placement="pad"),
        LabelMapper(3, "identity", sources_per_target=2),
        trainable_source_layers=trainable_source_layers,
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def values(variables):
    return {
        variable.path: ops.convert_to_numpy(variable.value)
        for variable in variables
    }


def changed(before, variables):
    return {
        path
        for path, value in values(variables).items()
        if (value != before[path]).any()
    }


HEAD = {"head/kernel", "head/bias"}
NORM = {"norm/gamma", "norm/beta"}
BACKBONE = {"stem/kernel", "stem/bias", "last/kernel", "last/bias", *NORM}


@pytest.mark.parametrize(
    "trainable_source_layers, trained",
    [
        ((), set()),
        (0, set()),
        (1, HEAD),
        (["head"], HEAD),
        (["norm"], NORM),
        (["last", "head"], HEAD | {"last/kernel", "last/bias"}),
        (["backbone"], BACKBONE),
        (2, BACKBONE | HEAD),
    ],
)
def test_fit_trains_what_was_asked_for_and_nothing_else(
    source, images, labels, trainable_source_layers, trained
):
    before = values(source.weights)
    model = fine_tuned(source, trainable_source_layers)
    assert len(model.trainable_weights) == 1 + len(trained)
    model.fit(images, labels, epochs=2, verbose=0)
    ends = {"/".join(path.split("/")[-2:]) for path in before}
    assert trained <= ends
    found = changed(before, source.weights)
    assert {"/".join(path.split("/")[-2:]) for path in found} == trained


def test_dropout_is_off_and_statistics_stay(source, images):
    model = fine_tuned(source, 2)
    first, second = (
        ops.convert_to_numpy(model(images, training=True)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    norm = source.get_layer("backbone").get_layer("norm")
    np.testing.assert_array_equal(norm.moving_mean, np.zeros(4))


def test_what_is_set_on_the_source_later_changes_nothing(
    source, images, labels
):
    model = fine_tuned(source, ["head"])
    for trainable in (True, False, True):
        source.trainable = trainable
        assert len(model.trainable_variables) == 3
        before = values(source.weights)
        model.fit(images, labels, verbose=0)
        found = changed(before, source.weights)
        assert {path.split("/")[-2] for path in found} == {"head"}
    model.trainable = True
    assert len(model.trainable_variables) == 3


def test_a_source_frozen_before_is_unfrozen_on_request(source):
    FrozenSource(source)
    assert len(fine_tuned(source, ["head"]).trainable_weights) == 3


def test_it_survives_a_file_and_goes_on_training(
    source, images, labels, tmp_path
):
    model = fine_tuned(source, ["last", "head"])
    model.fit(images, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        copy.predict(images, verbose=0),
        model.predict(images, verbose=0),
        rtol=1e-5,
    )
    assert len(copy.trainable_weights) == 5
    before = values(copy.source.weights)
    copy.fit(images, labels, verbose=0)
    found = changed(before, copy.source.weights)
    assert {path.split("/")[-2] for path in found} == {"last", "head"}


def test_a_program_file_is_refused(source, images, labels, tmp_path):
    model = fine_tuned(source, ["head"])
    with pytest.raises(ValueError, match="model.save.*Received: "):
        model.save_program(tmp_path / "model.program")
    assert not list(tmp_path.iterdir())


def test_the_best_epoch_has_its_unfrozen_weights(source, images, labels):
    model = fine_tuned(source, ["head"])
    model.optimizer.learning_rate = 100.0
    start = model.predict(images, verbose=0)
    best = RestoreBest((images, labels))
    data = images, labels
    with pytest.warns(UserWarning, match="No epoch"):
        model.fit(*data, validation_data=data, callbacks=[best], verbose=0)
    np.testing.assert_array_equal(model.predict(images, verbose=0), start)


@pytest.mark.parametrize(
    "trainable_source_layers",
    ["tail", ["head", "tail"], 4, -1, ["rescaling"], 1.5, [2]],
)
def test_layers_that_are_not_there_are_a_value_error(
    source, trainable_source_layers
):
    with pytest.raises(ValueError, match="Received: "):
        fine_tuned(source, trainable_source_layers)


def test_a_recurrent_layer_is_unfrozen_whole():
    inputs = keras.Input((5, 2))
    x = keras.layers.Bidirectional(keras.layers.LSTM(3), name="reader")(inputs)
    frozen = FrozenSource(
        keras.Model(inputs, keras.layers.Dense(2)(x)), ["reader"]
    )
    assert len(frozen.trainable_weights) == 6


# === What stays frozen in an unfrozen layer ===


def trained_by(model):
    variables = model.frozen_source.unfrozen_variables
    return {variable.path for variable in variables}


def test_what_was_frozen_by_hand_stays_frozen(source, tmp_path):
    source.get_layer("backbone").get_layer("norm").trainable = False
    model = fine_tuned(source, ["backbone"])
    assert trained_by(model) == BACKBONE - NORM
    model.trainable = False
    model.trainable = True
    model.source.trainable = False
    assert not trained_by(model) & NORM and model.trainable_variables
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert trained_by(again) == BACKBONE - NORM
    trained = {v.path for v in again.trainable_variables}
    assert trained & BACKBONE == BACKBONE - NORM


def test_a_variable_that_is_frozen_later_stays_frozen(source):
    model = fine_tuned(source, ["head"])
    source.get_layer("head").kernel.trainable = False
    assert {v.path for v in model.trainable_variables} >= {"head/bias"}
    assert trained_by(model) == {"head/bias"}


def test_a_source_that_was_frozen_as_a_whole_is_thawed_where_asked(source):
    source.trainable = False
    assert trained_by(fine_tuned(source, ["backbone"])) == BACKBONE


@pytest.mark.parametrize("when", ["before", "frozen", "after"])
def test_the_base_of_a_layer_with_lora_stays_as_it_is(
    source, images, labels, when
):
    head = source.get_layer("head")
    if when != "after":
        head.enable_lora(2)
    if when == "frozen":
        source.trainable = False
    model = fine_tuned(source, ["head"])
    if when == "after":
        head.enable_lora(2)
    names = {path.rsplit("/", 1)[1] for path in trained_by(model)}
    assert names == {"bias", "lora_kernel_a", "lora_kernel_b"}
    before = ops.convert_to_numpy(head._kernel)
    model.compile(
        keras.optimizers.Adam(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(images, labels, batch_size=24, epochs=2, verbose=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(head._kernel), before)
    assert np.abs(ops.convert_to_numpy(head.lora_kernel_b)).max() > 0


def test_the_last_layers_are_counted_without_what_was_frozen_by_hand(source):
    source.get_layer("backbone").trainable = False
    assert trained_by(fine_tuned(source, 2)) == HEAD
