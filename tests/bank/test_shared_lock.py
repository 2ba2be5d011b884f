import threading
import time

import pytest
from threads import SECONDS
from threads import in_threads

from keras_reprogram.bank.shared_lock import SharedLock


@pytest.mark.numpy_alone
def test_many_share_and_one_is_alone():
    lock, inside, most = SharedLock(), [], []
    barrier = threading.Barrier(2, timeout=SECONDS)

    def share():
        with lock.shared():
            barrier.wait()
            with lock.shared():
                inside.append("shared")
            barrier.wait()
            assert "alone" not in inside

    def alone():
        with lock.alone(), lock.alone(), lock.shared():
            inside.append("alone")
            most.append(inside.count("alone"))
            time.sleep(0.001)
            inside.remove("alone")

    in_threads(share, share)
    in_threads(*[alone] * 4)
    assert most == [1] * 4


@pytest.mark.numpy_alone
def test_two_that_wait_for_each_other_are_told():
    lock, told = SharedLock(), []
    barrier = threading.Barrier(2, timeout=SECONDS)

    def change():
        with lock.shared():
            barrier.wait()
            try:
                with lock.alone():
                    told.append(False)
            except ValueError:
                told.append(True)

    in_threads(change, change)
    assert sorted(told) == [False, True]
    with lock.alone():
        pass


@pytest.mark.numpy_alone
def test_who_waits_to_be_alone_comes_before_who_comes_later():
    lock, order = SharedLock(), []
    first = threading.Event()

    def reader():
        with lock.shared():
            first.set()
            while not lock.waiting:
                time.sleep(0.001)
            time.sleep(0.02)
            order.append("reader")

    def writer():
        first.wait(SECONDS)
        with lock.alone():
            order.append("writer")

    def later():
        first.wait(SECONDS)
        while not lock.waiting:
            time.sleep(0.001)
        with lock.shared():
            order.append("later")

    in_threads(reader, writer, later)
    assert order == ["reader", "writer", "later"]
