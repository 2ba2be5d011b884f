import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import Tile
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.resolvable import RESOLVED
from keras_reprogram.sources.specification import SourceSpecification

RANDOM = keras.initializers.RandomNormal(stddev=1.0, seed=0)


def source(accepted, preferred, scale=None, offset=0.0):
    return SourceSpecification(
        accepted, preferred, 5, True, pixel_scale=scale, pixel_offset=offset
    )


def outputs(layer, samples):
    return ops.convert_to_numpy(layer(samples))


def test_formula_of_ilm_vp():
    """pad(x) + sigmoid(theta) outside the data, then the normalization."""
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.25])
    layer = InputReprogrammer(
        target_shape=(5, 5, 3),
        source_shape=(8, 8, 3),
        placement="pad",
        pattern=UniversalPattern("outside", "sigmoid", RANDOM),
        scale=(1 / 255 / std).tolist(),
        offset=(-mean / std).tolist(),
    )
    samples = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), "uint8")
    result = outputs(layer, samples)
    theta = ops.convert_to_numpy(layer.pattern.theta.value)
    mask = np.ones((8, 8, 3), bool)
    mask[2:7, 2:7] = False
    pattern = np.zeros((8, 8, 3))
    pattern[mask] = 1 / (1 + np.exp(-theta))
    padded = np.pad(samples / 255.0, [(0, 0), (2, 1), (2, 1), (0, 0)])
    expected = (padded + pattern - mean) / std
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_formula_of_elsayed():
    """Scaled to [-1, 1] first, then padded, then tanh(theta)."""
    layer = InputReprogrammer(
        target_shape=(4, 4, 1),
        source_shape=(8, 8, 3),
        placement="pad",
        pattern=UniversalPattern("outside", "tanh", RANDOM),
        scale=2 / 255,
        offset=-1.0,
        normalize_first=True,
    )
    samples = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 1), "uint8")
    result = outputs(layer, samples)
    values = layer.pattern.to_numpy()
    np.testing.assert_allclose(
        result[:, 2:6, 2:6],
        np.repeat(samples / 127.5 - 1, 3, axis=-1),
        atol=1e-5,
    )
    np.testing.assert_allclose(result[0, :2], values[:2], atol=1e-6)


@pytest.mark.parametrize("normalize_first", [True, False])
def test_clip_keeps_the_valid_range(normalize_first):
    layer = InputReprogrammer(
        target_shape=(4, 4, 3),
        source_shape=(8, 8, 3),
        pattern=UniversalPattern(
            "everywhere", None, keras.initializers.RandomNormal(stddev=9.0)
        ),
        scale=[-2.0, 1.0, 3.0],
        offset=[1.0, 0.0, -1.0],
        value_range=(0, 1),
        normalize_first=normalize_first,
        clip=True,
    )
    samples = np.random.default_rng(0).random((2, 4, 4, 3), "float32")
    result = outputs(layer, samples)
    low, high = np.array([-1.0, 0.0, -1.0]), np.array([1.0, 1.0, 2.0])
    np.testing.assert_allclose(result.min(axis=(0, 1, 2)), low, atol=1e-6)
    np.testing.assert_allclose(result.max(axis=(0, 1, 2)), high, atol=1e-6)


def test_value_ranges_and_dtypes_give_the_same_canvas():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 1), "uint8")
    options = dict(target_shape=(4, 4, 1), source_shape=(8, 8, 3), pattern=None)
    whole = InputReprogrammer(**options)
    unit = InputReprogrammer(value_range=(0, 1), **options)
    for layer in (whole, unit):
        layer.resolve(source((None, None, 3), (8, 8, 3), 1 / 127.5, -1.0), None)
    expected = outputs(whole, pixels)
    for samples in (pixels.astype("float32"), pixels.astype("int64")):
        np.testing.assert_allclose(outputs(whole, samples), expected, atol=1e-5)
    np.testing.assert_allclose(
        outputs(unit, pixels.astype("float32") / 255), expected, atol=1e-5
    )
    assert expected.min() >= -1.001 and expected.max() <= 1.001


def test_gray_is_repeated_over_the_channels():
    layer = InputReprogrammer((4, 4, 1), (8, 8, 3), pattern=None)
    result = outputs(layer, np.ones((2, 4, 4, 1)) * 7)
    assert result.shape == (2, 8, 8, 3)
    np.testing.assert_allclose(result, 7.0, rtol=1e-5)


def test_images_of_any_size_and_color():
    layer = InputReprogrammer(source_shape=(8, 8, 3))
    inputs = keras.Input((None, None, None))
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, 8, 8, 3)
    for shape in ((2, 5, 7, 1), (3, 6, 4, 3)):
        result = model.predict(np.ones(shape, "float32"), verbose=0)
        np.testing.assert_allclose(result, 1.0, rtol=1e-5)


