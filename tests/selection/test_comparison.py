import dataclasses

import keras
import numpy as np
import pytest

from keras_reprogram.selection.comparison import Comparison
from keras_reprogram.selection.comparison import Row
from keras_reprogram.selection.inner_products import InnerProducts
from keras_reprogram.selection.labeled import labeled_samples
from keras_reprogram.selection.parts import Part
from keras_reprogram.selection.training_data import TrainingData


def comparison(count=60):
    """Two parts that tell two classes apart."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 2
    features = [
        (generator.normal(size=(count, 4)) + 1.5 * labels[:, None]).astype(
            "float32"
        )
        for _ in range(2)
    ]
    sizes = [(each.shape[1],) for each in features]
    labeled = labeled_samples(labels, None, None, None, None, 5, 0)
    parts = [
        Part(name, keras.Model(), None, index)
        for index, name in enumerate(("one", "two"))
    ]
    data = TrainingData(parts, InnerProducts(features, sizes), labeled)
    found = Comparison(data, labels, 0)
    found.score_closed_forms()
    return found


def with_copies(data, indices, shift=0.0):
    """Two rows of each sample, of which copies are shifted by the label."""
    labels = data.labeled.labels[:, None]
    features = [data.products.features[index] for index in indices]
    features = [
        np.concatenate([each, (each - shift * (labels - 0.5))], dtype="float32")
        for each in features
    ]
    sizes = [(each.shape[1],) for each in features]
    return TrainingData(
        [data.parts[index] for index in indices],
        InnerProducts(features, sizes),
        dataclasses.replace(data.labeled, copies=2),
    )


@pytest.mark.numpy_alone
def test_ridge_regression_on_everything_is_chosen_among_equals():
    given = comparison()
    given.score_residual_map()
    found = given.cross_validation
    assert found.chosen == "ridge, joined"
    assert len(found.candidates) == len(set(found.candidates)) == 7


@pytest.mark.numpy_alone
def test_a_candidate_that_is_clearly_ahead_is_chosen():
    given = comparison()
    default = given.best_closed_form()
    assert default.name == "ridge, joined"
    (one,) = (each for each in given.evaluations if each.name == "ridge, two")
    right = np.eye(2)[given.labeled.labels]
    index = given.evaluations.index(one)
    for gain, expected in ((0.0, "ridge, joined"), (0.1, "ridge, two")):
        given.evaluations[index] = dataclasses.replace(
            one, scores=default.scores + gain, held_out=right
        )
        assert given.best_closed_form().name == expected


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    ("shift", "expected"),
    [(0.0, "ridge, joined, augmented"), (30.0, "ridge, joined")],
)
def test_augmented_copies_are_chosen_unless_they_are_clearly_behind(
    shift, expected
):
    given = comparison()
    given.score_augmented(
        lambda indices: with_copies(given.data, indices, shift)
    )
    found = given.cross_validation
    assert "ridge, joined, augmented" in found.candidates
    assert found.chosen == expected
    assert found.predictions.shape == (60, 2)


@pytest.mark.numpy_alone
def test_a_residual_map_is_that_of_what_was_chosen_before():
    given = comparison()
    given.score_augmented(lambda indices: with_copies(given.data, indices))
    given.score_residual_map()
    names = given.cross_validation.candidates
    assert names[-1] == "residual map, ridge, joined, augmented"


@pytest.mark.numpy_alone
def test_a_trial_that_was_not_finished_has_scores_of_its_folds():
    given = comparison()
    given.rows.append(Row("trial", np.array([0.5, 0.75]), given.model))
    found = given.cross_validation
    assert np.isnan(found.scores[-1, 2:]).all()
    assert np.isclose(found.mean[-1], 0.625)
    assert "0.625" in found.table()
