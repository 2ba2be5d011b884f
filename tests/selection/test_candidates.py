import dataclasses

import numpy as np
import pytest

from keras_reprogram.outputs import kernel_regression
from keras_reprogram.selection.candidates import Candidate
from keras_reprogram.selection.candidates import closed_forms
from keras_reprogram.selection.candidates import evaluate
from keras_reprogram.selection.candidates import solve
from keras_reprogram.selection.inner_products import InnerProducts
from keras_reprogram.selection.labeled import labeled_samples
from keras_reprogram.selection.models import linear_map
from keras_reprogram.selection.parts import Part
from keras_reprogram.selection.training_data import TrainingData

pytestmark = pytest.mark.numpy_alone


def problem(signal=2.0, count=40):
    """A block of noise and a block with two classes."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 2
    noise = generator.normal(size=(count, 6))
    useful = generator.normal(size=(count, 3)) + signal * labels[:, None]
    features = np.hstack([noise, useful]).astype("float32")
    labeled = labeled_samples(labels, None, None, None, None, 5, 0)
    products = InnerProducts([features], [(6, 3)])
    return TrainingData([part("a", 0, None)], products, labeled)


def part(name, origin, canvas, views=()):
    return Part(name, None, None, origin, canvas, views)


def test_one_part_is_read_by_each_regression():
    names = [found.name for found in closed_forms([part("a", 0, None)])]
    assert names == ["ridge, a", "logistic, a"]


def test_parts_of_one_source_and_of_one_size_are_joined():
    parts = [
        part("a at 8", 0, 8),
        part("a at 16", 0, 16),
        part("b at 8", 1, 8),
        part("b at 16", 1, 16),
    ]
    found = {each.name: each.parts for each in closed_forms(parts)}
    ridges = {name: parts for name, parts in found.items() if "ridge" in name}
    assert ridges == {
        "ridge, a at 8": (0,),
        "ridge, a at 16": (1,),
        "ridge, b at 8": (2,),
        "ridge, b at 16": (3,),
        "ridge, a, all sizes": (0, 1),
        "ridge, b, all sizes": (2, 3),
        "ridge, joined at 8": (0, 2),
        "ridge, joined at 16": (1, 3),
        "ridge, all joined": (0, 1, 2, 3),
    }
    assert found["logistic, all joined"] == (0, 1, 2, 3)


def test_parts_with_views_are_joined_with_one_another_alone():
    parts = [
        part("a", 0, None),
        part("b", 1, None),
        part("a, views", 0, None, ("identity",)),
        part("b, views", 1, None, ("identity",)),
    ]
    found = {each.name: each.parts for each in closed_forms(parts)}
    assert found["ridge, joined"] == (0, 1)
    assert found["ridge, joined, views"] == (2, 3)


@pytest.mark.parametrize("solver", ["ridge", "logistic"])
def test_held_out_scores_are_those_of_a_fit_to_the_other_folds(solver):
    data = problem()
    labeled = data.labeled
    found = evaluate(Candidate("one", (0,), solver), data)
    fold = labeled.folds[1]
    dual = solve(found, labeled.without(fold))
    kernel = data.products.kernel((0,), found.exponent)
    kernel = kernel[np.ix_(fold, labeled.without(fold))]
    np.testing.assert_allclose(
        found.held_out[fold], dual.scores(kernel), atol=1e-6
    )
    assert found.scores.shape == (5,)
    assert labeled.measure(found.held_out) > 0.8


@pytest.mark.parametrize("solver", ["ridge", "logistic"])
def test_copies_that_change_nothing_change_no_score(solver):
    data = problem()
    (features,) = data.products.features
    thrice = TrainingData(
        data.parts,
        InnerProducts([np.tile(features, (3, 1))], [(6, 3)]),
        dataclasses.replace(data.labeled, copies=3),
    )
    candidate = Candidate("one", (0,), solver)
    expected, found = evaluate(candidate, data), evaluate(candidate, thrice)
    assert found.held_out.shape == expected.held_out.shape
    np.testing.assert_allclose(found.held_out, expected.held_out, atol=1e-3)
    for of_copies, of_samples in zip(linear_map(found), linear_map(expected)):
        np.testing.assert_allclose(of_copies, of_samples, atol=1e-3)


def test_copies_of_a_sample_left_out_are_left_out_with_it():
    data = problem(signal=0.0)
    (features,) = data.products.features
    twice = TrainingData(
        data.parts,
        InnerProducts([np.tile(features, (2, 1))], [(6, 3)]),
        dataclasses.replace(data.labeled, copies=2),
    )
    found = evaluate(Candidate("one", (0,)), twice)
    # A copy among the training rows would tell the label.
    assert data.labeled.measure(found.held_out) < 0.75


def test_labels_that_mean_nothing_have_the_score_of_chance():
    data = problem(signal=0.0, count=200)
    for solver in ("ridge", "logistic"):
        found = evaluate(Candidate("one", (0,), solver), data)
        assert 0.35 < data.labeled.measure(found.held_out) < 0.68


def test_scales_and_penalty_have_the_lowest_error_of_all():
    data = problem()
    labeled = data.labeled
    found = evaluate(Candidate("one", (0,)), data)
    for exponent in (0.0, 0.5, 1.0):
        kernel = data.products.kernel((0,), exponent)
        for penalty in (1e-3, 1e-1):
            errors = []
            for fold in labeled.folds:
                rest = labeled.without(fold)
                (dual,) = kernel_regression.ridge(
                    kernel[np.ix_(rest, rest)],
                    labeled.labels[rest],
                    2,
                    [penalty],
                )
                scores = dual.scores(kernel[np.ix_(fold, rest)])
                targets = np.eye(2)[labeled.labels[fold]]
                errors.extend(np.square(scores - targets).sum(axis=1))
            assert found.loss <= np.mean(errors) + 1e-9


def test_every_fold_is_reported():
    folds = []
    evaluate(Candidate("one", (0,)), problem(), lambda: folds.append(1))
    assert len(folds) == 5


@pytest.mark.parametrize("solver", ["ridge", "logistic"])
@pytest.mark.filterwarnings("ignore:All samples of a class")
def test_groups_of_one_class_each_change_the_scores_and_no_setting(solver):
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 6
    centers = generator.normal(size=(6, 8))
    features = centers[labels] + 0.3 * generator.normal(size=(60, 8))
    products = InnerProducts([features.astype("float32")], [(8,)])
    candidate = Candidate("one", (0,), solver)
    free = labeled_samples(labels, None, None, None, None, 6, 0)
    # No class of a fold is in the others: nothing is right, and the error is
    # lowest for a constant function.
    grouped = labeled_samples(labels, None, None, None, labels, 6, 0)
    parts = [part("a", 0, None)]
    expected = evaluate(candidate, TrainingData(parts, products, free))
    found = evaluate(candidate, TrainingData(parts, products, grouped))
    assert found.penalty == expected.penalty < 1e-1
    assert found.exponent == expected.exponent
    assert expected.scores.mean() > 0.9 and found.scores.mean() == 0
    # Without a sample to calibrate on, scores are logits of some temperature.
    assert np.isfinite(found.temperature)
