"""Addresses and secrets."""

import base64
import json
import re
import traceback

import numpy as np
import pytest
from loopback import answering
from loopback import output
from loopback import reply

pytest.importorskip("requests")

from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import InferenceError

pytestmark = pytest.mark.numpy_alone

INPUTS = np.zeros((1, 2))
GOOD = reply(output([0.5, 2]))
TOKEN = 'T0ken"<&%+/=\\secret'
PASSWORD = "p@ss/w0rd:é"
HEADER = "v4lue of a header"


def client(url, **kwargs):
    return InferenceClient(
        url, "m", **{"retries": 0, "timeout": 5.0, "pause": 0.0, **kwargs}
    )


def with_login(server):
    return server.url.replace("//", "//user:p%40ss%2Fw0rd%3A%C3%A9@")


def everything(error):
    """All that a traceback of an exception shows."""
    lines, seen = [], error
    while seen is not None:
        lines += [str(seen), repr(seen), *traceback.format_exception(seen)]
        lines += [repr(seen.__dict__), repr(seen.args)]
        seen = seen.__context__ or seen.__cause__
    return "\n".join(lines)


# === Messages ===


def echoing(request):
    """Replies with all that a server knows, in the ways of servers."""
    sent = request.headers
    login = sent["authorization"].partition(" ")[2]
    known = [*sent.values(), login]
    if sent["authorization"].startswith("Basic"):
        known.append(base64.b64decode(login).decode().partition(":")[2])
    return reply(json.dumps(known).encode() + repr(known).encode(), "401 No")


def redirecting(request):
    token = request.headers["authorization"].partition(" ")[2]
    return reply(
        b"", "307 No", Location=f"http://{token[:5]}.example/{token}?{token}"
    )


@pytest.mark.parametrize("login", ["token", "url", "headers"])
@pytest.mark.parametrize(
    "answer",
    [
        echoing,
        redirecting,
        b"",
        b"HTTP/1.1 ",
        lambda request: (
            b"HTTP/1.1 "
            + request.headers["authorization"].encode()
            + b"\r\n\r\n"
        ),
        lambda request: reply(request.headers["authorization"].encode()),
        lambda request: reply({"outputs": [request.headers["authorization"]]}),
        lambda request: reply(
            output([1.0], shape=request.headers["authorization"])
        ),
        lambda request: reply(
            output([1.0], name=request.headers["authorization"])
        ),
        [60.0],
    ],
)
def test_messages_hold_no_secret(answer, login):
    with answering(answer) as server:
        url, arguments = server.url, {"headers": {"X-Key": HEADER}}
        if login == "token":
            arguments["token"] = TOKEN
        elif login == "url":
            url = with_login(server)
        else:
            arguments["headers"] = {"authorization": TOKEN, "X-Key": HEADER}
        with pytest.raises(InferenceError) as error:
            client(url, timeout=0.3, output_name="y", **arguments)(INPUTS)
    text = everything(error.value)
    login = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    for secret in (TOKEN, PASSWORD, HEADER, login, "p%40ss", "T0ken"):
        if secret == "T0ken" and "T0ken.example" in text:
            continue
        assert secret not in text
    assert error.value.__context__ is None and error.value.__cause__ is None


LONG = "".join(f"{number:x}." for number in range(2000))


@pytest.mark.parametrize("token", [TOKEN * 20, LONG[:4000], LONG])
@pytest.mark.parametrize(
    "answer",
    [
        lambda token: reply(output(["x" * 170 + token], "BYTES")),
        lambda token: reply((token + " ").encode() * 300, "400 No"),
        lambda token: reply(token.encode() * 600, "400 No"),
        lambda token: reply({"x": "y" * 100 + token}, "400 No"),
        lambda token: reply(token.encode(), "400 No")[:-5],
        lambda token: reply(output([token], token)),
        lambda token: reply(
            b"", "307 No", Location="http://a/" + "x" * 170 + token
        ),
    ],
)
@pytest.mark.parametrize(
    "arguments",
    [{"class_names": ["a"]}, {"classification": 1}, {"reply_limit": 100_000}],
)
def test_messages_hold_no_part_of_a_secret(answer, token, arguments):
    with answering(answer(token)) as server:
        with pytest.raises((InferenceError, ValueError)) as error:
            client(server.url, token=token, **arguments)(INPUTS)
    text = str(error.value)
    parts = range(0, len(token) - 8)
    assert not any(token[start : start + 8] in text for start in parts)


