"""Answers in a file that is locked, full, damaged or shared."""

import contextlib
import sqlite3
import threading
import warnings

import numpy as np
import pytest

from keras_reprogram.black_box import answer_cache
from keras_reprogram.black_box.answer_cache import AnswerCache
from keras_reprogram.black_box.answer_cache import input_key

pytestmark = pytest.mark.numpy_alone
ROWS = np.arange(24, dtype="float32").reshape(6, 4)
ANSWERS = np.arange(18, dtype="float32").reshape(6, 3) + 1
KEYS = [input_key(row) for row in ROWS]


def cache_at(path):
    return AnswerCache(path, (4,), 3, "softmax")


def written(path):
    return len(cache_at(path).read(KEYS))


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(answer_cache, "LONGEST_WAIT", 0.05)
    return tmp_path / "answers"


@contextlib.contextmanager
def held(path):
    """Another process in the middle of writing."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_answers_wait_while_another_process_holds_the_file(path):
    cache = cache_at(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")  # Reading goes on.
        with pytest.warns(UserWarning, match="kept in memory.*Received: "):
            cache.write(KEYS[:2], ROWS[:2], ANSWERS[:2])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cache.write(KEYS[2:4], ROWS[2:4], ANSWERS[2:4])  # said once
        found = cache.read(KEYS)
        np.testing.assert_array_equal(
            [found[name] for name in KEYS[:4]], ANSWERS[:4]
        )
    assert written(path) == 0
    cache.write(KEYS[4:], ROWS[4:], ANSWERS[4:])
    assert written(path) == 6
    sample, answer = cache_at(path).probe
    np.testing.assert_array_equal(sample, ROWS[0])
    np.testing.assert_array_equal(answer, ANSWERS[0])


def test_a_file_that_is_held_for_long_is_a_value_error(path):
    cache = cache_at(path)
    with held(path), pytest.raises(ValueError, match="holds it.*Received: "):
        cache.read(KEYS)
    with held(path), pytest.raises(ValueError, match="Received: "):
        cache_at(path)


def test_answers_wait_for_a_disk_that_is_full(path):
    cache = cache_at(path)
    (pages,) = cache.connection.execute("PRAGMA page_count").fetchone()
    cache.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.warns(UserWarning, match="full"):
        for start in range(0, 3):
            rows = slice(2 * start, 2 * start + 2)
            cache.write(KEYS[rows], ROWS[rows], ANSWERS[rows])
    assert len(cache.read(KEYS)) == 6
    assert written(path) == 0
    cache.connection.execute("PRAGMA max_page_count = 1000")
    cache.write(KEYS[:1], ROWS[:1], ANSWERS[:1])
    assert written(path) == 6
    assert cache.unwritten == {}


def test_a_file_that_is_damaged_later_is_a_value_error(path):
    cache = cache_at(path)
    cache.write(KEYS, ROWS, ANSWERS)
    cache.connection.close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="Received: "):
        cache_at(path).read(KEYS)


def test_threads_write_and_read_at_once(path):
    cache, errors = cache_at(path), []
    rows = np.arange(400, dtype="float32").reshape(100, 4)
    names = [input_key(row) for row in rows]

    def work(offset):
        try:
            for index in range(offset, 100, 4):
                part = slice(index, index + 1)
                cache.write(names[part], rows[part], rows[part, :3])
                assert names[index] in cache.read(names[part])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(cache_at(path).read(names)) == 100
