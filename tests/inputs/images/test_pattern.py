import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs import Pattern


class Offset(Pattern):
    """A pattern of one's own: a number for each channel."""

    def add_variables(self):
        self.offset = self.add_weight(
            shape=(self.canvas.channels,), initializer="ones"
        )

    def call(self, canvas):
        return ops.multiply(self.offset, ops.ones_like(canvas))


def test_a_pattern_of_its_own_is_added_to_the_canvas():
    pattern = Offset()
    layer = InputReprogrammer(
        (4, 4, 3), (4, 4, 3), pattern=pattern, value_range=(0, 1)
    )
    samples = np.random.default_rng(0).random((2, 4, 4, 3)).astype("float32")
    found = ops.convert_to_numpy(layer(samples))
    np.testing.assert_allclose(found, samples + 1, rtol=1e-6)
    assert pattern.built and pattern.canvas.shape == (4, 4, 3)
    assert not pattern.uses_source
    pattern.offset.assign([0.0, 1, 2])
    found = ops.convert_to_numpy(layer(samples))
    np.testing.assert_allclose(found, samples + [0, 1, 2], rtol=1e-6)


@pytest.mark.numpy_alone
def test_what_a_pattern_must_define_is_named_by_its_absence():
    with pytest.raises(NotImplementedError):
        Pattern().add_variables()
    with pytest.raises(NotImplementedError):
        Pattern().expected_variables(None, None)
