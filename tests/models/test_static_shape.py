import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.models import static_shape

ON_TENSORFLOW = keras.config.backend() == "tensorflow"
X = np.zeros((2, 3), "float32")


@pytest.mark.parametrize(
    "x", [X, ops.zeros((2, 3)), keras.KerasTensor((None, 3))]
)
def test_what_is_known_stays_as_it_is(x):
    assert static_shape.with_static_shape(x, (None, 3)) is x
    y = np.zeros(2)
    assert static_shape.with_known_rank(y, X, sparse=True) is y


@pytest.mark.skipif(not ON_TENSORFLOW, reason="traces steps of open sizes")
def test_sizes_that_a_data_set_leaves_open_are_those_of_the_model():
    tensorflow = pytest.importorskip("tensorflow")
    seen = []

    @tensorflow.function(
        input_signature=[
            tensorflow.TensorSpec((None, None)),
            tensorflow.TensorSpec(None),
        ]
    )
    def step(x, y):
        x = static_shape.with_static_shape(x, (None, 3))
        seen.append(x.shape.as_list())
        y = static_shape.with_known_rank(y, x, sparse=True)
        seen.append(y.shape.as_list())
        return y

    for labels in (np.zeros(2), np.zeros((2, 1))):
        assert step(X, labels.astype("float32")).shape == (2,)
    assert seen == [[None, 3], [None]]
    with pytest.raises(tensorflow.errors.InvalidArgumentError):
        step(np.zeros((2, 4), "float32"), np.zeros(2, "float32"))
