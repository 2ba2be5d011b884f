import struct

import numpy as np
import pytest

from keras_reprogram.pretrained.ctranslate2 import DTYPES
from keras_reprogram.pretrained.ctranslate2 import read_variables

pytestmark = pytest.mark.numpy_alone
VARIABLES = {
    "a/weight": np.arange(6, dtype="float16").reshape(2, 3),
    "a/bias": np.arange(3, dtype="float32"),
    "heads": np.array(2, "int8"),
}


def string(text):
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def written():
    content = struct.pack("<I", 6) + string("Spec") + struct.pack("<I", 3)
    content += struct.pack("<I", len(VARIABLES))
    for name, values in VARIABLES.items():
        content += string(name) + struct.pack("<B", values.ndim)
        content += struct.pack(f"<{values.ndim}I", *values.shape)
        kind = DTYPES.index(values.dtype.name)
        content += struct.pack("<BI", kind, values.nbytes) + values.tobytes()
    return content + struct.pack("<I", 0)


def test_variables_have_their_names_shapes_and_types():
    found = read_variables(written())
    assert list(found) == list(VARIABLES)
    for name, values in VARIABLES.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("length", [0, 10, 30, 60, 84])
def test_a_file_that_ends_too_early_is_a_value_error(length):
    with pytest.raises(ValueError, match="damaged. Received: "):
        read_variables(written()[:length])