def test_channels_first_equals_channels_last():
    samples = np.random.default_rng(0).random((2, 5, 4, 3), "float32")
    frame = UniversalPattern(Frame(2))
    last = InputReprogrammer(
        (5, 4, 3),
        (8, 9, 3),
        "pad",
        frame,
        scale=[1.0, 2.0, 3.0],
        offset=[0.1, 0.2, 0.3],
    )
    first = InputReprogrammer(
        (3, 5, 4),
        (3, 8, 9),
        "pad",
        UniversalPattern(Frame(2)),
        scale=[1.0, 2.0, 3.0],
        offset=[0.1, 0.2, 0.3],
        data_format="channels_first",
    )
    expected = outputs(last, samples)
    result = outputs(first, np.moveaxis(samples, -1, 1))
    np.testing.assert_allclose(np.moveaxis(result, 1, -1), expected, atol=1e-5)


@pytest.mark.parametrize(
    "shape, source_shape, placement",
    [
        ((50,), (160,), Tile(3)),
        ((50, 2), (160, 2), Pad()),
        ((5, 6, 7, 1), (9, 9, 9, 1), Pad(inner_size=8)),
        ((12, 20, 1), (32, 40, 1), "resize"),
    ],
)
def test_any_rank(shape, source_shape, placement):
    layer = InputReprogrammer(shape, source_shape, placement, value_range=None)
    samples = np.random.default_rng(0).normal(size=(2, *shape))
    result = outputs(layer, samples.astype("float32"))
    assert result.shape == (2, *source_shape)
    assert np.isfinite(result).all()


def test_no_value_range_takes_values_as_they_are():
    layer = InputReprogrammer((5,), (8,), "pad", value_range=None)
    series = np.array([[-3.0, 2.0, 0.5, 9.0, -1.0]], "float32")
    np.testing.assert_allclose(
        outputs(layer, series), [[0, 0, -3.0, 2.0, 0.5, 9.0, -1.0, 0]]
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed_bfloat16"])
def test_dtype_policies(dtype):
    layer = InputReprogrammer((4, 4, 1), (8, 8, 3), dtype=dtype)
    result = layer(np.ones((2, 4, 4, 1), "uint8"))
    assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype


def test_sizes_may_be_numpy_integers():
    size = np.int64(8)
    layer = InputReprogrammer((size, size, 1), [size, size, np.int32(3)])
    assert layer.get_config()["source_shape"] == (8, 8, 3)
    assert Pad(size, (np.int64(0), 1)) == Pad(8, (0, 1))


def test_config_round_trip():
    layer = InputReprogrammer(
        (4, 4, 1),
        (8, 8, 3),
        Pad(inner_size=6, offset=(0, 1)),
        UniversalPattern(Frame(2), "sigmoid"),
        value_range=(0, 1),
        scale=[1.0, 2.0, 3.0],
        offset=0.5,
        normalize_first=True,
        clip=True,
    )
    copy = InputReprogrammer.from_config(layer.get_config())
    assert copy.placement == layer.placement
    assert copy.get_config() == layer.get_config()
    samples = np.ones((2, 4, 4, 1), "float32")
    np.testing.assert_allclose(
        outputs(copy, samples), outputs(layer, samples), rtol=1e-6
    )


def test_a_layer_is_used_in_a_functional_model_and_trained():
    inputs = keras.Input((4, 4, 1))
    layer = InputReprogrammer((4, 4, 1), (8, 8, 3), value_range=(0, 1))
    outputs_ = keras.layers.GlobalAveragePooling2D()(layer(inputs))
    model = keras.Model(inputs, outputs_)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    history = model.fit(
        np.zeros((8, 4, 4, 1)), np.full((8, 3), 0.4), epochs=20, verbose=0
    )
    assert history.history["loss"][-1] < 0.1 * history.history["loss"][0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: InputReprogrammer(target_shape=28),
        lambda: InputReprogrammer(target_shape=(28, -28, 1)),
        lambda: InputReprogrammer(source_shape=(28, 2.5, 1)),
        lambda: InputReprogrammer(placement="center"),
        lambda: InputReprogrammer(pattern=3),
        lambda: InputReprogrammer(value_range=(1, 0)),
        lambda: InputReprogrammer(value_range=(0, 1, 2)),
        lambda: InputReprogrammer(value_range=255),
        lambda: InputReprogrammer(value_range=(0, np.inf)),
        lambda: InputReprogrammer(normalize_first="false"),
        lambda: InputReprogrammer(clip=[1]),
        lambda: InputReprogrammer(value_range=None, clip=True),
        lambda: InputReprogrammer(data_format="channels"),
        lambda: InputReprogrammer()(np.ones((2, 4, 4, 1))),
        lambda: InputReprogrammer(source_shape=(8, 8, 3))(np.ones((2, 4, 4))),
        lambda: InputReprogrammer(source_shape=(8, 8, 3))(
            np.ones((2, 4, 4, 2))
        ),
        lambda: InputReprogrammer(source_shape=(8, 8, 3)).resolve(
            source((9, 9, 3), (9, 9, 3)), None
        ),
        lambda: InputReprogrammer().resolve(
            source((None, None, 3), (None, None, 3)), None
        ),
        lambda: InputReprogrammer(target_shape=(28, 28)).resolve(
            source((8, 8, 3), (8, 8, 3)), None
        ),
    ],
)
def test_bad_input_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_samples_of_another_shape_are_refused():
    layer = InputReprogrammer((4, 4, 1), (8, 8, 3))
    with pytest.raises(ValueError, match="expected shape"):
        layer(np.ones((2, 5, 4, 1)))


