"""Threads of calls: order, failures, interrupts, and what is left of them."""

import gc
import json
import os
import signal
import threading
import time
import weakref

import numpy as np
import pytest
from loopback import answering
from loopback import output
from loopback import reply

pytest.importorskip("requests")

from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import InferenceError
from keras_reprogram.black_box.inference_threads import Clock
from keras_reprogram.black_box.inference_threads import Stopped
from keras_reprogram.black_box.inference_threads import map_in_threads

pytestmark = pytest.mark.numpy_alone


def client(server, **kwargs):
    settings = {"retries": 0, "timeout": 20.0, "pause": 0.0, **kwargs}
    return InferenceClient(server.url, "m", **settings)


def doubled(request):
    tensor = json.loads(request.body)["inputs"][0]
    data = [2 * value for value in tensor["data"]]
    return reply(output(data, shape=tensor["shape"]))


def test_results_are_in_order():
    def late(item):
        time.sleep(0.02 * (item == 0))
        return item

    assert map_in_threads(late, range(9), 3, Clock(5.0)) == [*range(9)]
    assert map_in_threads(late, [], 3, Clock(5.0)) == []


def test_an_exception_ends_the_others():
    begun, clock = [], Clock(20.0)

    def failing(item):
        begun.append(item)
        if item == 0:
            raise KeyError(item)
        clock.pause(20.0)

    start = time.perf_counter()
    assert isinstance(map_in_threads(failing, range(9), 3, clock), KeyError)
    assert time.perf_counter() - start < 1.0
    assert len(begun) <= 3


def test_the_time_of_a_call_is_limited():
    found = map_in_threads(lambda item: time.sleep(1.0), [0], 1, Clock(0.05))
    assert isinstance(found, Stopped)


def test_a_piece_that_fails_ends_the_call():
    def post(request):
        value = json.loads(request.body)["inputs"][0]["data"][0]
        return reply({}, "400 No") if value == 0 else [20.0, doubled(request)]

    with answering(post) as server:
        asking = client(server, batch_size=1, concurrency=2)
        start = time.perf_counter()
        with pytest.raises(InferenceError, match="status 400"):
            asking(np.arange(9.0)[:, None])
        assert time.perf_counter() - start < 2.0
        assert len(server.requests) <= 4
        asking.batch_size = 9
        # The client goes on while the other request is still waiting.
        with pytest.raises(InferenceError, match="status 400"):
            asking(np.arange(9.0)[:, None])


@pytest.fixture
def interruptible():
    """Python's own handler: a process in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_a_call_at_once(interruptible):
    others = set(threading.enumerate())
    with answering([20.0]) as server:
        asking = client(server, batch_size=1)
        interrupt = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        interrupt.daemon = True
        interrupt.start()
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            asking(np.zeros((9, 2)))
        assert time.perf_counter() - start < 10.0
    # The end of the program does not wait for them either.
    assert all(one.daemon for one in set(threading.enumerate()) - others)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_a_client(fails):
    post = reply({}, "400 No") if fails else doubled
    with answering(post) as server:
        before = threading.active_count()
        asking = client(server, batch_size=1)
        gc.disable()
        try:
            asking(np.zeros((9, 2)))
        except InferenceError:
            assert fails
        finally:
            left = weakref.ref(asking)
            del asking
            end = time.perf_counter() + 5.0
            while time.perf_counter() < end and (
                left() is not None or threading.active_count() > before + 1
            ):
                time.sleep(0.01)
            gc.enable()
        assert left() is None
        assert threading.active_count() <= before + 1


def test_threads_may_share_a_client():
    lock, under_way, most = threading.Lock(), [0], [0]

    def post(request):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.01)
        with lock:
            under_way[0] -= 1
        return doubled(request)

    wrong = []

    def ask(seed):
        generator = np.random.default_rng(seed)
        for _ in range(3):
            size = int(generator.integers(1, 9)), 2
            inputs = generator.normal(size=size).astype("float32")
            if not np.array_equal(asking(inputs), 2 * inputs):
                wrong.append(seed)

    with answering(post) as server:
        asking = client(server, batch_size=2, concurrency=3, retries=3)
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert 2 <= most[0] <= 3
