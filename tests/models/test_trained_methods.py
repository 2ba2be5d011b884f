"""Every input of images, from start to finish on a tiny source."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import ConvolutionPattern
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import LowRank
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Patch
from keras_reprogram.inputs import RandomPatchPattern
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.optimizers import NormalizedGradient

CANVAS = (16, 16, 3)
unbounded = functools.partial(UniversalPattern, activation=None)
INPUTS = {
    "pad_normalized_first": lambda **k: InputReprogrammer(
        placement="pad", pattern="outside", normalize_first=True, **k
    ),
    "convolution": lambda **k: InputReprogrammer(
        pattern=ConvolutionPattern(3), **k
    ),
    "frame": lambda **k: InputReprogrammer(
        pattern=unbounded(Frame(2), initializer="random_normal"),
        normalize_first=True,
        **k,
    ),
    "patch": lambda **k: InputReprogrammer(
        pattern=unbounded(Patch(4), initializer="random_normal"),
        normalize_first=True,
        **k,
    ),
    "random_patch": lambda **k: InputReprogrammer(
        pattern=RandomPatchPattern(4), normalize_first=True, **k
    ),
    "unbounded_border": lambda **k: InputReprogrammer(
        placement=Pad(12), pattern=unbounded("outside"), **k
    ),
    "sigmoid_border": lambda **k: InputReprogrammer(
        placement=Pad(10),
        pattern=UniversalPattern("outside", activation="sigmoid"),
        **k,
    ),
    "trained_scale": lambda **k: InputReprogrammer(
        placement=ScaledPad(10),
        pattern=UniversalPattern(activation="sigmoid"),
        **k,
    ),
    "masks": lambda **k: InputReprogrammer(
        pattern=SampleMaskedPattern((4, 8), 4), **k
    ),
    "coordinator": lambda **k: InputReprogrammer(
        pattern=CoordinatorPattern(strength=0.5), clip=True, **k
    ),
    "watermark": lambda **k: InputReprogrammer(
        pattern=unbounded("everywhere"), **k
    ),
    "low_rank": lambda **k: InputReprogrammer(
        pattern=unbounded("everywhere", basis=LowRank(4)), **k
    ),
    "grid": lambda **k: InputReprogrammer(
        pattern=UniversalPattern(basis=Grid(4)), **k
    ),
    "overlaid_image": lambda **k: InputReprogrammer(
        placement=Pad(10), pattern="everywhere", **k
    ),
    "overlaid_table": lambda **k: InputReprogrammer(
        **{**k, "target_shape": (64,)},
        placement=FeatureMosaic(),
        pattern="everywhere",
    ),
}


def trained(source, name, images, labels):
    model = ReprogrammedModel(
        source,
        INPUTS[name](target_shape=(8, 8, 1)),
        LabelMapper(3),
        name=name,
    )
    if name == "overlaid_table":
        images = images.reshape(48, 64)
    optimizer = keras.optimizers.Adam(0.01)
    if name == "unbounded_border":
        optimizer = NormalizedGradient(0.5)
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    before = [
        ops.convert_to_numpy(weight.value)
        for weight in model.input_reprogrammer.trainable_weights
    ]
    history = model.fit(images, labels, batch_size=16, epochs=6, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    changed = [
        (ops.convert_to_numpy(weight.value) != old).any()
        for weight, old in zip(
            model.input_reprogrammer.trainable_weights, before
        )
    ]
    assert any(changed)
    return model, images


@pytest.mark.parametrize("name", INPUTS)
def test_a_method_learns_and_survives_its_files(
    twelve_classes, bright_quadrants, name, tmp_path
):
    images, labels = bright_quadrants
    model, images = trained(twelve_classes, name, images, labels)
    predictions = model.predict(images, verbose=0)
    assert (predictions.argmax(axis=1) == labels).mean() >= 0.9

    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.predict(images, verbose=0), predictions)
    assert len(copy.trainable_weights) == len(model.trainable_weights)

    model.save_program(tmp_path / "model.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "model.program", twelve_classes
    )
    config = model.input_reprogrammer.resolved_config()
    assert copy.input_reprogrammer.resolved_config() == config
    for new, old in zip(copy.program_variables, model.program_variables):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(new.value), ops.convert_to_numpy(old.value)
        )


@pytest.mark.parametrize("name", INPUTS)
def test_a_method_works_before_a_bfloat16_source(bright_quadrants, name):
    images, labels = bright_quadrants
    inputs = keras.Input(CANVAS, dtype="bfloat16")
    pooled = keras.layers.AveragePooling2D(4, dtype="bfloat16")(inputs)
    flat = keras.layers.Flatten(dtype="bfloat16")(pooled)
    outputs = keras.layers.Dense(12, dtype="bfloat16")(flat)
    model, _ = trained(keras.Model(inputs, outputs), name, images, labels)
    assert model.input_reprogrammer.trainable_weights[0].dtype == "float32"
