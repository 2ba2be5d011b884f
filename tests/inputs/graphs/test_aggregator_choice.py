import numpy as np
import pytest
from graphs import as_arrays
from graphs import graph_of
from graphs import resolved

from keras_reprogram.inputs import AggregatorChoice
from keras_reprogram.inputs import FeaturePadding


def choice(**kwargs):
    layer = resolved([FeaturePadding(), AggregatorChoice()], **kwargs)
    return layer.steps[1]


def test_the_source_s_own_aggregator_is_chosen_at_first():
    step = choice(aggregator="mean")
    assert step.chosen == ["mean", "mean"]
    found = as_arrays(step(graph_of()))["aggregators"]
    np.testing.assert_allclose(found, 2 * [[[0, 1, 0], [0, 1, 0]]], atol=1e-6)


def test_the_greatest_logit_is_chosen_without_noise():
    step = choice()
    step.logits.assign([[0.0, 1.0, 2.0], [0.0, 1.0, -2.0]])
    assert step.chosen == ["max", "mean"]
    found = as_arrays(step(graph_of()))["aggregators"]
    np.testing.assert_allclose(found, 2 * [[[0, 0, 1], [0, 1, 0]]], atol=1e-6)


def test_in_training_aggregators_are_drawn_by_their_probabilities():
    step = choice()
    step.logits.assign(np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    graph = graph_of(batch=2)
    draws = [
        as_arrays(step(graph, training=True))["aggregators"][0]
        for _ in range(150)
    ]
    np.testing.assert_allclose(np.sum(draws, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(np.max(draws, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(
        np.mean(draws, axis=0),
        [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]],
        atol=0.12,
    )


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "arguments", [{"temperature": 0.0}, {"temperature": "1"}, {"seed": -1}]
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        AggregatorChoice(**arguments)


@pytest.mark.numpy_alone
def test_a_choice_is_kept_in_its_config():
    step = AggregatorChoice(0.5, seed=3)
    copy = AggregatorChoice.from_config(step.get_config())
    assert (copy.temperature, copy.seed) == (0.5, 3)
