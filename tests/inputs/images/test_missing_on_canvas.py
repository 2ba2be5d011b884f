"""NaN in samples, from the input transformation to a source that takes it."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import RandomShift
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs.images.missing_on_canvas import filled
from keras_reprogram.inputs.images.missing_on_canvas import partly_known_rows
from keras_reprogram.sources.audio_layers import SilenceForMissing

NAN = np.nan
WAVES = np.array(
    [
        [0.1, -0.2, 0.3, 0.4, -0.5, 0.6],
        [0.1, NAN, 0.3, 0.4, NAN, NAN],
        [-0.3, 0.2, 0.3, NAN, NAN, NAN],
    ],
    "float32",
)
LABELS = np.array([0, 1, 1])


class OneBatch(keras.utils.PyDataset):
    def __init__(self, waves):
        super().__init__()
        self.waves = waves

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.waves, LABELS


def layer(placement="pad", length=10, **settings):
    settings = {
        "pattern": UniversalPattern(
            activation=None, initializer=keras.initializers.Constant(0.1)
        ),
        "value_range": None,
        "missing_values": "mask",
        **settings,
    }
    return InputReprogrammer((6,), (length,), placement, **settings)


def source():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((10,)), SilenceForMissing(10), keras.layers.Dense(4)]
    )
    model.accepts_missing_values = True
    return model


def reprogrammed(**settings):
    model = ReprogrammedModel(
        source(), layer(**settings), LabelMapper(2, "linear")
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def array(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("value_range, gain", [(None, 1), ((-1, 1), 2)])
def test_missing_values_are_missing_on_the_canvas(value_range, gain):
    settings = {"value_range": value_range}
    found = array(layer(**settings)(WAVES))
    exact = array(layer(missing_values=None, **settings)(np.nan_to_num(WAVES)))
    is_missing = np.pad(np.isnan(WAVES), [(0, 0), (2, 2)])
    np.testing.assert_array_equal(np.isnan(found), is_missing)
    np.testing.assert_allclose(found[~is_missing], exact[~is_missing], 1e-6)
    assert found[1, 2] == pytest.approx(0.1 + 0.1 * gain)


def test_a_resized_value_is_missing_if_a_missing_one_has_a_share():
    found = array(layer("resize", 12)(WAVES))
    np.testing.assert_array_equal(
        np.isnan(found[1]),
        # Sample 1 has a share of steps 1 to 4, sample 4 of steps from 7 on.
        [0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1],
    )
    exact = array(layer("resize", 12, missing_values=None)(WAVES[:1]))
    np.testing.assert_allclose(found[:1], exact, 1e-6)


def test_a_gray_channel_is_missing_in_all_channels():
    images = np.zeros((1, 2, 2, 1), "float32")
    images[0, 0, 0] = NAN
    found = InputReprogrammer(
        (2, 2, 1), (4, 4, 3), Pad(), missing_values="mask"
    )(images)
    assert np.isnan(array(found)).sum() == 3
    assert np.isnan(array(found)[0, 1, 1]).all()


def test_an_augmentation_shifts_what_is_missing():
    shift = RandomShift(0.5, seed=0)
    found = array(layer(augmentation=shift)(WAVES[1:2], training=True))[0, 2:8]
    known = found[~np.isnan(found)] - 0.1
    assert set(known.round(4).tolist()) <= set(WAVES[1].round(4).tolist())
    assert np.isnan(found).any() and len(known)


def test_the_pattern_has_no_gradient_where_values_are_missing():
    model = reprogrammed(placement=Pad(offset=(0,)))
    theta = model.input_reprogrammer.pattern.theta
    model.adapt(WAVES, LABELS, verbose=0)
    before = array(theta).copy()
    model.train_on_batch(WAVES[2:], LABELS[2:])
    after = array(theta)
    np.testing.assert_array_equal(after[3:6], before[3:6])
    assert (after[:3] != before[:3]).all() and (after[6:] != before[6:]).all()


def test_arrays_and_data_sets_may_hold_nan(tmp_path):
    model = reprogrammed()
    model.fit(WAVES, LABELS, epochs=1, verbose=0)
    model.adapt(WAVES, LABELS, verbose=0)
    wanted = model.predict(WAVES, verbose=0)
    assert np.isfinite(wanted).all()
    model.fit(OneBatch(WAVES), epochs=1, verbose=0)

    model.save_program(tmp_path / "model.program")
    loaded = ReprogrammedModel.load_program(
        tmp_path / "model.program", source()
    )
    assert loaded.input_reprogrammer.missing_values == "mask"
    np.testing.assert_allclose(
        loaded.predict(WAVES, verbose=0), model.predict(WAVES, verbose=0), 1e-5
    )
    bank = ProgramBank(model.source, (6,), 2)
    with pytest.raises(ValueError, match="own model. Received: .*'mask'"):
        bank.add({"waves": model})


def test_a_sample_of_nan_alone_is_a_value_error():
    model = reprogrammed()
    model.adapt(WAVES, LABELS, verbose=0)
    empty = np.where(np.arange(3)[:, None] == 1, NAN, WAVES)
    for use in (
        lambda: model.fit(empty, LABELS, verbose=0),
        lambda: model.predict(empty, verbose=0),
    ):
        with pytest.raises(ValueError, match="1 such samples of 3.*index 1"):
            use()
    with pytest.raises(ValueError, match="of NaN alone"):
        model.fit(OneBatch(empty), epochs=1, verbose=0)
    with pytest.raises(ValueError, match="infinity"):
        model.predict(np.nan_to_num(WAVES, nan=np.inf), verbose=0)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_series_are_interpolated_for_any_source(data_format):
    series = np.stack([WAVES, WAVES[:, ::-1]], axis=2)
    wanted = np.array([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    if data_format == "channels_first":
        series = series.swapaxes(1, 2)
    end = InputReprogrammer(
        series.shape[1:],
        series.shape[1:],
        "pad",
        None,
        value_range=None,
        data_format=data_format,
        missing_values="interpolate",
    )
    found = array(end(series))
    if data_format == "channels_first":
        found = found.swapaxes(1, 2)
    np.testing.assert_allclose(found[1, :, 0], wanted, 1e-6)
    np.testing.assert_allclose(found[1, :, 1], wanted[::-1], 1e-6)
    np.testing.assert_array_equal(found[0, :, 0], WAVES[0])


def test_a_series_with_missing_values_is_drawn():
    settings = ((6,), (8, 8, 3), SeriesPicture())
    end = InputReprogrammer(
        *settings, value_range=None, missing_values="interpolate"
    )
    found = array(end(WAVES[1:2]))
    whole = np.array([[0.1, 0.2, 0.3, 0.4, 0.4, 0.4]], "float32")
    np.testing.assert_allclose(found, array(end(whole)), atol=1e-5)
    with pytest.raises(ValueError, match='drawn leave none.*"interpolate"'):
        InputReprogrammer(
            (6,), (8, 8, 3), SeriesPicture(), missing_values="mask"
        )


@pytest.mark.parametrize(
    "canvas, placement, value_range",
    [
        ((10,), "pad", None),
        ((10,), "resize", (-1, 1)),
        ((8, 8, 3), None, None),
    ],
)
def test_missing_values_are_zero_before_they_are_placed(
    canvas, placement, value_range
):
    def end(missing_values):
        return InputReprogrammer(
            (6,),
            canvas,
            SeriesPicture() if placement is None else placement,
            value_range=value_range,
            missing_values=missing_values,
        )

    zero, plain = end("zero"), end(None)
    np.testing.assert_allclose(
        array(zero(WAVES)), array(plain(np.nan_to_num(WAVES))), atol=1e-6
    )


def test_a_source_that_knows_no_missing_samples_takes_silence():
    plain = keras.Sequential([keras.Input((10,)), keras.layers.Dense(4)])
    model = ReprogrammedModel(
        plain, layer(missing_values="zero"), LabelMapper(2, "linear")
    )
    model.adapt(WAVES, LABELS, verbose=0)
    found = model.predict(WAVES, verbose=0)
    silent = model.predict(np.nan_to_num(WAVES), verbose=0)
    np.testing.assert_allclose(found, silent, atol=1e-6)
    with pytest.raises(ValueError, match="Some value of every sample"):
        model.predict(WAVES * np.nan, verbose=0)


@pytest.mark.numpy_alone
def test_images_are_not_interpolated():
    end = InputReprogrammer((2, 2, 1), (4, 4, 1), missing_values="interpolate")
    with pytest.raises(ValueError, match="takes series.*2, 2, 1"):
        end(np.zeros((1, 2, 2, 1), "float32"))


@pytest.mark.numpy_alone
def test_only_some_sources_take_missing_values():
    plain = keras.Sequential([keras.Input((10,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="AudioSource.*Received: .*10"):
        ReprogrammedModel(plain, layer(), LabelMapper(2, "linear"))
    model = ReprogrammedModel(
        source(), layer(missing_values=None), LabelMapper(2, "linear")
    )
    with pytest.raises(ValueError, match="`missing_values`"):
        model.predict(WAVES, verbose=0)


@pytest.mark.numpy_alone
def test_other_settings_are_a_value_error():
    with pytest.raises(ValueError, match="`missing_values`.*'nearest'"):
        layer(missing_values="nearest")
    copy = InputReprogrammer.from_config(layer().get_config())
    assert copy.missing_values == "mask"


@pytest.mark.numpy_alone
def test_the_range_of_known_values_is_checked():
    with pytest.warns(UserWarning, match="Samples lie outside"):
        layer(value_range=(0, 0.01)).check_values(WAVES)


def test_functions_of_missing_values():
    np.testing.assert_allclose(
        array(filled(WAVES[2:], (0, 5))), [[-0.3, 0.2, 0.3, 2.5, 2.5, 2.5]]
    )
    rows = np.array([[1, NAN], [NAN, NAN], [np.inf, NAN]], "float32")
    np.testing.assert_array_equal(
        array(partly_known_rows(rows)), [True, False, False]
    )
    assert partly_known_rows(np.ones((2, 2), "int32")) is None
