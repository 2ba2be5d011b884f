import numpy as np
import pytest
from keras import ops

from keras_reprogram.outputs import SourceNumbers
from keras_reprogram.outputs.targets import LabelFormat


def test_predictions_are_the_outputs_in_float32():
    outputs = ops.cast([[1.0, 2.5]], "float16")
    predictions = SourceNumbers()(outputs, None)
    assert ops.convert_to_numpy(predictions).dtype == "float32"
    np.testing.assert_array_equal(
        ops.convert_to_numpy(predictions), [[1.0, 2.5]]
    )


@pytest.mark.numpy_alone
def test_labels_are_numbers_of_the_same_shape():
    mapping = SourceNumbers()
    mapping.build((None, 2))
    mapping.targets.check(np.zeros((4, 2)), LabelFormat())
    with pytest.raises(ValueError, match="numbers of shape"):
        mapping.targets.check(np.zeros((4, 3)), LabelFormat())
