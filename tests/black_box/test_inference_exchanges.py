"""Exchanges with real servers, which were recorded and are replayed.

They are of Triton 2.51 (of nvidia-pytriton 0.7.0), MLServer 1.7.1 with models
of scikit-learn and of NumPy, and KServe 0.21.0. The replaying server knows the
requests that were recorded and no others.
"""

import base64
import json
import pathlib

import keras
import numpy as np
import pytest
from loopback import Loopback

pytest.importorskip("requests")

from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import probabilities_from_top_k

pytestmark = pytest.mark.numpy_alone

FOLDER = pathlib.Path(__file__).parent.parent / "data" / "inference"
NAMES = ["cat", "dog", "élan"]
ROWS = np.array([[1, 2, 3, 4], [0.5, -1, 0, 2]], "float32")
BITS = np.array([[0, 1, 1], [1, 0, 1]])


def softmax(x):
    weights = np.linspace(-1, 1, 20, dtype="float32").reshape(4, 5)
    powers = np.exp(x @ weights)
    return powers / powers.sum(axis=1, keepdims=True)


def limits(dtype):
    info = np.iinfo(dtype)
    return np.array([[info.min, info.max, 1]], dtype)


# What is asked, and what is answered: (server, model, arguments, inputs,
# expected outputs).
CASES = [
    ("triton", "linear", {}, ROWS, softmax(ROWS)),
    ("triton", "linear", {"binary": False}, ROWS, softmax(ROWS)),
    ("triton", "linear", {"output_name": "scores"}, ROWS, softmax(ROWS)),
    ("triton", "linear", {"version": "1"}, ROWS, softmax(ROWS)),
    ("triton", "several", {}, ROWS, ROWS.astype(int) * 2),
    ("triton", "several", {"output_name": "second"}, ROWS, ROWS + 0.5),
    ("triton", "echo_float16", {}, ROWS, ROWS.astype("float16")),
    ("triton", "echo_float64", {}, ROWS + 0.1, ROWS + 0.1),
    ("triton", "echo_bool", {}, BITS, BITS.astype(bool)),
    ("triton", "bf", {}, [[0.1, 255, -1e30]], [[0.1000976562, 255, -1e30]]),
    *(
        ("triton", f"echo_{dtype}", {}, limits(dtype), limits(dtype))
        for dtype in (
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
        )
    ),
    ("triton", "labels", {"class_names": NAMES}, ROWS[:, :3], [[2], [0]]),
    (
        "triton",
        "labels",
        {"class_names": NAMES, "binary": False},
        ROWS[:, :3],
        [[2], [0]],
    ),
    ("mlserver", "sk", {"input_name": "x"}, ROWS, [[1], [2]]),
    (
        "mlserver",
        "sk",
        {"input_name": "x", "output_name": "predict_proba"},
        ROWS,
        [[0.0859, 0.8589, 0.0552], [0.2358, 0.3489, 0.4153]],
    ),
    (
        "mlserver",
        "np",
        {"input_name": "x", "output_name": "half"},
        ROWS,
        ROWS.astype("float16"),
    ),
    (
        "mlserver",
        "np",
        {"input_name": "x", "output_name": "flags"},
        ROWS,
        ROWS > 0,
    ),
    (
        "mlserver",
        "np",
        {"input_name": "x", "output_name": "small"},
        ROWS,
        ROWS.astype("int8"),
    ),
    (
        "mlserver",
        "np",
        {"input_name": "x", "output_name": "names", "class_names": NAMES},
        ROWS[:, :3],
        [[2], [0]],
    ),
    ("kserve", "echo", {"output_name": "scores"}, ROWS, ROWS),
    (
        "kserve",
        "echo",
        {"output_name": "scores", "binary": True},
        ROWS,
        ROWS,
    ),
    (
        "kserve",
        "echo",
        {"output_name": "names", "class_names": NAMES, "binary": True},
        ROWS[:, :3],
        [2, 0],
    ),
]
SCORED = np.array([[1, 2, 5], [30, 20, 10]], "uint8")


@pytest.fixture
def replaying():
    """Makes the address of a server that replays a recording."""
    running = []

    def start(server):
        exchanges = json.loads((FOLDER / f"{server}.json").read_text())
        known = {
            (each["method"], each["path"], each["request"]): each
            for each in exchanges
        }

        def answer(request):
            body = base64.b64encode(request.body).decode()
            found = known[request.method, request.path, body]
            for name, value in found["request_headers"].items():
                assert request.headers[name] == value
            head = [
                f"HTTP/1.1 {found['status']} OK",
                "Connection: close",
                *found["headers"],
            ]
            content = base64.b64decode(found["reply"])
            if "transfer-encoding: chunked" in found["headers"]:
                size = f"{len(content):x}\r\n".encode()
                content = size + content + b"\r\n0\r\n\r\n"
            return "\r\n".join([*head, "", ""]).encode() + content

        running.append(Loopback(answer))
        return running[-1].url

    yield start
    for server in running:
        server.__exit__()


@pytest.mark.parametrize(
    ("server", "model", "arguments", "inputs", "expected"),
    CASES,
    ids=[f"{case[0]}-{case[1]}-{number}" for number, case in enumerate(CASES)],
)
def test_real_servers_are_understood(
    replaying, server, model, arguments, inputs, expected
):
    client = InferenceClient(replaying(server), model, retries=0, **arguments)
    answer = client(inputs)
    expected = np.asarray(expected)
    assert answer.dtype.kind == expected.dtype.kind
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(answer, expected, rtol=1e-3)
    else:
        np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize("binary", [True, False])
def test_a_classification_of_triton_is_a_queried_source(replaying, binary):
    client = InferenceClient(
        replaying("triton"), "sorted", classification=2, binary=binary
    )
    labels, scores = client(SCORED)
    np.testing.assert_array_equal(labels, [[2, 1], [0, 1]])
    np.testing.assert_allclose(scores, [[5 / 8, 2 / 8], [1 / 2, 1 / 3]], 1e-5)
    source = QueriedSource(probabilities_from_top_k(client, 3), (3,), 3)
    answers = keras.ops.convert_to_numpy(source(SCORED.astype("float32")))
    expected = SCORED / SCORED.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
