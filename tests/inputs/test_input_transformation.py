import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import InputTransformation


class Doubled(InputTransformation):
    """The least that a transformation of one's own needs."""

    def resolve(self, specification, source):
        self.size = specification

    @property
    def sample_shape(self):
        return (self.size,)

    def call(self, inputs):
        return ops.concatenate([inputs, inputs], axis=-1)


def test_a_transformation_of_its_own_needs_two_hooks_and_a_call():
    layer = Doubled()
    layer.resolve(3, lambda inputs: inputs)
    samples = np.array([[1.0, np.nan, 2.0], [1.0, 2.0, 3.0]])
    assert layer(samples).shape == (2, 6)
    assert layer.sample_dtype is None and layer.augmentation is None
    assert layer.hint("text") == "" and not layer.uses_source
    assert layer.training_callbacks() == []
    valid = layer.valid(ops.convert_to_tensor(samples))
    assert ops.convert_to_numpy(valid).tolist() == [False, True]
    assert layer.valid(ops.convert_to_tensor([[1, 2]])) is None
    assert layer.select_outputs(samples, samples) is samples
    layer.check_sample_shape((3,))
    layer.check_values(samples)
    with layer.inference(), layer.same_samples():
        assert layer(samples).shape == (2, 6)
    assert layer.resolved_config() == layer.get_config()


def test_several_arrays_are_refused_with_the_shape_that_is_taken():
    layer = Doubled()
    layer.resolve(3, None)
    with pytest.raises(ValueError, match=r"\(None, 3\).*Received: .*'b'"):
        layer.merge({"a": np.ones((2, 3)), "b": np.ones((2, 3))})


def test_an_augmentation_is_a_layer_of_the_transformation():
    layer = Doubled()
    layer.augmentation = keras.layers.RandomFlip()
    # On PyTorch, what a class declares would hide a layer of this name.
    assert isinstance(layer.augmentation, keras.layers.RandomFlip)