def test_a_pattern_of_another_reprogrammer_is_a_value_error():
    pattern = UniversalPattern()
    InputReprogrammer((4, 4, 1), (8, 8, 3), pattern=pattern)(
        np.ones((1, 4, 4, 1))
    )
    other = InputReprogrammer((4, 4, 1), (8, 8, 3), pattern=pattern)
    with pytest.raises(ValueError, match="make a new one"):
        other(np.ones((1, 4, 4, 1)))


def test_arguments_stay_as_they_were_given():
    layer = InputReprogrammer(pattern=None, value_range=(0, 1))
    given = layer.get_config()
    assert layer.resolved_config() == given
    layer.resolve(source((None, None, 3), (8, 8, 3), 1 / 127.5, -1.0), None)
    layer(np.zeros((1, 4, 4, 1)))
    config = layer.get_config()
    resolved = config.pop(RESOLVED)
    assert config == given and resolved["canvas_shape"] == (8, 8, 3)
    assert layer.source_shape is None and layer.scale is None
    assert layer.sample_shape == (None, None, None)
    assert layer.canvas_shape == (8, 8, 3)
    config = layer.resolved_config()
    copy = InputReprogrammer.from_config(config)
    assert copy.source_shape == (8, 8, 3) and copy.offset == -1.0
    assert copy.scale == pytest.approx(2.0)
    assert copy.get_config() == config


def test_another_source_is_a_value_error_and_the_same_one_is_not():
    layer = InputReprogrammer((4, 4, 1), pattern=None)
    found = source((None, None, 3), (8, 8, 3), 1 / 127.5, -1.0)
    layer.resolve(found, None)
    layer.resolve(found, None)
    for other in (
        source((None, None, 3), (9, 9, 3), 1 / 127.5, -1.0),
        source((None, None, 3), (8, 8, 3), 1 / 255),
        source((None, None, 3), (8, 8, 3)),
    ):
        with pytest.raises(ValueError, match="make a new one.*Received: "):
            layer.resolve(other, None)
    assert layer.canvas_shape == (8, 8, 3)


def test_a_built_layer_takes_the_scaling_of_its_source():
    layer = InputReprogrammer((4, 4, 1), (8, 8, 3), pattern=None)
    samples = np.full((1, 4, 4, 1), 255, "uint8")
    np.testing.assert_allclose(outputs(layer, samples), 255.0)
    layer.resolve(source((8, 8, 3), (8, 8, 3), 1 / 127.5, -1.0), None)
    np.testing.assert_allclose(outputs(layer, samples), 1.0, atol=1e-6)


def test_a_model_of_the_layer_is_loaded_with_what_the_source_gave(tmp_path):
    layer = InputReprogrammer(value_range=(0, 1))
    layer.resolve(source((None, None, 3), (8, 8, 3), 1 / 127.5, -1.0), None)
    samples = keras.Input((None, None, 1))
    model = keras.Model(samples, layer(samples))
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    images = np.random.default_rng(0).random((2, 5, 4, 1), "float32")
    expected = outputs(model, images)
    assert expected.min() < -0.5
    np.testing.assert_allclose(outputs(copy, images), expected, atol=1e-6)
    # In front of a source that names no scaling, the layer keeps its own.
    loaded = copy.layers[1]
    loaded.resolve(source((None, None, 3), (8, 8, 3)), None)
    np.testing.assert_allclose(outputs(copy, images), expected, atol=1e-6)


def test_a_trained_placement_of_another_reprogrammer_is_a_value_error():
    placement = ScaledPad(None)
    InputReprogrammer((4, 4, 1), (8, 8, 3), placement).build((None, 4, 4, 1))
    other = InputReprogrammer((4, 4, 1), (8, 8, 3), placement)
    with pytest.raises(ValueError, match="make a new one.*Received: "):
        other.build((None, 4, 4, 1))
