import time

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.inputs import RandomShift
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import Spectrogram
from keras_reprogram.models.cosine_decay import decay_of
from keras_reprogram.selection import trials
from keras_reprogram.selection.candidates import Candidate
from keras_reprogram.selection.candidates import evaluate
from keras_reprogram.selection.inner_products import InnerProducts
from keras_reprogram.selection.labeled import labeled_samples
from keras_reprogram.selection.models import linear_map
from keras_reprogram.selection.models import model_of
from keras_reprogram.selection.parts import parts_of
from keras_reprogram.selection.training_data import TrainingData


def problem():
    """Images with a bright half, and a source of two stages."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    edges = keras.layers.AveragePooling2D(4)(inputs)
    edges = keras.layers.Flatten()(edges)
    hidden = keras.layers.Dense(6, "relu")(edges)
    source = keras.Model(
        inputs, keras.layers.Concatenate()([edges, hidden]), name="stages"
    )
    generator = np.random.default_rng(0)
    labels = np.arange(24) % 2
    images = generator.integers(0, 120, (24, 4, 4, 1))
    images[labels == 1, :, :2] += 60
    images = images.astype("uint8")
    labeled = labeled_samples(labels, None, None, None, None, 3, 0)
    (part,) = parts_of(source, (4, 4, 1), ())
    features = part.new_model(2).predict_source(images)
    products = InnerProducts([features], [part.block_sizes])
    data = TrainingData([part], products, labeled)
    found = evaluate(Candidate("ridge, stages", (0,)), data)
    return part, features, images, labeled, found


def test_the_model_of_a_candidate_predicts_as_its_kernel_does():
    part, features, images, labeled, found = problem()
    model = model_of(found)
    matrix, bias = linear_map(found)
    np.testing.assert_allclose(
        model.predict(images, verbose=0),
        found.temperature * (features @ matrix + bias),
        atol=1e-3,
    )
    assert model.label_mapper.solved


def test_training_starts_from_the_candidate_whatever_its_features_unit_is():
    part, features, images, labeled, found = problem()
    found.data.products.features = [1000 * features]
    model = model_of(found)
    model.fit(images, labeled.labels, epochs=1, verbose=0)
    rate = decay_of(model.optimizer).initial_learning_rate
    largest = np.abs(1000 * features).sum(axis=1).mean()
    assert 0 < rate * largest <= 0.1 + 1e-6


def test_a_program_starts_from_the_candidate_in_closed_form():
    part, _, images, labeled, found = problem()
    trial = trials.ProgramTrial(part, found, images, learning_rate=1e-12)
    model = model_of(found)
    np.testing.assert_allclose(
        trial.model().predict(images, verbose=0),
        model.predict(images, verbose=0),
        atol=1e-2,
    )


@pytest.mark.parametrize("drawing", ["difference", Spectrogram()])
def test_a_program_of_drawn_series_starts_from_the_candidate_too(drawing):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    source = keras.Model(inputs, keras.layers.Flatten()(inputs), name="pixels")
    series = np.random.default_rng(0).normal(size=(24, 30)).astype("float32")
    series[3, 4] = np.nan
    labels = np.arange(24) % 2
    labeled = labeled_samples(labels, None, None, None, None, 3, 0)
    drawn = InputReprogrammer(
        (30,),
        placement=SeriesPicture(drawing, scaling="value_range"),
        value_range=(-3, 3),
        scale=1 / 255,
        pattern=None,
        missing_values="interpolate",
    )
    (part,) = parts_of((source, drawn), (30,), ())
    features = part.new_model(2).predict_source(series)
    products = InnerProducts([features], [part.block_sizes])
    found = evaluate(
        Candidate("ridge, pixels", (0,)),
        TrainingData([part], products, labeled),
    )
    assert trials.ProgramTrial.is_possible(part)
    trial = trials.ProgramTrial(part, found, series, learning_rate=1e-12)
    np.testing.assert_allclose(
        trial.model().predict(series, verbose=0),
        model_of(found).predict(series, verbose=0),
        atol=1e-2,
    )
    trial = trials.ProgramTrial(part, found, series, steps=4)
    moved = trial.model().input_reprogrammer.placement.inner.movement()
    assert abs(keras.ops.convert_to_numpy(moved.translation)).max() > 0


def test_a_program_is_trained_while_the_label_map_stays():
    part, _, images, labeled, found = problem()
    trial = trials.ProgramTrial(part, found, images, RandomShift(), steps=4)
    assert trial.is_possible(part)
    model = trial.trained(labeled.without(labeled.folds[0]))
    moved = model.input_reprogrammer.placement.movement()
    assert abs(keras.ops.convert_to_numpy(moved.translation)).max() > 0
    scores = trial.scores(labeled.without(labeled.folds[0]), labeled.folds[0])
    assert scores.shape == (8, 2)


def test_an_attentive_probe_is_trained_on_cached_features():
    part, features, images, labeled, _ = problem()
    trial = trials.AttentiveTrial(part, features, labeled, epochs=2)
    fold = labeled.folds[0]
    scores = trial.scores(labeled.without(fold), fold)
    assert scores.shape == (len(fold), 2)
    model = trial.model()
    assert model.predict(images, verbose=0).shape == (24, 2)


class Fixed:
    """A trial of the right answers, which takes some time."""

    name = "fixed"

    def __init__(self, labeled, seconds=0.0):
        self.labeled, self.seconds = labeled, seconds

    def scores(self, rows, held_out):
        time.sleep(self.seconds)
        return np.eye(2)[self.labeled.labels[held_out]]


@pytest.mark.numpy_alone
def test_a_trial_is_scored_on_every_fold_that_there_is_time_for():
    labels = np.arange(12) % 2
    labeled = labeled_samples(labels, None, None, None, None, 4, 0)
    found = trials.run(Fixed(labeled), labeled, time.monotonic() + 100)
    np.testing.assert_array_equal(found, np.ones(4))
    slow = Fixed(labeled, seconds=0.2)
    assert len(trials.run(slow, labeled, time.monotonic() + 0.3)) < 4
    assert len(trials.run(slow, labeled, time.monotonic() - 1)) == 0


@pytest.mark.numpy_alone
def test_a_trial_must_be_ahead_by_two_standard_errors():
    best = np.array([0.8, 0.7, 0.9])
    assert trials.is_better(best + 0.05, best)
    assert not trials.is_better(best, best)
    assert not trials.is_better(best + [0.3, -0.2, 0.0], best)
    # Mean 0.03 and variance 0.0004, times 1/3 + 1/2: standard error 0.018.
    assert not trials.is_better(best + [0.05, 0.01, 0.03], best)
    # Mean 0.03 and variance 0.0001: standard error 0.009.
    assert trials.is_better(best + [0.04, 0.02, 0.03], best)
    assert not trials.is_better(best[:1] + 0.1, best)
    assert trials.is_better(best[:2] + 0.1, best)


def test_a_program_is_not_trained_by_the_answers_of_a_function():
    queried = QueriedSource(
        lambda inputs: inputs.reshape(len(inputs), -1)[:, :2],
        (8, 8, 3),
        2,
        from_logits=True,
    )
    (part,) = parts_of(queried, (4, 4, 1), ())
    assert not trials.ProgramTrial.is_possible(part)
