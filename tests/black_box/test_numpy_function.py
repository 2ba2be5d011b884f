"""A function in the middle of a model has a thread of its own."""

import threading

import numpy as np
import pytest

from keras_reprogram.black_box.numpy_function import call_in_thread

pytestmark = pytest.mark.numpy_alone
INPUTS = np.ones((2, 3))


def test_the_function_runs_in_another_thread():
    names = []

    def double(inputs):
        names.append(threading.current_thread())
        return 2 * inputs

    np.testing.assert_array_equal(call_in_thread(double, INPUTS), 2 * INPUTS)
    assert names[0] is not threading.current_thread()
    # Neither Ctrl-C nor the end of the process waits for it.
    assert names[0].daemon


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_is_raised_where_the_function_is_called(error):
    def fail(inputs):
        raise error("here")

    with pytest.raises(error, match="here"):
        call_in_thread(fail, INPUTS)
