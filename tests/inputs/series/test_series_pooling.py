import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs.series import series_pooling
from keras_reprogram.sources.specification import SourceSpecification


def test_masked_patches_do_not_count():
    outputs = np.arange(12, dtype="float32").reshape(1, 3, 4)
    outputs[:, 1] = 0.0
    mask = np.array([[1, 0, 1]], "int32")
    found = series_pooling.mean_of_patches(outputs, mask)
    np.testing.assert_allclose(ops.convert_to_numpy(found), [[4, 5, 6, 7]])


@pytest.mark.numpy_alone
def test_the_features_of_channels_are_the_blocks_of_a_sample():
    source = SourceSpecification((None,), (None,), 5, "linear", 1)
    found = series_pooling.describe_pooled(source, "concatenate", 3)
    assert (found.num_classes, found.num_position_axes) == (15, 0)
    assert found.block_sizes == (5, 5, 5)
    found = series_pooling.describe_pooled(source, "mean", 3)
    assert (found.num_classes, found.block_sizes) == (5, (5,))
    with pytest.raises(ValueError, match="absurd"):
        series_pooling.describe_pooled(source, "concatenate", 2**30)


@pytest.mark.numpy_alone
def test_another_pooling_is_a_value_error():
    for bad in ("last", 1, ["mean"]):
        with pytest.raises(ValueError, match="`pooling`"):
            series_pooling.check_pooling(bad)
