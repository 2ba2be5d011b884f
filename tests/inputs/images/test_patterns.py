import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Patch
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas

AXES = Axes(3, "channels_last")
CANVAS = (224, 224, 3)


def built(pattern, placement=None, canvas=CANVAS, sample=(28, 28, 1)):
    placement = placement or Pad()
    data_mask = placement.data_mask(sample, canvas, AXES)
    pattern.build_on(Canvas(canvas, AXES, data_mask))
    return pattern


@pytest.mark.parametrize(
    "region, placement, parameters",
    [
        ("outside", Pad(inner_size=128), 101_376),
        ("outside", Pad(inner_size=200), 30_528),
        ("everywhere", Pad(), 150_528),
        (Frame(30), Pad(), 69_840),
        (Patch(50), Pad(), 7_500),
    ],
)
def test_only_free_values_are_stored(region, placement, parameters):
    pattern = built(UniversalPattern(region=region), placement)
    assert pattern.count_params() == parameters


def test_the_pattern_is_the_squashed_parameters_inside_the_mask():
    pattern = built(
        UniversalPattern(Frame(2), initializer="random_normal"),
        canvas=(8, 8, 3),
        sample=(4, 4, 1),
    )
    mask = np.ones((8, 8, 3), bool)
    mask[2:-2, 2:-2] = False
    values = pattern.to_numpy()
    theta = ops.convert_to_numpy(pattern.theta.value)
    np.testing.assert_allclose(values[mask], np.tanh(theta), rtol=1e-5)
    assert not values[~mask].any()


@pytest.mark.parametrize(
    "activation, start", [("sigmoid", 0.5), ("tanh", 0.0), (None, 0.0)]
)
def test_a_pattern_of_zeros_starts_at_the_activation_of_zero(activation, start):
    pattern = built(
        UniversalPattern("outside", activation), Pad(inner_size=128)
    )
    values = pattern.to_numpy()
    assert (values[:48] == start).all() and not values[48:176, 48:176].any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: UniversalPattern(region="border"),
    ],
)
def test_a_region_of_another_name_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_config_round_trip():
    pattern = UniversalPattern(
        Frame(3),
        activation="sigmoid",
        initializer="random_normal",
        regularizer="l2",
        dropout=0.3,
        seed=5,
    )
    copy = UniversalPattern.from_config(pattern.get_config())
    assert copy.region == Frame(3)
    assert copy.get_config() == pattern.get_config()


def test_dropout_zeroes_its_share_of_the_pattern_in_training_alone():
    pattern = built(
        UniversalPattern("outside", "sigmoid", dropout=0.4, seed=1),
        Pad(inner_size=128),
    )
    outside = pattern.mask
    whole = ops.convert_to_numpy(pattern())
    np.testing.assert_array_equal(whole, 0.5 * outside)
    inferred = ops.convert_to_numpy(pattern(training=False))
    np.testing.assert_array_equal(inferred, whole)
    np.testing.assert_array_equal(pattern.to_numpy(), whole)
    first, second = (
        ops.convert_to_numpy(pattern(training=True)) for _ in range(2)
    )
    kept = first[outside] != 0
    assert abs(kept.mean() - 0.6) < 0.01
    np.testing.assert_allclose(first[outside][kept], 0.5 / 0.6, rtol=1e-6)
    assert not first[~outside].any()
    assert (first != second).any()


def test_the_same_seed_drops_the_same_values():
    first, second = (
        built(UniversalPattern("frame", "sigmoid", dropout=0.5, seed=seed))
        for seed in (3, 3)
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(first(training=True)),
        ops.convert_to_numpy(second(training=True)),
    )


@pytest.mark.parametrize("dropout", [1.0, -0.1, "0.4", float("nan")])
def test_a_bad_dropout_is_a_value_error(dropout):
    with pytest.raises(ValueError, match="Received: "):
        UniversalPattern(dropout=dropout)
