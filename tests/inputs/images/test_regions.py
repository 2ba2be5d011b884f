import numpy as np
import pytest

from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Outside
from keras_reprogram.inputs import Patch


def test_a_patch_lies_where_it_is_put():
    mask = Patch(size=(2, 3), offset=(1, 4)).mask(np.zeros((5, 8), bool))
    assert mask[1:3, 4:7].all() and mask.sum() == 6


@pytest.mark.parametrize(
    "make",
    [
        lambda: Frame(0),
        lambda: Patch(-1),
        lambda: Patch(2, 1),
        lambda: Patch(2, (1.5, 1)),
        lambda: Frame((1, 2)),
        lambda: Frame(4).mask(np.ones((8, 8), bool)),
        lambda: Patch(9).mask(np.ones((8, 8), bool)),
        lambda: Patch(3, offset=(6, 0)).mask(np.ones((8, 8), bool)),
        lambda: Outside().mask(np.ones((8, 8), bool)),
    ],
)
def test_bad_regions_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
