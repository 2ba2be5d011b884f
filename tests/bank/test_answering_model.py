import numpy as np
import pytest
from banks import assert_answers
from banks import bank_of
from banks import mixed


@pytest.mark.parametrize("batch_size", [4, 27, 100])
def test_each_row_is_answered_by_its_own_program(
    twelve_classes, tasks, batch_size
):
    bank = bank_of(twelve_classes, tasks)
    assert_answers(bank, *mixed(tasks), batch_size=batch_size)


def test_answers_are_those_of_the_program_s_own_model(twelve_classes, tasks):
    bank = bank_of(twelve_classes, tasks)
    samples, names, wanted = mixed(tasks)
    answers = bank.answer(samples, names)
    scale = max(float(np.abs(each).max()) for each in wanted)
    for answer, expected in zip(answers, wanted):
        np.testing.assert_allclose(answer, expected, atol=1e-5 * scale)
