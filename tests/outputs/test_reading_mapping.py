import keras
import pytest

from keras_reprogram import LabelMapper
from keras_reprogram import RegressionHead
from keras_reprogram.sources import inspect_source


def specification(activation):
    inputs = keras.Input((3,))
    return inspect_source(
        keras.Model(inputs, keras.layers.Dense(4, activation)(inputs))
    )


@pytest.mark.numpy_alone
@pytest.mark.parametrize("make", [LabelMapper, RegressionHead])
def test_a_source_s_activation_is_resolved_beside_the_arguments(make):
    mapping = make(2)
    mapping.resolve(specification("softmax"))
    assert mapping.from_logits is None and mapping.source_activation is None
    assert mapping.reading.activation == "softmax"
    assert mapping.resolved_config()["from_logits"] is False
    copy = make.from_config(mapping.get_config())
    assert copy.reading == mapping.reading
    with pytest.raises(ValueError, match=f"`{make.__name__}` belongs to"):
        mapping.resolve(specification("sigmoid"))
