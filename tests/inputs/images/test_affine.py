import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Affine
from keras_reprogram.inputs import ChannelConcatenation
from keras_reprogram.inputs import LowRank
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.outputs import LinearMapping

SHAPES = [
    ((5, 6, 3), (16, 12, 3), "channels_last"),
    ((1, 5, 6), (3, 9, 12), "channels_first"),
    ((5, 6), (9, 12), "no_channels"),
    ((7,), (20,), "channels_last"),
    ((7, 2), (20, 2), "channels_last"),
]


def layer_of(placement, shape, canvas, pattern=None, **settings):
    settings = {"value_range": None, **settings}
    layer = InputReprogrammer(shape, canvas, placement, pattern, **settings)
    layer.build((None, *shape))
    return layer


def canvases(layer, samples):
    return ops.convert_to_numpy(layer(samples.astype("float32")))


def samples_of(shape, seed=0):
    return np.random.default_rng(seed).random((2, *shape), "float32")


def moved(canvas, *numbers, inner="resize", limit=9.0, **settings):
    """A square image on a canvas of its size, moved by these numbers."""
    placement = Affine(inner, limit=limit, **settings)
    shape = canvas.shape[1:]
    layer = layer_of(placement, shape, shape)
    placement.theta.assign(np.arctanh(np.array(numbers) / limit))
    return canvases(layer, canvas)


