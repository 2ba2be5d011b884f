import importlib.util

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

import keras_reprogram
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources import stage_features
from keras_reprogram.sources.stage_features import GridAverage

STAGES = ["edges", "shapes"]


def classifier(size=(16, 24)):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((*size, 3))
    edges = keras.layers.Conv2D(4, 3, 2, "same", name="edges")(inputs)
    shapes = keras.layers.Conv2D(5, 3, 4, "same", name="shapes")(edges)
    pooled = keras.layers.GlobalAveragePooling2D()(shapes)
    return keras.Model(inputs, keras.layers.Dense(6)(pooled))


def hub_classifier(data_format="channels_last", image_shape=(None, None, 3)):
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 128],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        data_format=data_format,
        image_shape=image_shape,
    )
    converter = keras_hub.layers.ResNetImageConverter(
        (32, 32), scale=1 / 127.5, offset=-1.0, data_format=data_format
    )
    preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(converter)
    return keras_hub.models.ResNetImageClassifier(
        backbone, 5, preprocessor=preprocessor
    )


def mean_of_parts(array, axis, parts):
    """Part `i` of `n` positions is from `floor(i n / p)` to its end's ceil."""
    size = array.shape[axis]
    means = []
    for part in range(parts):
        start = part * size // parts
        stop = -((-(part + 1) * size) // parts)
        means.append(array.take(range(start, stop), axis).mean(axis))
    return np.stack(means, axis)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("sizes", [(11,), (14, 5), (3, 6, 7)])
def test_the_windows_are_those_of_adaptive_pooling(sizes, data_format):
    generator = np.random.default_rng(0)
    array = generator.normal(size=(2, *sizes, 3)).astype("float32")
    expected = array
    for axis, size in enumerate(sizes):
        expected = mean_of_parts(expected, axis + 1, min(4, size))
    layer = GridAverage(4, data_format)
    if data_format == "channels_first":
        array = np.moveaxis(array, -1, 1)
        expected = np.moveaxis(expected, -1, 1)
    found = ops.convert_to_numpy(layer(array))
    assert found.shape == layer.compute_output_shape(array.shape)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    copy = GridAverage.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_is_averaged_in_float32(dtype):
    # 4096 ones and as many thousands: of 8 or 11 bits, the ones are lost.
    array = np.concatenate([np.ones(4096), np.full(4096, 1000.0)])
    found = GridAverage(1, dtype=dtype)(ops.cast(array[None, :, None], dtype))
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    found = float(ops.convert_to_numpy(ops.cast(found, "float32"))[0, 0, 0])
    np.testing.assert_allclose(found, 500.5, rtol=0.004)


@pytest.mark.skipif(
    keras.config.backend() == "jax", reason="Keras does not export from JAX"
)
def test_stages_are_exported_to_onnx(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    needed = {"tensorflow": "tf2onnx", "torch": "onnxscript"}
    if importlib.util.find_spec(needed[keras.config.backend()]) is None:
        pytest.skip("needs an exporter")
    source = stage_features(classifier(), grid=3, layers=STAGES)
    images = np.random.default_rng(0).random((2, 16, 24, 3), "float32")
    expected = source.predict(images, verbose=0)
    path = str(tmp_path / "stages.onnx")
    source.export(path, format="onnx", verbose=False)
    session = runtime.InferenceSession(path)
    (found,) = session.run(None, {session.get_inputs()[0].name: images})
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_outputs_may_be_a_dictionary():
    network = classifier()
    edges = network.get_layer("edges").output
    two = keras.Model(network.input, {"edges": edges, "all": network.output})
    expected, found = (
        stage_features(model, layers="edges") for model in (network, two)
    )
    assert found.output_shape == expected.output_shape
    assert found.weights[0] is expected.weights[0]


@pytest.mark.parametrize("grid", [1, 2, 3, 8])
def test_every_stage_is_averaged_over_a_grid(grid):
    network = classifier()
    images = np.random.default_rng(0).random((2, 16, 24, 3), "float32")
    expected = []
    for name in STAGES:
        stage = keras.Model(network.input, network.get_layer(name).output)
        stage = ops.convert_to_numpy(stage(images))
        for axis in (1, 2):
            parts = min(grid, stage.shape[axis])
            stage = mean_of_parts(stage, axis, parts)
        expected.append(stage.reshape(2, -1))
    features = stage_features(network, grid=grid, layers=STAGES)(images)
    np.testing.assert_allclose(
        ops.convert_to_numpy(features),
        np.concatenate(expected, axis=1),
        atol=1e-5,
    )


def test_a_stage_of_one_row_is_averaged_along_it():
    network = classifier(size=(2, 64))
    source = stage_features(network, grid=4, layers=STAGES)
    assert source.output_shape == (None, 4 * (4 + 5))
    assert np.isfinite(source.predict(np.ones((1, 2, 64, 3)), verbose=0)).all()


def test_one_stage_is_enough():
    source = stage_features(classifier(), layers=["shapes"], grid=1)
    assert source.output_shape == (None, 5)


def test_kerashub_names_the_stages():
    network = hub_classifier()
    source = stage_features(network, (32, 32, 3), grid=2)
    assert list(network.backbone.pyramid_outputs) == ["P2", "P3"]
    assert source.output_shape == (None, 2 * 2 * (64 + 128))
    # The last stage, averaged, is what the classifier's last layer looks at.
    images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
    last = stage_features(network, grid=1)(images, training=False)[:, 64:]
    expected = keras_reprogram.sources.features(network)(images, training=False)
    np.testing.assert_allclose(
        ops.convert_to_numpy(last), ops.convert_to_numpy(expected), atol=1e-5
    )


def test_size_and_scaling_are_the_classifiers():
    network = hub_classifier()
    expected, found = map(inspect_source, (network, stage_features(network)))
    assert found.preferred_shape == expected.preferred_shape
    assert found.pixel_scale == expected.pixel_scale
    assert found.pixel_offset == expected.pixel_offset


@pytest.mark.skipif(
    keras.config.backend() == "tensorflow", reason="no such kernels on a CPU"
)
def test_channels_may_come_first():
    network = hub_classifier("channels_first", (3, 32, 32))
    for model in (network, network.backbone):
        source = stage_features(model, grid=2)
        assert source.output_shape == (None, 2 * 2 * (64 + 128))


def test_a_program_trains_through_every_stage():
    network = classifier()
    model = keras_reprogram.ReprogrammedModel(
        stage_features(network, layers=STAGES),
        keras_reprogram.InputReprogrammer((4, 6, 1), (16, 24, 3)),
        keras_reprogram.LabelMapper(2),
    )
    weights = [ops.convert_to_numpy(weight) for weight in network.weights]
    labels = np.arange(32) % 2
    images = np.random.default_rng(0).random((32, 4, 6, 1), "float32") * 100
    images += 100 * labels[:, None, None, None]
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(images, labels, epochs=2, verbose=0)
    assert model.evaluate(images, labels, verbose=0)[1] >= 0.9
    assert np.abs(model.input_reprogrammer.get_weights()[0]).max() > 0
    for before, after in zip(weights, network.weights):
        np.testing.assert_array_equal(before, ops.convert_to_numpy(after))


def test_a_model_on_stages_survives_a_file(tmp_path):
    model = keras_reprogram.ReprogrammedModel(
        stage_features(classifier(), layers=STAGES),
        keras_reprogram.InputReprogrammer((4, 6, 1), (16, 24, 3)),
        keras_reprogram.LabelMapper(2),
    )
    images = np.random.default_rng(0).random((4, 4, 6, 1), "float32") * 255
    model.adapt(images, np.arange(4) % 2, verbose=0)
    expected = model.predict(images, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        again.predict(images, verbose=0), expected, atol=1e-4
    )
    model.save_program(tmp_path / "stages.program")
    again = keras_reprogram.ReprogrammedModel.load_program(
        tmp_path / "stages.program",
        source=stage_features(classifier(), layers=STAGES),
    )
    np.testing.assert_allclose(
        again.predict(images, verbose=0), expected, atol=1e-4
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"layers": ["no such layer"]},
        {"layers": STAGES, "grid": 0},
        {"layers": STAGES, "image_shape": (None, None, 3)},
        {"layers": []},
        {"layers": ["edges", "edges", 3]},
    ],
)
def test_what_is_no_stage_is_a_value_error(settings):
    network = classifier()
    with pytest.raises(ValueError, match="Received: "):
        stage_features(network, **settings)


def test_the_size_of_the_images_must_be_known():
    with pytest.raises(ValueError, match="Received: image_shape=.*None"):
        stage_features(classifier(size=(None, None)), layers=STAGES)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GridAverage(0),
        lambda: GridAverage(4, "channels"),
        lambda: stage_features("resnet", layers=STAGES),
    ],
)
def test_what_has_no_grid_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
