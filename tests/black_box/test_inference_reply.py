"""Numbers, strings and shapes that are sent and received."""

import gzip
import json
import struct

import ml_dtypes
import numpy as np
import pytest
from loopback import METADATA
from loopback import answering
from loopback import output
from loopback import reply

pytest.importorskip("requests")

from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import InferenceError
from keras_reprogram.black_box.inference_datatypes import DTYPES
from keras_reprogram.black_box.inference_reply import read_array
from keras_reprogram.black_box.inference_reply import read_output
from keras_reprogram.black_box.inference_request import encode_request
from keras_reprogram.black_box.inference_request import to_datatype
from keras_reprogram.black_box.inference_transport import Reply

pytestmark = pytest.mark.numpy_alone

EXTENDED = {"extensions": ["binary_tensor_data"]}


def received(data, datatype="FP32", shape=None, **kwargs):
    """What a client returns for a server's reply with one output."""
    content = json.dumps(output(data, datatype, shape)).encode()
    return read_output(Reply(200, {}, content), kwargs.get("output_name"))


def asked(post, inputs, metadata=METADATA, server=None, **kwargs):
    with answering(post, metadata, server) as loopback:
        settings = {"retries": 0, "timeout": 5.0, **kwargs}
        client = InferenceClient(loopback.url, "m", **settings)
        return client(inputs), loopback.requests


def with_input(datatype):
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": [-1, 2]}]}


def binary(array, datatype, shape=None, size=None, data=None):
    """The reply with one output, in bytes."""
    data = array.tobytes() if data is None else data
    header = json.dumps(
        {
            "outputs": [
                {
                    "name": "y",
                    "datatype": datatype,
                    "shape": list(array.shape) if shape is None else shape,
                    "parameters": {
                        "binary_data_size": len(data) if size is None else size
                    },
                }
            ]
        }
    ).encode()
    headers = {"Inference-Header-Content-Length": str(len(header))}
    return Reply(200, headers, header + data)


# === Replies in JSON ===


@pytest.mark.parametrize("data", [[0.5, np.nan], [0.5, np.inf], [0.5, 1e39]])
def test_replies_that_are_not_finite_are_refused(data):
    with pytest.raises(InferenceError, match="1 of 2 that are not"):
        asked(reply(output(data)), np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", [0.5, None]),
        ("FP32", ["0.5", "1"]),
        ("FP32", [True, False]),
        ("FP32", [0.5, True]),
        ("FP32", [[0.5], [1, 2]]),
        ("FP32", {"0": 1}),
        ("FP32", None),
        ("FP64", [1, 10**400]),
        ("INT32", [1, 2.5]),
        ("INT32", [1, 2**31]),
        ("INT32", [1, 2**40]),
        ("INT32", [1, 3e9]),
        ("INT64", [1, 2**63]),
        ("INT64", [1, float("nan")]),
        ("INT64", [1, float("inf")]),
        ("INT8", [1, 128]),
        ("INT16", [1, -(2**15) - 1]),
        ("UINT8", [1, 256]),
        ("UINT16", [1, -1]),
        ("UINT32", [1, 2**32]),
        ("UINT64", [1, 2**64]),
        ("UINT64", [True, 1]),
        ("BOOL", [0, 1]),
        ("BOOL", ["true", True]),
        ("BYTES", ["cat", 1]),
        ("BYTES", [None, "cat"]),
        ("FP8", [0.5, 0.5]),
        (None, [0.5, 0.5]),
        (["FP32"], [0.5, 0.5]),
    ],
)
def test_values_that_are_none_of_the_data_type_are_refused(datatype, data):
    with pytest.raises(InferenceError, match="Received: "):
        received(data, datatype, [1, 2])


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("INT32", [1.0, -(2.0**31)]),
        ("INT64", [2**53 + 1, -(2**63)]),
        ("INT8", [127, -128]),
        ("INT16", [2**15 - 1, -(2**15)]),
        ("UINT8", [255, 0]),
        ("UINT16", [2**16 - 1, 0]),
        ("UINT32", [2**32 - 1, 0]),
        ("UINT64", [2**64 - 1, 0]),
        ("FP16", [1, 0.5]),
        ("FP64", [1e300, 0]),
        ("BOOL", [True, False]),
    ],
)
def test_numbers_of_the_data_type_are_returned_exactly(datatype, data):
    answer = received(data, datatype)
    assert answer.dtype == DTYPES[datatype]
    assert [
        int(a) if d == int(d) else a for a, d in zip(answer[0], data)
    ] == data


