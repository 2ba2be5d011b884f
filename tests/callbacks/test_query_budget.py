import types

import pytest

from keras_reprogram.callbacks import QueryBudget

pytestmark = pytest.mark.numpy_alone


class Queries:
    """Stands for the counts of a model whose source is queried."""

    queried = metrics = True

    def __init__(self):
        self.count = 0

    def num_queries(self, logs=None):
        return self.count


def begun(max_queries):
    queries = Queries()
    model = types.SimpleNamespace(
        query_state=queries,
        num_queries=0,
        stop_training=False,
        stop_evaluating=False,
    )
    budget = QueryBudget(max_queries)
    budget.set_model(model)
    budget.on_train_begin()
    return model, budget, queries


def test_a_step_that_would_exceed_the_budget_is_not_taken():
    model, budget, queries = begun(100)
    for queries.count in (30, 60):
        budget.on_train_batch_end(0)
        assert not model.stop_training
    queries.count = 80  # and another step of 30 would be too much
    budget.on_train_batch_end(1)
    assert model.stop_training


def test_a_validation_is_set_aside_once_one_was_seen():
    model, budget, queries = begun(100)
    queries.count = 20
    budget.on_train_batch_end(0)
    budget.on_test_begin()
    queries.count = 50
    budget.on_test_batch_end(0)
    budget.on_test_end()
    assert budget.validation == 30 and not model.stop_training
    queries.count = 60  # 60, a step of 20 and a validation of 30
    budget.on_train_batch_end(1)
    assert model.stop_training and not model.stop_evaluating


def test_a_first_validation_is_cut_short_where_the_budget_ends():
    model, budget, queries = begun(100)
    budget.on_test_begin()
    queries.count = 60
    budget.on_test_batch_end(0)
    assert model.stop_evaluating and model.stop_training


def test_a_budget_that_is_spent_or_not_asked_of_is_a_value_error():
    model, budget, queries = begun(100)
    model.num_queries = 100
    with pytest.raises(ValueError, match="Received: max_queries=100"):
        budget.on_train_begin()
    queries.queried = queries.metrics = None
    with pytest.raises(ValueError, match="sends no queries"):
        budget.on_train_begin()
    with pytest.raises(ValueError, match="Received: "):
        QueryBudget(0)