@pytest.mark.parametrize("shape, canvas, data_format", SHAPES)
def test_training_starts_from_the_inner_placement(shape, canvas, data_format):
    samples = samples_of(shape)
    inner = "resize" if len(shape) == 3 else Pad()
    expected, found = (
        canvases(
            layer_of(placement, shape, canvas, data_format=data_format), samples
        )
        for placement in (inner, Affine(inner))
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_quarter_turn_is_that_of_numpy():
    canvas = samples_of((8, 8, 3))
    turned = moved(canvas, np.pi / 2, 0, 0, 0, 0, 0, 0)
    np.testing.assert_allclose(turned, np.rot90(canvas, axes=(1, 2)), atol=1e-4)


def test_half_a_canvas_is_a_translation_of_one():
    canvas = samples_of((8, 8, 1))
    found = moved(canvas, 0, 0, 0, 0, 0, 0.5, -1.0)
    expected = np.zeros_like(canvas)
    expected[:, 2:, :4] = canvas[:, :-2, 4:]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_twice_the_scale_is_twice_the_size():
    canvas = samples_of((4, 9, 1))
    found = moved(canvas, 0, 0, np.log(2), 0, 0, 0, 0)
    np.testing.assert_allclose(found[:, :, ::2], canvas[:, :, 2:7], atol=1e-4)


def test_seven_numbers_are_one_matrix():
    canvas = samples_of((12, 10, 2))
    rotation, down, right, first, second = 0.4, -0.2, 0.3, 0.25, -0.35
    numbers = rotation, down, right, first, second, 0.2, -0.3
    turn = np.array(
        [
            [np.cos(rotation), -np.sin(rotation)],
            [np.sin(rotation), np.cos(rotation)],
        ]
    )
    shear = np.array([[1, first], [second, 1 + first * second]])
    matrix = np.linalg.inv(turn @ np.diag(np.exp([down, right])) @ shear)
    middle = np.array([5.5, 4.5])
    start = middle - matrix @ (middle + np.array([0.2 * 6, -0.3 * 5]))
    # Keras's own names columns first.
    transform = [*matrix[1, ::-1], start[1], *matrix[0, ::-1], start[0], 0, 0]
    expected = ops.convert_to_numpy(
        ops.image.affine_transform(
            canvas,
            np.array([transform] * 2, "float32"),
            data_format="channels_last",
        )
    )
    placement = Affine(limit=2.0)
    images = canvas.transpose(0, 3, 1, 2)
    layer = layer_of(
        placement,
        images.shape[1:],
        images.shape[1:],
        data_format="channels_first",
    )
    placement.theta.assign(np.arctanh(np.array(numbers) / 2))
    np.testing.assert_allclose(
        canvases(layer, images).transpose(0, 2, 3, 1), expected, atol=1e-4
    )


@pytest.mark.parametrize(
    "shape, canvas, count", [((3, 3, 1), (16, 16, 1), 7), ((4,), (20,), 2)]
)
def test_every_number_has_a_gradient(shape, canvas, count):
    placement = Affine(limit=1.0)
    inputs = keras.Input(shape)
    layer = layer_of(placement, shape, canvas)
    weights = np.random.default_rng(1).random((1, *canvas), "float32")
    score = ops.sum(layer(inputs) * weights, tuple(range(1, len(canvas) + 1)))
    model = keras.Model(inputs, score)
    assert sum(w.shape[0] for w in model.trainable_weights) == count
    samples = samples_of(shape)
    start = np.random.default_rng(2).uniform(-0.3, 0.3, count).astype("float32")

    def loss(theta):
        placement.theta.assign(theta)
        return float(ops.convert_to_numpy(model(samples)).mean())

    steps = 1e-3 * np.eye(count, dtype="float32")
    slopes = [
        (loss(start + step) - loss(start - step)) / 2e-3 for step in steps
    ]
    placement.theta.assign(start)
    model.compile(keras.optimizers.SGD(1.0), lambda y, y_pred: y_pred)
    model.train_on_batch(samples, np.zeros(2))
    found = start - ops.convert_to_numpy(placement.theta.value)
    np.testing.assert_allclose(found, slopes, rtol=0.03, atol=0.1)
    assert (np.abs(found) > 0.1).all()


def test_the_pattern_is_added_everywhere_unless_it_is_outside():
    image = np.full((1, 4, 4, 1), 7.0)
    for outside, inside in ((False, 8.0), (True, 7.0)):
        for inner in (Pad(), ScaledPad(None)):
            placement = Affine(inner, outside=outside, limit=9.0)
            layer = layer_of(placement, (4, 4, 1), (8, 8, 1), "everywhere")
            layer.pattern.theta.assign(np.full(64, 100.0))
            # Two rows down.
            numbers = np.array([0, 0, 0, 0, 0, 0.5, 0])
            placement.theta.assign(np.arctanh(numbers / 9))
            canvas = canvases(layer, image)[0, ..., 0]
            np.testing.assert_allclose(canvas[4:, 2:6], inside, rtol=1e-4)
            np.testing.assert_allclose(canvas[:4], 1.0, rtol=1e-4)


def test_a_smaller_scale_leaves_a_border_free():
    axes = Axes(3, "channels_last")
    mask = Affine(scale=0.5).data_mask((4, 4, 1), (8, 8, 1), axes)
    assert mask.sum() == 16 and mask[2:6, 2:6].all()
    layer = layer_of(Affine(scale=0.5), (4, 4, 1), (8, 8, 1), "outside")
    layer.pattern.theta.assign(np.full(48, 100.0))
    canvas = canvases(layer, np.full((1, 4, 4, 1), 7.0))[0, ..., 0]
    np.testing.assert_allclose(canvas[~mask], 1.0)
    np.testing.assert_allclose(canvas[mask], 7.0)


def test_images_of_any_size_and_channels_are_moved():
    layer = InputReprogrammer(None, (8, 8, 3), Affine(), None)
    inputs = keras.Input((None, None, None))
    model = keras.Model(inputs, layer(inputs))
    for shape in ((5, 6, 1), (9, 4, 3)):
        images = 255 * samples_of(shape)
        expected = layer_of("resize", shape, (8, 8, 3), value_range=(0, 255))
        np.testing.assert_allclose(
            model.predict_on_batch(images),
            canvases(expected, images),
            atol=1e-3,
        )


def test_positions_are_exact_where_the_layer_computes_in_bfloat16():
    images = samples_of((128, 128, 1))
    exact, rounded = (
        canvases(
            layer_of(
                Affine(scale=1.03),
                (128, 128, 1),
                (224, 224, 1),
                dtype=keras.DTypePolicy(name),
            ),
            images,
        )
        for name in ("float32", "mixed_bfloat16")
    )
    np.testing.assert_allclose(exact, rounded.astype("float32"), atol=0.03)


def test_numbers_are_bounded_and_named():
    placement = Affine(scale=2.0, limit=(0.1, 0.2, 0.0, 0.3))
    layer_of(placement, (4, 4, 1), (8, 8, 1))
    placement.theta.assign(np.full(7, 100.0))
    values = [ops.convert_to_numpy(value) for value in placement.movement()]
    expected = [0.1], [2 * np.exp(0.2)] * 2, [0, 0], [0.3, 0.3]
    for value, numbers in zip(values, expected):
        np.testing.assert_allclose(value, numbers, rtol=1e-6)


def test_a_trained_inner_placement_is_trained_too():
    placement = Affine(ScaledPad(None))
    axes = Axes(3, "channels_last")
    layer_of(placement, (4, 4, 1), (8, 8, 1))
    shapes = [tuple(weight.shape) for weight in placement.weights]
    expected = placement.expected_variables((4, 4, 1), (8, 8, 1), axes)
    assert shapes == [variable.shape for variable in expected] == [(7,), ()]
    with pytest.raises(ValueError, match="has one place"):
        layer_of(Affine(placement.inner), (4, 4, 1), (8, 8, 1))


def test_a_config_makes_the_same_affine():
    placement = Affine(Pad(3), 0.5, (0.1, 0.2, 0.3, 0.4), True)
    layer = InputReprogrammer((4, 4, 1), (16, 16, 3), placement)
    copy = InputReprogrammer.from_config(layer.get_config()).placement
    assert copy.get_config() == placement.get_config()
    assert copy.inner == Pad(3) and copy.limit == (0.1, 0.2, 0.3, 0.4)


def test_a_rotation_is_no_matrix_along_each_axis():
    axes = Axes(3, "channels_last")
    assert Affine().matrices((4, 4, 1), (8, 8, 1), axes) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Affine("everywhere"),
        lambda: Affine(scale=9),
        lambda: Affine(limit=-0.1),
        lambda: Affine(limit=(0.1, 0.2)),
        lambda: Affine(limit="small"),
        lambda: Affine(outside=1),
        lambda: layer_of(Affine(), (3, 3, 3, 1), (4, 4, 4, 1)),
        lambda: layer_of(Affine(Pad()), (9, 9, 1), (4, 4, 1)),
        lambda: layer_of(Affine(), (9, 9, 2), (4, 4, 1)),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_a_closed_form_is_the_start_and_only_few_numbers_are_trained(
    twelve_classes, bright_quadrants, tmp_path
):
    images, labels = bright_quadrants
    models = [
        ReprogrammedModel(
            twelve_classes,
            InputReprogrammer((8, 8, 1), placement=placement, pattern=pattern),
            LabelMapper(3, LinearMapping(trainable=False)),
        )
        for placement, pattern in (
            ("resize", None),
            (Affine(), UniversalPattern(basis=LowRank(2))),
        )
    ]
    for model in models:
        model.adapt(images, labels, verbose=0)
    probe, model = models
    np.testing.assert_allclose(
        model.predict_on_batch(images), probe.predict_on_batch(images), 1e-5
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    assert len(model.trainable_weights) == 2
    losses = model.fit(images, labels, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for weight in model.trainable_weights:
        assert ops.convert_to_numpy(weight.value).any()
    model.save_program(tmp_path / "affine.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "affine.program", twelve_classes
    )
    np.testing.assert_allclose(
        copy.predict_on_batch(images), model.predict_on_batch(images), 1e-5
    )
    bank = ProgramBank(twelve_classes, (8, 8, 3), 3)
    with pytest.raises(ValueError, match="serve the program by its own model"):
        bank.add({"affine": model})


def test_a_series_of_several_channels_is_moved_as_one():
    layer = layer_of(Affine(ChannelConcatenation()), (4, 2), (16,))
    canvas = canvases(layer, samples_of((4, 2)))
    expected = layer_of(ChannelConcatenation(), (4, 2), (16,))
    np.testing.assert_allclose(
        canvas, canvases(expected, samples_of((4, 2))), atol=1e-6
    )
