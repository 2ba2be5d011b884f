import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import RegressionHead
from keras_reprogram import ReprogrammedModel
from keras_reprogram.diagnostics import rank_sources
from keras_reprogram.models import fit_correction
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.progress import Progress
from keras_reprogram.recipes import few_samples

pytestmark = pytest.mark.numpy_alone

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1), "uint8")
LABELS = np.arange(16) % 2


def source():
    inputs = keras.Input((4, 4, 1))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)


def model(output_mapping=None):
    return ReprogrammedModel(
        source(),
        InputReprogrammer((4, 4, 1)),
        output_mapping or LabelMapper(2),
    )


def fit_label_map(verbose):
    task = model(LabelMapper(2, LinearMapping()))
    task.input_reprogrammer.trainable = False
    task.compile("adam")
    data = IMAGES[:8], LABELS[:8]
    task.fit_label_map(*data, validation_data=data, verbose=verbose)


def correct(verbose):
    task = model(RegressionHead())
    task.compile("adam", "mse")
    task.adapt(IMAGES, LABELS.astype("float32"), verbose=0)
    corrected = keras.ops.convert_to_numpy(task.input_reprogrammer(IMAGES))
    targets = LABELS.astype("float32")
    fit_correction(task, IMAGES, targets, corrected, 1, 1, verbose=verbose)


def answer(verbose):
    shared = source()
    task = ReprogrammedModel(
        shared, InputReprogrammer((4, 4, 1)), LabelMapper(2, "random")
    )
    bank = ProgramBank(shared, (4, 4, 1), num_classes=2, capacity=1)
    bank.add({"a": task})
    bank.answer(list(IMAGES), "a", batch_size=8, verbose=verbose)


CALLS = {
    "Finding the label map": lambda verbose: model().adapt(
        IMAGES, LABELS, batch_size=8, verbose=verbose
    ),
    "Finding the label map\n": lambda verbose: model().fit(
        IMAGES, LABELS, verbose=verbose
    ),
    "Finding the output mapping": lambda verbose: model(RegressionHead()).adapt(
        IMAGES, LABELS.astype("float32"), verbose=verbose
    ),
    "Computing the source's outputs on validation data": fit_label_map,
    "Ranking 2 sources": lambda verbose: rank_sources(
        [source(), source()], IMAGES, LABELS, ["logits"], verbose=verbose
    ),
    "Comparing 2 candidates": lambda verbose: few_samples(
        source(), IMAGES, LABELS, folds=2, verbose=verbose
    ),
    "Training on corrected inputs and targets": correct,
    "Predicting with 1 program": answer,
}


@pytest.mark.parametrize("verbose", [0, 1, 2])
@pytest.mark.parametrize("title", CALLS)
def test_every_bar_says_what_it_counts_and_none_is_silent(
    title, verbose, capsys
):
    CALLS[title](verbose)
    found = capsys.readouterr()
    assert (title in found.out) == bool(verbose)
    assert bool(found.out) == bool(verbose) and not found.err
    # Every bar has a line above it.
    lines = found.out.replace("\b", "").split("\n")
    for index, line in enumerate(lines):
        if "1/1" in line and ("━" in line or " - " in line):
            assert lines[index - 1]


@pytest.mark.parametrize("total", [3, 5, None])
def test_a_bar_ends_where_the_steps_end(total, capsys):
    progress = Progress("Counting", total, 2, "sheep")
    for _ in range(3):
        progress.add()
    progress.finish()
    found = capsys.readouterr().out
    assert found.startswith("Counting\n3/3 - ") and found.count("\n") == 2
    assert "/sheep" in found


def test_a_bar_without_steps_is_not_shown(capsys):
    Progress("Counting", None, 1).finish()
    assert capsys.readouterr().out == ""


def test_titles_go_to_the_log_where_keras_writes_there(capsys, caplog):
    keras.config.disable_interactive_logging()
    try:
        with caplog.at_level("INFO", "keras_reprogram"):
            Progress("Counting", 2, 1).add()
    finally:
        keras.config.enable_interactive_logging()
    assert "Counting" in caplog.text
    assert capsys.readouterr().out == ""


def test_a_verbosity_that_there_is_not_is_a_value_error():
    with pytest.raises(ValueError, match="Received: verbose='loud'"):
        Progress("Counting", 2, "loud")
