"""Replies that end early, redirect, are too large, or make no sense."""

import gzip
import json
import time

import numpy as np
import pytest
from loopback import Loopback
from loopback import answering
from loopback import output
from loopback import reply

pytest.importorskip("requests")

from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import InferenceError
from keras_reprogram.black_box import inference_transport
from keras_reprogram.black_box.inference_transport import retry_after_seconds

pytestmark = pytest.mark.numpy_alone

INPUTS = np.zeros((1, 2))
GOOD = reply(output([0.5, 2]))
HALF = GOOD[:-5]


def client(server, **kwargs):
    settings = {"retries": 1, "timeout": 5.0, "pause": 0.0, "token": "t0ken"}
    return InferenceClient(server.url, "m", **{**settings, **kwargs})


def in_turn(*replies):
    left = list(replies)
    return lambda request: left.pop(0)


def posts(server):
    return [each for each in server.requests if each.method == "POST"]


# === Replies that end early ===


def chunked(*parts, end=True):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for part in parts:
        head += f"{len(part):x}\r\n".encode() + part + b"\r\n"
    return head + b"0\r\n\r\n" * end


JSON = json.dumps(output([0.5, 2])).encode()
ZIPPED = gzip.compress(JSON, mtime=0)
HEADER = output([0.5, 2])
HEADER["outputs"][0]["parameters"] = {"binary_data_size": 8}
HEADER = json.dumps(HEADER).encode()
BINARY = HEADER + np.array([0.5, 2], "<f4").tobytes()
SIZES = {"Inference_Header_Content_Length": len(HEADER)}


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"HTT",
        b"HTTP/1.1 200 OK\r\nConte",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1",
        HALF,
        [HALF, 1.0],
        [b"HTTP/1.1 200 OK\r\n", 1.0],
        chunked(JSON[:20], end=False),
        chunked(JSON[:20], end=False)[:-7],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{",
        *[reply(output([0.5, 2]), length=False)[:-n] for n in (1, 2, 5, 90)],
        b"HTTP/1.1 200 OK\r\nContent-Length:",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
        reply(ZIPPED, length=False, Content_Encoding="gzip")[:-20],
        *[reply(BINARY, length=False, **SIZES)[:-n] for n in (1, 9, 40)],
        b"garbage\r\n\r\n",
        [reply(b"{", "503 Busy", Content_Encoding="gzip")],
    ],
)
def test_a_reply_that_ends_early_is_asked_for_again(first):
    with answering(in_turn(first, GOOD)) as server:
        answer = client(server, timeout=0.3)(INPUTS)
        np.testing.assert_array_equal(answer, [[0.5, 2]])
        assert len(posts(server)) == 2
        bodies = {each.body for each in posts(server)}
        assert len(bodies) == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_a_reply_that_always_ends_early_is_an_error(retries):
    with answering(HALF) as server:
        with pytest.raises(InferenceError, match="does not answer"):
            client(server, retries=retries)(INPUTS)
        assert len(posts(server)) == retries + 1


def test_metadata_that_end_early_are_asked_for_again():
    metadata = reply({"inputs": [{"name": "x", "datatype": "INT8"}]})
    answers = in_turn(metadata[:-3], metadata, reply({}), GOOD)
    with Loopback(answers) as server:
        client(server)(INPUTS)
        assert json.loads(server.requests[-1].body)["inputs"][0][
            "datatype"
        ] == ("INT8")


@pytest.mark.parametrize(
    "content",
    [
        chunked(JSON),
        chunked(JSON[:9], JSON[9:]),
        reply(JSON + b"\r\n", length=False),
        reply(ZIPPED, length=False, Content_Encoding="gzip"),
        reply(BINARY, length=False, **SIZES),
        reply(BINARY, **SIZES),
    ],
)
def test_a_reply_is_read_however_its_end_is_told(content):
    with answering(content) as server:
        np.testing.assert_array_equal(client(server)(INPUTS), [[0.5, 2]])


def test_pauses_double_up_to_the_longest(monkeypatch):
    pauses = []
    monkeypatch.setattr(
        inference_transport.Clock,
        "pause",
        lambda clock, seconds: pauses.append(seconds),
    )
    with answering(reply({}, "503 Busy")) as server:
        with pytest.raises(InferenceError, match="status 503"):
            client(server, retries=6, pause=5.0)(INPUTS)
    assert pauses == [0, 5, 10, 20, 40, 60]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        (" 7 ", 7),
        ("3600", 60),
        ("9" * 5000, 60),
        ("-1", None),
        ("1e3", None),
        ("0x10", None),
        ("²", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2999 07:28:00 GMT", 60),
        ("Wed, 99 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 -" + "9" * 50, None),
    ],
)
def test_a_pause_that_is_asked_for_is_at_most_the_longest(text, seconds):
    assert retry_after_seconds(text) == seconds


# === Redirects ===


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_server_gets_nothing(status, method):
    with answering(GOOD) as other:
        target = f"http://user:pass@127.0.0.1:{other.port}/x?key=s3cret#s3cret"
        moved = reply(b"", f"{status} Moved", Location=target)
        metadata, post = (moved, GOOD) if method == "GET" else (None, moved)
        known = {} if metadata is None else {"metadata": metadata}
        with answering(post, **known) as server:
            with pytest.raises(InferenceError) as error:
                client(server)(INPUTS)
    assert not other.requests
    assert f"http://127.0.0.1:{other.port}/x'" in str(error.value)
    assert "pass" not in str(error.value).replace("pass its", "")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "location",
    [
        None,
        "",
        "//[",
        "http://a:b/",
        "http://127.0.0.1:99999999/",
        "https://127.0.0.1/",
        "ftp://127.0.0.1/",
        "javascript:alert(1)",
        "//localhost/",
    ],
)
def test_a_redirect_that_leads_nowhere_is_an_error(location):
    known = {} if location is None else {"Location": location}
    with answering(reply(b"", "307 Moved", **known)) as server:
        with pytest.raises(InferenceError, match="redirects"):
            client(server)(INPUTS)
        assert len(posts(server)) == 1


