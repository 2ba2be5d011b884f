import keras
import pytest

from keras_reprogram.callbacks import RestoreBest
from keras_reprogram.callbacks import interruptions
from keras_reprogram.callbacks.finite_loss import FiniteLoss
from keras_reprogram.callbacks.resume_training import ResumeTraining


def test_the_file_of_training_is_written_after_all_others(tmp_path):
    resume = ResumeTraining(tmp_path / "training.npz")
    others = [FiniteLoss(), keras.callbacks.TerminateOnNaN()]
    given = keras.callbacks.CallbackList([resume, *others])
    with interruptions.interruptible(given) as callbacks:
        assert callbacks.callbacks == [*others, resume]
    with interruptions.interruptible([others[0], [resume, others[1]]]) as found:
        assert found == [*others, resume]
        assert resume.lock is not None
    assert resume.lock is None
    assert list(tmp_path.iterdir()) == []


def test_an_exception_lets_go_of_the_file_and_is_told(tmp_path):
    resume = ResumeTraining(tmp_path / "training.npz")
    told = []
    other = keras.callbacks.Callback()
    other.on_train_interrupted = lambda: told.append(resume.lock is not None)
    resume.set_model(keras.Sequential())
    with pytest.raises(KeyboardInterrupt):
        with interruptions.interruptible([resume, other]):
            raise KeyboardInterrupt
    assert told == [True]
    assert resume.lock is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: [
            keras.callbacks.SwapEMAWeights(),
            RestoreBest((1, 2)),
        ],
        lambda: [
            RestoreBest((1, 2)),
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        ],
    ],
)
def test_averages_that_are_validated_must_be_restored(make):
    with pytest.raises(ValueError, match="SwapEMAWeights.*Received: "):
        with interruptions.interruptible(make()):
            pass
