import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.outputs.output_mapping import OutputMapping


class Offset(OutputMapping):
    """Adds a number that is found from data."""

    def build(self, outputs_shape):
        self.offset = self.add_weight(shape=(), initializer="zeros")
        self.add_solved_flag(False)

    def call(self, outputs):
        return ops.add(outputs, self.offset)

    @property
    def needs_data(self):
        return True

    def adapt(self, batches):
        self.offset.assign(
            np.mean([labels.mean() for _, labels, *_ in batches])
        )
        self.mark_solved()

    def check_solved(self):
        if not self.solved:
            raise ValueError("Received: no data")

    def check_variables(self):
        if ops.convert_to_numpy(self.offset) < 0:
            raise ValueError("Received: a number below 0")


def built():
    layer = Offset()
    layer.build((None, 2))
    return layer


def test_a_mapping_knows_whether_it_has_seen_data():
    layer = built()
    assert not layer.solved
    for check in (layer.check_ready_to_train, layer.check_solved_in_call):
        with pytest.raises(ValueError, match="no data"):
            check()
    layer.adapt([(None, np.array([1.0, 3.0]))])
    assert layer.solved
    layer.check_ready_to_train()
    layer.check_solved_in_call()
    assert ops.convert_to_numpy(layer(np.zeros((1, 2)))).tolist() == [[2, 2]]


def test_other_weights_are_read_anew():
    solved, layer = built(), built()
    unsolved = layer.get_weights()
    solved.adapt([(None, np.array([1.0]))])
    layer.set_weights(solved.get_weights())
    assert layer.solved
    layer.set_weights(unsolved)
    assert not layer.solved


def test_variables_of_a_file_are_checked_before_the_mapping_is_solved():
    layer = built()
    layer.offset.assign(-1.0)
    with pytest.raises(ValueError, match="below 0"):
        layer.on_variables_loaded()
    assert not layer.solved
    layer.offset.assign(1.0)
    layer.on_variables_loaded()
    assert layer.solved


def test_a_mapping_of_its_own_is_solved_and_keeps_the_losss_units():
    layer = OutputMapping()
    assert layer.solved and not layer.needs_data
    assert not layer.updates_statistics and layer.returns_logits is None
    assert layer.loss_units("y", "y_pred") == ("y", "y_pred")
    assert OutputMapping(dtype="float16").full_dtype == "float32"
    with pytest.raises(NotImplementedError):
        layer.expected_variables(None, (None, 2))


def test_outputs_are_read_in_the_dtype_that_they_have():
    seen = []

    class Seen(OutputMapping):
        def call(self, outputs):
            seen.append(keras.backend.standardize_dtype(outputs.dtype))
            return outputs

    Seen(dtype="bfloat16")(np.zeros((1, 2), "float32"))
    assert seen == ["float32"]
