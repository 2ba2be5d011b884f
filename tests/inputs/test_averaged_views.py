"""The source's outputs are averaged over views of each sample."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import OneSided
from keras_reprogram.inputs import AveragedViews
from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import JoinedTransformation
from keras_reprogram.inputs import TokenPatches

X = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1)).astype("uint8")
VIEWS = ["identity", "horizontal", "vertical", "both"]
TURNS = ["turn_90", "turn_180", "turn_270"]


def image_source(size, classes=3):
    inputs = keras.Input((size, size, 3))
    outputs = keras.layers.Dense(classes)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)


def probe(shape=(4, 4, 1), **settings):
    return InputReprogrammer(shape, (4, 4, 3), pattern=None, **settings)


def shifted(images, down, right):
    """With edges that are repeated, pixel by pixel."""
    rows, columns = np.indices(images.shape[1:3])
    rows = np.clip(rows - down, 0, images.shape[1] - 1)
    columns = np.clip(columns - right, 0, images.shape[2] - 1)
    return images[:, rows, columns]


def test_views_are_flips_turns_and_shifts():
    shifts = [(0.5, 0.0), (-0.25, 0.25)]
    layer = AveragedViews(probe(), VIEWS + TURNS + shifts)
    found = ops.convert_to_numpy(layer(X))
    views = [X, X[:, :, ::-1], X[:, ::-1], X[:, ::-1, ::-1]]
    views += [np.rot90(X, turns, (1, 2)) for turns in (1, 2, 3)]
    views += [shifted(X, 2, 0), shifted(X, -1, 1)]
    wanted = np.concatenate(views).astype("float32")
    np.testing.assert_allclose(found, np.repeat(wanted, 3, -1), rtol=1e-5)
    assert layer.inputs_per_sample == len(views)


def test_channels_may_come_first_and_sizes_may_be_open():
    first = InputReprogrammer(
        (1, 4, 4), (3, 4, 4), pattern=None, data_format="channels_first"
    )
    views = ["vertical", "turn_90", (0.25, 0.5)]
    found = AveragedViews(first, views)(np.moveaxis(X, 3, 1))
    wanted = AveragedViews(probe(), views)(X)
    np.testing.assert_allclose(
        np.moveaxis(ops.convert_to_numpy(found), 1, 3),
        ops.convert_to_numpy(wanted),
    )
    views = ["vertical", (0.25, 0.5)]
    open_sizes = AveragedViews(probe(None), views)
    model = keras.Model(
        samples := keras.Input((None, None, 1)), open_sizes(samples)
    )
    found = model.predict_on_batch(X.astype("float32"))
    wanted = AveragedViews(probe(), views)(X)
    np.testing.assert_allclose(found, ops.convert_to_numpy(wanted), rtol=1e-5)


def test_outputs_are_averaged_sample_by_sample_in_float32():
    layer = AveragedViews(probe(), ["identity", "vertical"])
    outputs = np.arange(24.0).reshape(6, 2, 2)
    found = layer.select_outputs(ops.cast(outputs, "bfloat16"), None)
    wanted = outputs.reshape(2, 3, 2, 2).mean(axis=0)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(found), wanted)
    assert layer.expected_outputs((None, 2, 2)) == (None, 2, 2)


@pytest.mark.parametrize("joined", [False, True])
def test_a_model_averages_and_learns_of_all_views(joined, tmp_path):
    sources = [image_source(4), image_source(4, 2)]
    inner = [InputReprogrammer((4, 4, 1)) for _ in range(2)]
    source = sources if joined else sources[0]
    layer = AveragedViews(JoinedTransformation(inner) if joined else inner[0])
    model = ReprogrammedModel(source, layer, LabelMapper(2, "random"))
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    wanted = np.hstack(
        [
            ops.convert_to_numpy(it(np.repeat(X, 3, -1).astype("float32")))
            + ops.convert_to_numpy(
                it(np.repeat(X[:, :, ::-1], 3, -1).astype("float32"))
            )
            for it in sources[: 1 + joined]
        ]
    )
    np.testing.assert_allclose(
        model.predict_source(X), wanted / 2, rtol=1e-4, atol=1e-3
    )
    model.train_on_batch(X, np.arange(3) % 2)
    for each in inner[: 1 + joined]:
        theta = ops.convert_to_numpy(each.pattern.theta.value)
        assert np.abs(theta).max() > 0
    found = model.predict_on_batch(X)
    model.save_program(tmp_path / "views.program")
    loaded = ReprogrammedModel.load_program(tmp_path / "views.program", source)
    np.testing.assert_array_equal(loaded.predict_on_batch(X), found)
    assert loaded.input_reprogrammer.views == ("identity", "horizontal")
    copy = AveragedViews.from_config(layer.get_config())
    assert copy.views == layer.views


@pytest.mark.parametrize(
    "views, message",
    [
        ("horizontal", "must be a list"),
        ([], "must be a list"),
        (["diagonal"], "A view is one of"),
        ([(0.1,)], "A view is one of"),
        ([(0.1, 2.0)], "from -1.0 to 1.0"),
        ([(0.1, float("nan"))], "finite number"),
        (["both", "both"], "must differ"),
        ([(0.001 * index, 0.0) for index in range(101)], "1 to 100 views"),
    ],
)
@pytest.mark.numpy_alone
def test_what_is_no_view_is_a_value_error(views, message):
    with pytest.raises(ValueError, match=message):
        AveragedViews(probe(), views)


@pytest.mark.numpy_alone
def test_samples_without_height_and_width_have_no_views():
    vector = InputReprogrammer((9,), (4, 4, 3), placement=FeatureMosaic())
    tokens = InputReprogrammer(
        (4,), (4, 4, 3), placement=TokenPatches(10, 2), value_range=None
    )
    wide = probe((2, 4, 1))
    turned = AveragedViews(wide, ["turn_90"])
    turned_if_square = AveragedViews(probe(None), ["turn_270"])
    for layer, message in [
        (AveragedViews(vector), "flips, turns and shifts of images"),
        (AveragedViews(tokens), "flips, turns and shifts of images"),
        (turned, "Only square images"),
        (turned_if_square, "Only square images"),
    ]:
        with pytest.raises(ValueError, match=message):
            ReprogrammedModel(image_source(4), layer)


@pytest.mark.numpy_alone
def test_views_are_around_all_else():
    with pytest.raises(ValueError, match="all `views` at once"):
        AveragedViews(AveragedViews(probe()))
    with pytest.raises(ValueError, match="around the `JoinedTransformation`"):
        JoinedTransformation([AveragedViews(probe()), probe()])
    with pytest.raises(ValueError, match="must be an `InputTransformation`"):
        AveragedViews(LabelMapper(2))


@pytest.mark.numpy_alone
def test_every_view_is_a_query():
    model = ReprogrammedModel(
        image_source(4),
        AveragedViews(InputReprogrammer((4, 4, 1)), VIEWS),
        LabelMapper(2, "random"),
    )
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=OneSided(2),
    )
    model.train_on_batch(X, np.arange(3) % 2)
    assert model.num_queries == 4 * 3 * 3  # views, samples, points