def test_a_server_that_is_gone_leaks_nothing():
    gone = client("http://user:s3cret@127.0.0.1:1", token=None)
    with pytest.raises(InferenceError, match="does not answer") as error:
        gone(INPUTS)
    assert "s3cret" not in everything(error.value)
    assert "Authorization" not in everything(error.value)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:pr0xy@127.0.0.1:1",
        "http://user:pr0xy/x@127.0.0.1:1",
        "http://user:x/pr0xy@127.0.0.1:1",
        "http://user:pr0xy#x@127.0.0.1:1",
        "http://user:x#pr0xy@127.0.0.1:1",
        "http://user:pr0xy?@127.0.0.1:1",
        "http://user:pr0xy@x@127.0.0.1:1",
        "http://user:pr0xy",
        "user:pr0xy@127.0.0.1:1",
        "http:/user:pr0xy@127.0.0.1:1",
        "http://pr0xy@127.0.0.1:abc",
        "http://user:pr0xy@[bad:1",
    ],
)
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_password_of_a_proxy_is_not_shown(monkeypatch, name, proxy):
    for each in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, proxy)
    with pytest.raises(InferenceError) as error:
        client("http://a-server.example")(INPUTS)
    assert "pr0xy" not in everything(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"token": "s3cret\n"},
        {"token": " s3cret"},
        {"token": "s3c\r\nX: ret"},
        {"token": "s3cr\u20act"},
        {"token": "s3cr\xe9t"},
        {"token": ""},
        {"token": b"s3cret"},
        {"token": 5318008},
        {"headers": {"X-Key": "s3cret\n"}},
        {"headers": {"X-Key": "s3c\nret"}},
        {"headers": {"X-Key": "s3cr\x00t"}},
        {"headers": {"X-Key": b"s3cret"}},
        {"headers": {"X-Key": 5318008}},
        {"headers": {"X-Key": None}},
        {"headers": {"Bearer s3cret": "x"}},
        {"headers": {"": "s3cret"}},
        {"headers": {"Content-Length": "5318008"}},
        {"headers": {"transfer-encoding": "s3cret"}},
        {"headers": [("X-Key", "s3cret")]},
        {"headers": "s3cret"},
        {"url": "user:s3cret@localhost"},
        {"url": "ftp://user:s3cret@localhost"},
        {"url": "http://user:s3cret@"},
        {"url": "http://user:s3cret@localhost:port"},
        {"url": "http://user:s3cret@localhost:0"},
        {"url": "http://user:s3cret@local host"},
        {"url": "http://user:s3cret"},
        {"url": "http://user:s3cret/path"},
        {"url": "http:/user:s3cret"},
        {"url": "user:s3cret"},
        {"url": "//user:s3cret"},
        {"url": "http://[::1]:s3cret"},
        {"url": "http://user:s3cret@localhost\n"},
        {"url": "http://user:s3cret@[localhost"},
        {"url": "http://user:s3cret@localhost/?key=s3cret"},
        {"url": "http://localhost/?key=s3cret"},
        {"url": "http://localhost/#s3cret"},
        {"url": "http://user:s3c/ret@localhost"},
        {"url": "http://user:12/s3cret@localhost"},
        {"url": "http://user:s3cret#@localhost"},
        {"url": "http://user:?s3cret@localhost"},
    ],
)
def test_what_cannot_be_sent_is_a_value_error_without_it(arguments):
    given = {"url": "http://localhost", "model": "m", **arguments}
    with pytest.raises(ValueError, match="Received: ") as error:
        InferenceClient(**given)
    shown = str(error.value)
    assert not re.search("s3c|ret@|ret'|5318008|s3cr", shown)
    assert error.value.__cause__ is None
    assert "s3c" not in everything(error.value).partition("Error:")[2]


# === What is sent ===


def sent(url, **kwargs):
    return client(url, **kwargs)(INPUTS)


def test_a_login_in_the_address_is_sent():
    with answering(GOOD) as server:
        sent(with_login(server))
    login = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    for request in server.requests:
        assert request.headers["authorization"] == f"Basic {login}"
        assert request.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login netrc password netrc\n")
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"token": "abc"}, "Bearer abc"),
        ({"headers": {"Authorization": "Key abc"}}, "Key abc"),
        ({"headers": {"authorization": "Key abc"}}, "Key abc"),
        ({"token": "abc", "headers": {"authorization": "d"}}, "Bearer abc"),
        ({}, "Basic bmV0cmM6bmV0cmM="),
    ],
)
def test_a_netrc_file_replaces_nothing(netrc, arguments, expected):
    with answering(GOOD) as server:
        sent(server.url, **arguments)
    for request in server.requests:
        assert request.headers["authorization"] == expected


def test_a_login_in_the_address_is_not_replaced_by_a_netrc_file(netrc):
    with answering(GOOD) as server:
        sent(server.url.replace("//", "//a:b@"))
    assert server.requests[0].headers["authorization"] == "Basic YTpi"


def test_a_token_goes_before_a_login_in_the_address_with_a_warning():
    with answering(GOOD) as server:
        url = server.url.replace("//", "//a:b@")
        with pytest.warns(UserWarning, match="pass one of them") as warnings:
            sent(url, token="abc")
    assert warnings[0].filename == __file__
    assert server.requests[0].headers["authorization"] == "Bearer abc"


def test_headers_reach_a_server_behind_a_gateway():
    with answering(GOOD) as server:
        headers = {"Host": "m.example.com", "content-type": "text/plain"}
        sent(server.url, headers=headers)
    for request in server.requests:
        assert request.headers["host"] == "m.example.com"
    assert server.requests[-1].headers["content-type"] == "application/json"


def test_names_are_quoted():
    with answering(GOOD) as server:
        asking = InferenceClient(
            server.url + "/base/", "a/../b?c#d %2Fé\n", version="1/2"
        )
        asking(INPUTS)
    path = "/base/v2/models/a%2F..%2Fb%3Fc%23d%20%252F%C3%A9%0A/versions/1%2F2"
    paths = [each.path for each in server.requests]
    assert paths == [path, "/base/v2", f"{path}/infer"]


@pytest.mark.parametrize("name", ["", ".", ".."])
@pytest.mark.parametrize("argument", ["model", "version"])
def test_names_that_lead_elsewhere_are_refused(argument, name):
    given = {"url": "http://localhost", "model": "m", argument: name}
    with pytest.raises(ValueError, match=argument):
        InferenceClient(**given)