@pytest.mark.parametrize(
    ("url", "location", "same"),
    [
        ("https://a/x", "http://a/x", False),
        ("http://a/x", "https://a/x", False),
        ("https://a:443/x", "http://a:443/x", False),
        ("https://a/x", "https://b/x", False),
        ("https://a/x", "https://a.b/x", False),
        ("https://a/x", "https://a:444/x", False),
        ("https://a/x", "https://b@c/x", False),
        ("https://a/x", "//b/x", False),
        ("https://a/x", "https://a:443/y", True),
        ("https://a/x", "https://b@A/y", True),
        ("https://a/x", "//a/y", True),
        ("https://a/x", "y", True),
        ("https://a/x", "/y", True),
    ],
)
def test_a_server_is_a_scheme_a_host_and_a_port(url, location, same):
    transport = InferenceClient("http://a", "m").transport
    moved = inference_transport.Reply(307, {"Location": location}, b"")
    if same:
        target = transport.redirect_url("POST", url, moved)
        assert target.endswith("/y") and "b@" not in target
    else:
        with pytest.raises(InferenceError, match="to another one"):
            transport.redirect_url("POST", url, moved)


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_on_the_same_server_keeps_the_inputs(status):
    def post(request):
        if request.path == "/moved?a=b":
            return GOOD
        where = f"http://127.0.0.1:{server.port}/moved?a=b#c"
        return reply(b"", f"{status} Moved", Location=where)

    with answering(post) as server:
        np.testing.assert_array_equal(client(server)(INPUTS), [[0.5, 2]])
        first, second = posts(server)
    assert first.body == second.body
    assert second.headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_drops_the_inputs_is_an_error(status):
    moved = reply(b"", f"{status} Moved", Location="/moved")
    with answering(moved) as server:
        with pytest.raises(InferenceError, match="drops the inputs"):
            client(server)(INPUTS)


def test_redirects_in_a_circle_end():
    with answering(reply(b"", "307 Moved", Location="/v2")) as server:
        with pytest.raises(InferenceError, match="redirect 5 times at most"):
            client(server)(INPUTS)
        assert len(posts(server)) == 6


def test_the_body_of_a_redirect_is_limited():
    moved = reply(b" " * 10**7, "307 Moved", Location="http://127.0.0.1:1/")
    with answering(moved) as server:
        with pytest.raises(InferenceError, match="redirects"):
            client(server, reply_limit=1000)(INPUTS)


# === Limits ===


@pytest.mark.parametrize(
    "content",
    [
        reply(b" " * 100_000),
        reply(gzip.compress(b" " * 10**7, mtime=0), Content_Encoding="gzip"),
        chunked(*[b" " * 1000] * 100),
    ],
)
def test_a_reply_over_the_limit_is_an_error(content):
    with answering(content) as server:
        with pytest.raises(InferenceError, match="reply_limit"):
            client(server, reply_limit=50_000)(INPUTS)
        assert len(posts(server)) == 1


def test_a_reply_of_the_limit_is_read():
    with answering(reply(JSON + b" " * (1000 - len(JSON)))) as server:
        client(server, reply_limit=1000)(INPUTS)
        with pytest.raises(InferenceError, match="at most 999 bytes"):
            client(server, reply_limit=999)(INPUTS)


@pytest.mark.parametrize(
    "slow",
    [
        [GOOD[:-9], *[0.05, b" "] * 1000],
        [b"HTTP/1.1 200 OK\r\nA: ", *[0.05, b"a"] * 1000],
        [0.05, *[b"HTTP/1.1 100 Continue\r\n\r\n", 0.05] * 1000],
        reply({}, "503 Busy", Retry_After="60"),
        [60.0],
    ],
)
def test_a_call_ends_when_its_time_is_over(slow):
    with answering(slow) as server:
        start = time.perf_counter()
        with pytest.raises(InferenceError, match="within 0.4 seconds"):
            client(server, time_limit=0.4, retries=100)(INPUTS)
        assert time.perf_counter() - start < 2.0


# === What makes no sense ===


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
        reply(JSON, Content_Encoding="gzip"),
        reply(JSON, Content_Encoding="gzip, " * 100 + "gzip"),
        reply(b"", "204 No"),
        reply(b"", "304 No"),
        reply(JSON, "600 No"),
        reply(JSON, Content_Type="text/html; charset=utf-99")[:-1] + b"\xff",
        reply(JSON, length=False, Content_Length="1, 2"),
        reply(JSON, length=False, Content_Length="9" * 5000)[:-1],
        reply({}, "429 Busy", Retry_After="0"),
    ],
)
def test_a_reply_that_makes_no_sense_is_an_inference_error(content):
    with answering(content) as server:
        with pytest.raises(InferenceError) as error:
            client(server)(INPUTS)
    assert len(str(error.value)) < 1200


@pytest.mark.parametrize("encoding", ["identity", "unknown", ""])
def test_encodings_that_change_nothing_are_read(encoding):
    with answering(reply(JSON, Content_Encoding=encoding)) as server:
        np.testing.assert_array_equal(client(server)(INPUTS), [[0.5, 2]])
