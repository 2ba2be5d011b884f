import numpy as np
import pytest

from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import TokenPatches
from keras_reprogram.inputs import WrappedPlacement
from keras_reprogram.inputs.images.axes import Axes


@pytest.mark.numpy_alone
def test_all_but_the_change_is_the_inner_placement_s():
    axes = Axes(3, "channels_last")
    placement = WrappedPlacement(Pad(4))
    np.testing.assert_array_equal(
        placement.data_mask((6, 6, 1), (8, 8, 3), axes),
        Pad(4).data_mask((6, 6, 1), (8, 8, 3), axes),
    )
    assert not placement.is_trained
    assert placement.valid_values == Pad().valid_values
    placement = WrappedPlacement(FeatureMosaic())
    placement.check((5,), (8, 8, 3), axes)
    with pytest.raises(ValueError, match="Received: "):
        WrappedPlacement("pad").check((5,), (8, 8, 3), axes)


@pytest.mark.numpy_alone
def test_tokens_are_no_values_of_a_canvas():
    with pytest.raises(ValueError, match="tokens. Received: "):
        WrappedPlacement(TokenPatches(3, patch_size=2))
