"""Every method of the literature, from start to finish on a tiny source."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs import methods
from keras_reprogram.optimizers import NormalizedGradient

CANVAS = (16, 16, 3)
METHODS = {
    "adversarial_reprogramming": methods.adversarial_reprogramming,
    "trainable_layers": methods.trainable_layers,
    "frame": lambda **k: methods.visual_prompting("frame", 2, **k),
    "patch": lambda **k: methods.visual_prompting("patch", 4, **k),
    "random_patch": lambda **k: methods.visual_prompting(
        "random_patch", 4, **k
    ),
    "enhanced_visual_prompting": lambda **k: methods.enhanced_visual_prompting(
        12, **k
    ),
    "ilm_vp": lambda **k: methods.ilm_vp(10, **k),
    "auto_vp": lambda **k: methods.auto_vp(10, **k),
    "sample_specific_masks": lambda **k: methods.sample_specific_masks(
        (4, 8), 4, **k
    ),
    "black_vip": lambda **k: methods.black_vip(strength=0.5, **k),
    "watermark": methods.watermark,
    "low_rank": methods.low_rank,
    "grid": lambda **k: InputReprogrammer(
        pattern=UniversalPattern(basis=Grid(4)), **k
    ),
    "overlaid_image": lambda **k: methods.overlaid_image(10, **k),
    "overlaid_table": lambda **k: methods.overlaid_table(
        **{**k, "target_shape": (64,)}
    ),
}


def trained(source, name, images, labels):
    model = ReprogrammedModel(
        source,
        METHODS[name](target_shape=(8, 8, 1)),
        LabelMapper(3),
        name=name,
    )
    if name == "overlaid_table":
        images = images.reshape(48, 64)
    optimizer = keras.optimizers.Adam(0.01)
    if name == "enhanced_visual_prompting":
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


@pytest.mark.parametrize("name", METHODS)
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
    config = model.input_reprogrammer.get_config()
    assert copy.input_reprogrammer.get_config() == config
    for new, old in zip(copy.program_variables, model.program_variables):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(new.value), ops.convert_to_numpy(old.value)
        )


@pytest.mark.parametrize("name", METHODS)
def test_a_method_works_before_a_bfloat16_source(bright_quadrants, name):
    images, labels = bright_quadrants
    inputs = keras.Input(CANVAS, dtype="bfloat16")
    pooled = keras.layers.AveragePooling2D(4, dtype="bfloat16")(inputs)
    flat = keras.layers.Flatten(dtype="bfloat16")(pooled)
    outputs = keras.layers.Dense(12, dtype="bfloat16")(flat)
    model, _ = trained(keras.Model(inputs, outputs), name, images, labels)
    assert model.input_reprogrammer.trainable_weights[0].dtype == "float32"