def test_data_may_be_nested():
    answer = received([[1, 2], [3, 4]], "INT32", [2, 2])
    np.testing.assert_array_equal(answer, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "shape",
    [
        [1, 3],
        [3],
        [-1, -2],
        [1, 2.0],
        [True, 2],
        ["1", "2"],
        [1, 2**70],
        [10**200] * 30,
        [1] * 1000,
        None,
        {},
        "12",
    ],
)
def test_shapes_that_do_not_fit_the_data_are_refused(shape):
    each = {"datatype": "FP32", "shape": shape, "data": [0.5, 1.0]}
    content = json.dumps({"outputs": [each]}).encode()
    with pytest.raises(InferenceError, match="shape"):
        read_output(Reply(200, {}, content), None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>busy</html>",
        b"null",
        b"[]",
        b"7",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"outputs": ' + b"[" * 100_000,
        b'{"outputs": [{"shape": [' + b"9" * 5000 + b"]}]}",
        b"{}",
        b'{"outputs": null}',
        b'{"outputs": {"y": 1}}',
        b'{"outputs": [1, null]}',
        b'{"outputs": []}',
    ],
)
def test_replies_without_outputs_are_refused(content):
    with pytest.raises(InferenceError, match="not JSON|no array"):
        read_output(Reply(200, {}, content), None)


# === Replies in bytes ===


@pytest.mark.parametrize("datatype", [*DTYPES])
def test_bytes_are_read_in_every_type(datatype):
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(DTYPES[datatype])
    answer = read_output(binary(values, datatype), None)
    assert answer.dtype == ("float32" if datatype == "BF16" else values.dtype)
    np.testing.assert_array_equal(answer, values.astype(answer.dtype))


def test_bytes_are_read_of_the_named_output():
    first, second = np.arange(3, dtype="<i8"), np.array([0.5], "<f4")
    outputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": list(array.shape),
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, datatype, array in (
            ("a", "INT64", first),
            ("b", "FP32", second),
        )
    ]
    outputs.insert(
        1, {"name": "c", "datatype": "INT8", "shape": [1], "data": [7]}
    )
    header = json.dumps({"outputs": outputs}).encode()
    found = Reply(
        200,
        {"Inference-Header-Content-Length": str(len(header))},
        header + first.tobytes() + second.tobytes(),
    )
    for name, expected in (("a", first), ("b", second), ("c", [7])):
        np.testing.assert_array_equal(read_output(found, name), expected)
    np.testing.assert_array_equal(read_output(found, None), first)
    with pytest.raises(InferenceError, match=r"\['a', 'c', 'b'\]"):
        read_output(found, "d")


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 7},
        {"size": -8},
        {"size": "8"},
        {"size": 8.0},
        {"size": True},
        {"size": 2**70},
        {"shape": [3]},
        {"shape": [1, 2, 2**40]},
        {"data": b"1234567"},
        {"data": b""},
        {"datatype": "BYTES"},
        {"datatype": "FP64"},
    ],
)
def test_bytes_that_do_not_fit_are_refused(changes):
    array = np.array([[1.0, 2.0]], "<f4")
    with pytest.raises(InferenceError, match="Received: "):
        read_output(binary(array, **{"datatype": "FP32", **changes}), None)


def test_booleans_of_other_bytes_are_refused():
    with pytest.raises(InferenceError, match="neither 0 nor 1"):
        read_output(binary(np.array([2, 1], "uint8"), "BOOL"), None)


@pytest.mark.parametrize("data", [b"\x01", b"\x02\0\0\0a", b"\xff\xff\xff\xff"])
def test_strings_of_other_lengths_are_refused(data):
    with pytest.raises(InferenceError, match="Received: "):
        read_output(binary(None, "BYTES", [1], data=data), None)


@pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "9" * 5000, "99999"])
def test_lengths_of_json_that_are_none_are_refused(length):
    found = binary(np.zeros((1, 2), "<f4"), "FP32")
    found.headers["Inference-Header-Content-Length"] = length
    with pytest.raises(InferenceError, match="Content-Length"):
        read_output(found, None)


def test_strings_of_both_forms_are_the_same():
    names = ["cat", "", "élan", "a:b"]
    data = b"".join(
        struct.pack("<I", len(name.encode())) + name.encode() for name in names
    )
    each = {"datatype": "BYTES", "shape": [2, 2]}
    first = read_array({**each, "data": names}, None, b"")
    second = read_array(each, len(data), data)
    assert first.tolist() == second.tolist() == [names[:2], names[2:]]


def test_a_compressed_reply_is_read():
    found = binary(np.array([[0.5, 2]], "<f4"), "FP32")
    content = gzip.compress(found.content)
    headers = {"Content_Encoding": "gzip"}
    length = found.headers["Inference-Header-Content-Length"]
    post = reply(
        content, **headers, **{"Inference_Header_Content_Length": length}
    )
    answer, requests = asked(post, np.zeros((1, 2)), server=EXTENDED)
    np.testing.assert_array_equal(answer, [[0.5, 2]])
    assert requests[-1].headers["content-type"] == "application/octet-stream"


# === Requests ===


