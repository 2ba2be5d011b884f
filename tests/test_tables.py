import pytest

from keras_reprogram.tables import markdown_table

pytestmark = pytest.mark.numpy_alone


def test_numbers_are_aligned_to_the_right_and_words_to_the_left():
    table = markdown_table(
        [["name", "a", "bc"], ["n", "1", "1000"], ["", "chosen", ""]]
    )
    assert table.splitlines() == [
        "| name |    n |        |",
        "| :--- | ---: | :----- |",
        "| a    |    1 | chosen |",
        "| bc   | 1000 |        |",
    ]
