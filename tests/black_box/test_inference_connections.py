"""Replies without an end, and connections after the end of a call."""

import json
import logging
import threading
import time

import numpy as np
import pytest
from loopback import answering
from loopback import output
from loopback import reply

requests = pytest.importorskip("requests")

from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import InferenceError
from keras_reprogram.black_box.inference_connections import WatchedConnection
from keras_reprogram.black_box.inference_connections import WatchingAdapter

pytestmark = pytest.mark.numpy_alone

INPUTS = np.zeros((1, 2))
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWER = json.dumps(output([0.5, 2])).encode() + b" " * 3000
ONES = b"1" * 2**16


class Endless:
    """Sends the same bytes until the client closes the connection."""

    def __init__(self, first, again, pause=0, most=2**33):
        self.first, self.again = first, again
        self.pause, self.most = pause, most
        self.sent, self.closed = 0, threading.Event()

    def __call__(self, request):
        try:
            yield self.first
            while self.sent < self.most:
                yield self.again
                yield self.pause
                self.sent += len(self.again)
        finally:
            self.closed.set()


@pytest.mark.parametrize(
    "first",
    [
        HEAD + b"-1\r\n",
        HEAD + b"-ff\r\n",
        HEAD,
        HEAD + b"5;",
        HEAD + b"0\r\na: ",
        b"HTTP/1.1 200 OK\r\na: ",
        b"HTTP/1.1 200 ",
        HEAD + b"ffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_a_part_without_an_end_is_not_read_to_its_end(first):
    endless = Endless(first, ONES)
    with answering(endless) as server:
        asking = InferenceClient(
            server.url, "m", retries=0, time_limit=5.0, reply_limit=2**20
        )
        with pytest.raises(InferenceError) as error:
            asking(INPUTS)
        assert "within 5 seconds" not in str(error.value)
        assert endless.closed.wait(2.0)
    assert endless.sent < 2**25


TRAILER = b"a: b\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "again"), [(HEAD + b"0\r\n", TRAILER), (b"", INTERIM)]
)
def test_lines_without_an_end_are_not_read_to_their_end(first, again):
    endless = Endless(first, again * 1000)
    with answering(endless) as server:
        asking = InferenceClient(server.url, "m", retries=0, time_limit=5.0)
        with pytest.raises(InferenceError, match="more than 1000 lines"):
            asking(INPUTS)
        assert endless.closed.wait(2.0)


def test_many_chunks_are_read():
    data = [b"1\r\n" + bytes([each]) + b"\r\n" for each in ANSWER]
    with answering(HEAD + b"".join(data) + b"0\r\n\r\n") as server:
        InferenceClient(server.url, "m", retries=0)(INPUTS)


@pytest.mark.parametrize(
    ("first", "again"), [(HEAD + b"0\r\n", TRAILER), (b"", INTERIM)]
)
def test_connections_are_closed_at_the_end_of_a_call(first, again):
    endless = Endless(first, again, pause=0.01)
    with answering(endless) as server:
        asking = InferenceClient(server.url, "m", retries=0, time_limit=0.3)
        with pytest.raises(InferenceError, match="within 0.3 seconds"):
            asking(INPUTS)
        assert endless.closed.wait(2.0)


def test_calls_at_the_same_time_keep_their_connections():
    def post(request):
        if b"7.0" in request.body:
            return reply({}, "400 No")
        return [0.5, reply(output([0.5, 2]))]

    with answering(post) as server:
        asking = InferenceClient(server.url, "m", retries=0)
        asking(INPUTS)
        found = []
        thread = threading.Thread(target=lambda: found.append(asking(INPUTS)))
        thread.start()
        time.sleep(0.2)
        with pytest.raises(InferenceError, match="status 400"):
            asking(INPUTS + 7)
        thread.join()
    np.testing.assert_array_equal(found, [[[0.5, 2]]])


@pytest.mark.parametrize(
    "proxies", [{}, {"http": "http://a", "https": "http://b"}]
)
@pytest.mark.parametrize("url", ["http://c", "https://c"])
def test_all_connections_are_watched(url, proxies):
    adapter = WatchingAdapter()
    for _ in range(2):
        request = requests.Request("GET", url).prepare()
        pool = adapter.get_connection_with_tls_context(
            request, True, proxies=proxies
        )
        assert issubclass(pool.ConnectionCls, WatchedConnection)


def test_lines_that_are_no_headers_are_not_logged(caplog):
    post = reply(output([0.5, 2]), **{"A": "b\r\nt0ken"})
    with answering(post) as server, caplog.at_level(logging.DEBUG):
        InferenceClient(server.url, "m", token="t0ken", retries=0)(INPUTS)
    assert "t0ken" not in caplog.text
