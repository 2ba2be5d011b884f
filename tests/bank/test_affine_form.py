import numpy as np
import pytest
from banks import TASKS
from banks import bank_of
from banks import samples_of
from banks import task
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.bank.affine_form import affine_form
from keras_reprogram.inputs import Resize


class HalfResize(Resize):
    """Places samples in a way that its matrices do not describe."""

    def place(self, samples, canvas_shape, axes):
        return super().place(samples, canvas_shape, axes) / 2


class Halved(InputReprogrammer):
    def call(self, inputs, training=False):
        return super().call(inputs, training) / 2


def test_a_subclass_that_computes_otherwise_is_refused(twelve_classes):
    bank = bank_of(twelve_classes, {})
    for end in (
        InputReprogrammer((4, 4, 1), placement=HalfResize()),
        Halved((4, 4, 1)),
    ):
        model = ReprogrammedModel(twelve_classes, end, LabelMapper(2, "random"))
        with pytest.raises(ValueError, match="matrix along each axis"):
            bank.add({"new": model})


@pytest.mark.numpy_alone
@pytest.mark.parametrize("name", TASKS)
def test_the_form_is_what_the_layer_computes(name, twelve_classes):
    model = task(twelve_classes, name)
    layer, samples = model.input_reprogrammer, samples_of(model, 2)
    form = affine_form(layer)
    assert form.sample_shape == samples.shape[1:]
    placed = samples
    for axis, matrix in enumerate(form.matrices):
        placed = np.moveaxis(
            np.tensordot(placed, matrix, (axis + 1, 1)), -1, axis + 1
        )
    expected = np.clip(form.gain * placed + form.pattern, form.low, form.high)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(samples)), expected, rtol=1e-3, atol=1e-3
    )
