import numpy as np
import pytest
from tiny import reprogrammed


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"samples": x}])
@pytest.mark.parametrize("mapping", ["random", "linear"])
def test_samples_in_a_container_of_one(source, images, labels, wrap, mapping):
    model = reprogrammed(source, mapping)
    model.fit(wrap(images), labels, verbose=0)
    np.testing.assert_array_equal(
        model.predict(wrap(images), verbose=0),
        model.predict(images, verbose=0),
    )
