import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import Cosine
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import LowRank
from keras_reprogram.inputs import Patch
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas

AXES = Axes(3, "channels_last")
SHAPE = (12, 16, 3)


def expand(basis, theta, shape=SHAPE, axes=AXES):
    theta = ops.cast(theta, "float32")
    return ops.convert_to_numpy(basis.expand(theta, shape, axes))


@pytest.mark.parametrize(
    "basis, dimension",
    [
        (Grid(4), 48),
        (Grid((3, 4)), 36),
        (Cosine(4), 48),
        (LowRank(2), 2 * 3 * 28),
    ],
)
def test_theta_is_short_and_zero_is_no_pattern(basis, dimension):
    assert basis.dimension(SHAPE, AXES) == dimension
    canvas = expand(basis, np.zeros(dimension))
    assert canvas.shape == SHAPE and not canvas.any()


def test_a_grid_of_the_canvas_size_is_the_canvas():
    values = np.random.default_rng(0).normal(size=SHAPE)
    canvas = expand(Grid((12, 16)), values.ravel())
    np.testing.assert_allclose(canvas, values, rtol=1e-5)


def test_cosines_are_orthonormal():
    basis = Cosine(5)
    images = np.stack([expand(basis, row).ravel() for row in np.eye(75)])
    np.testing.assert_allclose(images @ images.T, np.eye(75), atol=1e-5)


def test_a_low_rank_is_low():
    basis = LowRank(2)
    theta = np.random.default_rng(0).normal(size=basis.dimension(SHAPE, AXES))
    canvas = expand(basis, theta)
    for channel in range(3):
        assert np.linalg.matrix_rank(canvas[..., channel], tol=1e-3) == 2


@pytest.mark.parametrize("basis", [Grid(4), Cosine(4), LowRank(2)])
def test_channels_first_is_the_same_picture(basis):
    theta = np.random.default_rng(0).normal(size=basis.dimension(SHAPE, AXES))
    axes = Axes(3, "channels_first")
    first = expand(basis, theta, (3, 12, 16), axes)
    assert first.shape == (3, 12, 16)
    if isinstance(basis, LowRank):
        last = expand(basis, theta)
        np.testing.assert_allclose(first.transpose(1, 2, 0), last, rtol=1e-5)


@pytest.mark.parametrize("basis", [Grid(4), Cosine(4)])
def test_a_series_has_a_basis_as_well(basis):
    axes = Axes(1, "channels_last")
    assert basis.dimension((16,), axes) == 4
    assert expand(basis, np.ones(4), (16,), axes).shape == (16,)


def test_a_pattern_with_a_basis_keeps_to_its_region():
    pattern = UniversalPattern("outside", basis=Grid(4), initializer="ones")
    data_mask = np.zeros((12, 16), bool)
    data_mask[2:5, 3:9] = True
    pattern.build_on(Canvas(SHAPE, AXES, data_mask))
    values = pattern.to_numpy()
    assert not values[data_mask].any()
    np.testing.assert_allclose(values[~data_mask], np.tanh(1.0), rtol=1e-5)
    copy = UniversalPattern.from_config(pattern.get_config())
    assert copy.basis == Grid(4)


BASES = [
    Grid(4),
    Grid((3, 6), "nearest"),
    Grid(5, "bicubic"),
    Cosine(3),
    LowRank(2),
]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("basis", BASES)
def test_values_that_reach_a_free_place_are_those_that_change_it(
    basis, data_format
):
    axes = Axes(3, data_format)
    mask = np.zeros(SHAPE, bool)
    mask[9:12, 12:15] = True
    mask = np.moveaxis(mask, -1, axes.channel)
    shape = mask.shape
    theta = np.random.default_rng(0).normal(size=basis.dimension(shape, axes))
    before = expand(basis, theta, shape, axes)[mask]
    changes = []
    for place in range(len(theta)):
        moved = theta.copy()
        moved[place] += 1.0
        after = expand(basis, moved, shape, axes)[mask]
        changes.append(np.abs(after - before).max() > 1e-6)
    active_coefficients = basis.active_coefficients(mask, axes)
    np.testing.assert_array_equal(active_coefficients, changes)
    assert active_coefficients.all() == isinstance(basis, Cosine)


@pytest.mark.parametrize("basis", BASES)
def test_a_masked_pattern_stores_what_reaches_its_region_alone(basis):
    whole = UniversalPattern(basis=basis, activation=None)
    patch = UniversalPattern(Patch(3, (9, 12)), basis=basis, activation=None)
    for pattern in (whole, patch):
        pattern.build_on(Canvas(SHAPE, AXES, np.zeros(SHAPE[:2], bool)))
    theta = np.random.default_rng(0).normal(size=whole.theta.shape)
    whole.theta.assign(theta)
    mask = np.zeros(SHAPE, bool)
    mask[9:12, 12:15] = True
    patch.theta.assign(theta[basis.active_coefficients(mask, AXES)])
    np.testing.assert_allclose(
        patch.to_numpy(), np.where(mask, whole.to_numpy(), 0.0), atol=1e-5
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: Grid(0),
        lambda: Grid(interpolation="best"),
        lambda: LowRank(2, seed=-1),
        lambda: LowRank(2, seed=None),
        lambda: Grid(13).dimension(SHAPE, AXES),
        lambda: Cosine(13).dimension(SHAPE, AXES),
        lambda: LowRank(2).dimension((16,), Axes(1, "channels_last")),
        lambda: UniversalPattern(basis="grid"),
        lambda: UniversalPattern(strength=-1),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