@pytest.mark.parametrize(
    ("datatype", "inputs"),
    [
        ("FP32", np.array([[1, 2**24 + 1]])),
        ("FP32", np.array([[-(2**63) + 1]])),
        ("FP32", np.array([[np.nan]])),
        ("FP32", np.array([[1e39]])),
        ("FP32", np.array([["1"]])),
        ("FP32", np.array([[1j]])),
        ("FP32", np.array([[None]])),
        ("FP32", [[1], [2, 3]]),
        ("FP32", 3.0),
        ("FP16", np.array([[70000.0]])),
        ("FP16", np.array([[2049]])),
        ("FP16", np.array([[70000]])),
        ("BF16", np.array([[257]])),
        ("BF16", np.array([[3.4e38]], "float64") * 2),
        ("FP64", np.array([[2**53 + 1]])),
        ("INT8", np.array([[128]])),
        ("INT8", np.array([[-129.0]])),
        ("INT64", np.array([[0.5]])),
        ("INT64", np.array([[2.0**63]])),
        ("INT64", np.array([[2**63]], "uint64")),
        ("INT32", np.array([[np.nan]])),
        ("INT32", np.array([[np.inf]])),
        ("UINT8", np.array([[-1]])),
        ("UINT8", np.array([[255.5]])),
        ("UINT64", np.array([[-1]])),
        ("UINT64", np.array([[2.0**64]])),
        ("BOOL", np.array([[2]])),
        ("BOOL", np.array([[0.5]])),
        ("BOOL", np.array([[-1]], "int8")),
    ],
)
def test_inputs_that_the_type_does_not_hold_are_a_value_error(datatype, inputs):
    with pytest.raises(ValueError, match="Received: "):
        to_datatype(inputs, datatype)


@pytest.mark.parametrize(
    ("datatype", "inputs"),
    [
        ("FP32", [[1, 2]]),
        ("FP32", np.array([[2**24, -(2**25)]])),
        ("FP64", np.array([[2**24 + 1, -(2**53)]])),
        ("FP16", np.array([[2048, -0.5]])),
        ("BF16", np.array([[255, 0]], "uint8")),
        ("INT8", np.array([[-128.0, 127.0]])),
        ("INT64", np.array([[-(2**63), 2**63 - 1]])),
        ("INT64", np.array([[-(2.0**63), 2.0**62]])),
        ("UINT64", np.array([[2**64 - 1, 0]], "uint64")),
        ("UINT8", np.array([[True, False]])),
        ("BOOL", np.array([[1.0, 0.0]], "float16")),
        ("BOOL", np.array([[True, False]])),
    ],
)
def test_inputs_are_sent_in_the_type_that_the_server_states(datatype, inputs):
    expected = np.asarray(inputs).astype(DTYPES[datatype])
    found = to_datatype(inputs, datatype)
    assert found.dtype == expected.dtype
    for form in (False, True):
        _, requests = asked(
            reply(output([0.5])), inputs, with_input(datatype), binary=form
        )
        body, headers = requests[-1].body, requests[-1].headers
        length = int(headers.get("inference-header-content-length", len(body)))
        (tensor,) = json.loads(body[:length])["inputs"]
        assert (tensor["datatype"], tensor["shape"]) == (datatype, [1, 2])
        if form:
            size = tensor["parameters"]["binary_data_size"]
            assert body[length:] == expected.tobytes()
            assert size == expected.nbytes
        else:
            assert tensor["data"] == expected.astype(object).ravel().tolist()


def test_bfloat16_is_rounded_to_nearest():
    values = np.array([[0.1, 1 + 2**-8, 1 + 3 * 2**-8]])
    body, headers = encode_request(
        "x", "BF16", to_datatype(values, "BF16"), None, None, True
    )
    start = int(headers["Inference-Header-Content-Length"])
    sent = np.frombuffer(body[start:], ml_dtypes.bfloat16).astype("float64")
    np.testing.assert_array_equal(sent, [0.10009765625, 1, 1 + 2**-6])


@pytest.mark.parametrize(
    ("name", "classification", "form", "expected"),
    [
        (None, None, False, {}),
        (None, None, True, {"parameters": {"binary_data_output": True}}),
        ("y", None, False, {"outputs": [{"name": "y"}]}),
        (
            "y",
            2,
            True,
            {
                "outputs": [
                    {
                        "name": "y",
                        "parameters": {
                            "binary_data": True,
                            "classification": 2,
                        },
                    }
                ]
            },
        ),
    ],
)
def test_the_output_is_asked_for(name, classification, form, expected):
    array = np.zeros((1, 2), "float32")
    body, headers = encode_request(
        "x", "FP32", array, name, classification, form
    )
    length = int(headers.get("Inference-Header-Content-Length", len(body)))
    found = json.loads(body[:length])
    del found["inputs"]
    assert found == expected
