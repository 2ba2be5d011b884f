import keras
import numpy as np
import pytest

from keras_reprogram.visualization import plot_alignment

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.numpy_alone

VALUES = {
    "loss": [3.0, 2.0],
    "accuracy": [0.5, 0.75],
    "alignment": [1.5, 1.25],
}


def points(axis):
    (line,) = axis.lines
    return np.transpose(line.get_data()).tolist()


def test_alignment_is_plotted_from_before_training_with_the_accuracy():
    alignment, accuracy = plot_alignment(VALUES, start=2.0).axes
    assert points(alignment) == [[0, 2.0], [1, 1.5], [2, 1.25]]
    assert points(accuracy) == [[1, 0.5], [2, 0.75]]
    assert accuracy.get_ylabel() == "accuracy"


def test_a_history_without_a_start_begins_with_epoch_one():
    history = keras.callbacks.History()
    history.history = VALUES
    alignment, loss = plot_alignment(history, metric="loss").axes
    assert points(alignment) == [[1, 1.5], [2, 1.25]]
    assert points(loss) == [[1, 3.0], [2, 2.0]]


def test_a_history_of_alignment_alone_has_one_axis():
    assert len(plot_alignment({"alignment": [1.0]}).axes) == 1


def test_what_has_no_alignment_is_refused():
    for wrong in ({"loss": [1.0]}, None, [1.0], keras.callbacks.History()):
        with pytest.raises(ValueError, match="AlignmentLog.* Received"):
            plot_alignment(wrong)
    with pytest.raises(ValueError, match="val_loss"):
        plot_alignment(VALUES, metric="val_loss")
