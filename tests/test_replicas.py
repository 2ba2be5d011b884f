import types

import keras
import pytest
from keras import ops

from keras_reprogram import replicas


def test_a_process_by_itself_sums_nothing():
    values = ops.ones((2, 3))
    assert replicas.summed_over_replicas(values) is values
    assert replicas.process_group() is None


@pytest.mark.skipif(keras.config.backend() != "torch", reason="PyTorch's own")
def test_values_are_summed_over_processes_and_left_as_they_were(monkeypatch):
    two = types.SimpleNamespace(all_reduce=lambda values: values.mul_(2))
    monkeypatch.setattr(replicas, "process_group", lambda: two)
    values = ops.ones((2, 3))
    found = replicas.summed_over_replicas(values)
    assert ops.convert_to_numpy(found).tolist() == [[2] * 3] * 2
    assert ops.convert_to_numpy(values).tolist() == [[1] * 3] * 2
