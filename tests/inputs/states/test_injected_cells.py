import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import InjectedCells

STATES = np.random.default_rng(0).normal(size=(2, 10, 8, 4)).astype("float32")


def built(*args, **settings):
    layer = InjectedCells(*args, **settings)
    layer.build(STATES.shape)
    return layer


def test_it_starts_as_the_identity():
    found = ops.convert_to_numpy(built()(STATES))
    np.testing.assert_array_equal(found, STATES)


def test_the_rule_changes_the_injected_cells_alone():
    layer = built(0.25)
    layer.rule.bias.assign([0.0, 1.0, 2.0, 3.0])
    mask = ops.convert_to_numpy(layer.mask)
    assert mask.shape == (10, 8, 1) and mask.sum() == 20
    expected = STATES + mask * [0.0, 1.0, 2.0, 3.0]
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(STATES)), expected, rtol=1e-6
    )


def test_the_cells_follow_the_seed_and_are_not_trained():
    first, same, other = (
        ops.convert_to_numpy(built(seed=seed).mask) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    layer = built()
    assert len(layer.trainable_weights) == 4
    assert [each.name for each in layer.non_trainable_weights] == ["mask"]


def test_a_mask_of_other_numbers_is_a_value_error():
    layer = built()
    layer.check_variables()
    layer.mask.assign(0.5 * layer.mask)
    with pytest.raises(ValueError, match="holds 0 and 1"):
        layer.check_variables()


@pytest.mark.numpy_alone
def test_a_share_of_no_cell_or_of_all_is_a_value_error():
    for share in (0, 0.0, 1.0, -0.1, 1.5, "half", float("nan"), True):
        with pytest.raises(ValueError, match="`share`"):
            InjectedCells(share)
    with pytest.raises(ValueError, match="at least one cell"):
        built(0.001)
    with pytest.raises(ValueError, match="known height"):
        InjectedCells().build((None, None, 8, 4))
    with pytest.raises(ValueError, match="hidden_units"):
        InjectedCells(hidden_units=0)
