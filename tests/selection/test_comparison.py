import dataclasses

import keras
import numpy as np
import pytest

from keras_reprogram.selection.comparison import Comparison
from keras_reprogram.selection.comparison import Row
from keras_reprogram.selection.inner_products import InnerProducts
from keras_reprogram.selection.labeled import labeled_samples
from keras_reprogram.selection.parts import Part


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
    found = Comparison(
        parts, InnerProducts(features, sizes), labels, labeled, 0
    )
    found.score_closed_forms()
    return found


@pytest.mark.numpy_alone
def test_ridge_regression_on_everything_is_chosen_among_equals():
    found = comparison().cross_validation
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
def test_a_trial_that_was_not_finished_has_scores_of_its_folds():
    given = comparison()
    given.rows.append(Row("trial", np.array([0.5, 0.75]), given.model))
    found = given.cross_validation
    assert np.isnan(found.scores[-1, 2:]).all()
    assert np.isclose(found.mean[-1], 0.625)
    assert "0.625" in found.table()
