"""Names, types and shapes that a server states, or does not."""

import json

import numpy as np
import pytest
from loopback import METADATA
from loopback import answering
from loopback import output
from loopback import reply

pytest.importorskip("requests")

from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import InferenceError

pytestmark = pytest.mark.numpy_alone

INPUTS = np.zeros((1, 2))
GOOD = reply(output([0.5, 2]))
ODD = [
    None,
    [],
    {},
    7,
    "x",
    [None],
    ["x"],
    [7],
    [[]],
    [{}],
    [{"name": None}],
    [{"name": ["x"]}],
    [{"name": 7}],
    [{"shape": "x"}],
]


def client(server, **kwargs):
    settings = {"retries": 0, "timeout": 5.0, "pause": 0.0, **kwargs}
    return InferenceClient(server.url, "m", **settings)


def sent(server):
    return json.loads(server.requests[-1].body)


@pytest.mark.parametrize("inputs", ODD)
def test_inputs_that_are_not_stated_are_named_by_the_user(inputs):
    with answering(GOOD, metadata={"inputs": inputs}) as server:
        with pytest.raises(InferenceError, match="pass `input_name`"):
            client(server)(INPUTS)
        client(server, input_name="x")(INPUTS)
        assert sent(server)["inputs"][0]["datatype"] == "FP32"


@pytest.mark.parametrize(
    "metadata",
    [
        reply(b"", "404 No"),
        reply(b"<html>"),
        reply(b"[]"),
        reply(b"null"),
        reply(b"[" * 100_000),
        reply(b"", "302 Moved", Location="http://a.example/"),
    ],
)
def test_metadata_are_not_needed_where_the_input_is_named(metadata):
    with answering(GOOD, metadata=metadata, server="no") as server:
        with pytest.raises(InferenceError):
            client(server)(INPUTS)
        np.testing.assert_array_equal(
            client(server, input_name="x")(INPUTS), [[0.5, 2]]
        )


def test_a_server_that_is_gone_is_not_asked_for_more():
    with answering(GOOD, metadata=b"") as server:
        with pytest.raises(InferenceError, match="does not answer"):
            client(server, input_name="x", retries=1)(INPUTS)
        assert len(server.requests) == 2


def test_names_that_do_not_exist_are_answered_with_those_that_do():
    metadata = {
        "inputs": [{"name": "first"}, {"name": "second"}],
        "outputs": [{"name": "logits"}, {"name": "scores"}],
    }
    with answering(GOOD, metadata=metadata) as server:
        with pytest.raises(ValueError, match=r"\['first', 'second'\]"):
            client(server, input_name="x")(INPUTS)
        with pytest.raises(ValueError, match=r"\['logits', 'scores'\]"):
            client(server, output_name="y")(INPUTS)
        assert all(each.method == "GET" for each in server.requests)
        with pytest.raises(ValueError, match="'scores'"):
            client(server, output_name="y")(INPUTS[:0])
    with answering(GOOD, metadata={"inputs": [{"name": "x"}]}) as server:
        with pytest.raises(InferenceError, match=r"outputs \['y'\]"):
            client(server, output_name="logits")(INPUTS)


def test_the_named_input_is_sent_in_its_type():
    metadata = {
        "inputs": [
            {"name": "a", "datatype": "FP32"},
            {"name": "b", "datatype": "UINT8"},
        ]
    }
    with answering(GOOD, metadata=metadata) as server:
        client(server, input_name="b")(INPUTS)
        assert sent(server)["inputs"][0] == {
            "name": "b",
            "datatype": "UINT8",
            "shape": [1, 2],
            "data": [0, 0],
        }


@pytest.mark.parametrize("datatype", ["BYTES", "FP8", "float32", ""])
def test_inputs_of_other_types_are_refused(datatype):
    metadata = {"inputs": [{"name": "x", "datatype": datatype}]}
    with answering(GOOD, metadata=metadata) as server:
        if datatype:
            with pytest.raises(InferenceError, match=f"of '{datatype}'"):
                client(server)(INPUTS)
        else:
            client(server)(INPUTS)


@pytest.mark.parametrize(
    ("server_metadata", "binary", "expected"),
    [
        ({"extensions": ["a", "binary_tensor_data"]}, None, True),
        ({"extensions": ["binary_tensor_data"]}, False, False),
        ({"extensions": []}, True, True),
        ({"extensions": None}, None, False),
        ({"extensions": "binary_tensor_data"}, None, False),
        ({"extensions": {"binary_tensor_data": 1}}, None, False),
        ({"extensions": [[], None, 7]}, None, False),
        (["binary_tensor_data"], None, False),
        ("binary_tensor_data", None, False),
    ],
)
def test_bytes_are_sent_where_the_server_states_so(
    server_metadata, binary, expected
):
    with answering(GOOD, server=server_metadata) as server:
        asking = client(server, binary=binary)
        for _ in range(2):
            asking(INPUTS)
        headers = server.requests[-1].headers
        assert ("inference-header-content-length" in headers) == expected
        # What the server states is asked for once.
        assert len(server.requests) == (4 if binary is None else 3)


def test_no_inputs_have_no_outputs_of_a_shape_that_is_known():
    three = reply(output([0.5, 0.25, 0.25]))
    with answering(three, metadata={"inputs": [{"name": "x"}]}) as server:
        asking = client(server)
        asking(INPUTS)
        count = len(server.requests)
        assert asking(INPUTS[:0]).shape == (0, 3)
        assert len(server.requests) == count
    metadata = {
        "inputs": [{"name": "x"}],
        "outputs": [{"name": "y", "shape": [-1, 7]}],
    }
    with answering(three, metadata=metadata) as server:
        assert client(server)(INPUTS[:0]).shape == (0, 7)
        labels = client(server, class_names=["a"])(INPUTS[:0])
        assert (labels.shape, labels.dtype) == ((0, 7), "int64")
        labels, scores = client(server, classification=2)(INPUTS[:0])
        assert (labels.shape, labels.dtype) == ((0, 2), "int64")
        assert (scores.shape, scores.dtype) == ((0, 2), "float32")


@pytest.mark.parametrize(
    "outputs",
    [
        *ODD,
        [{"name": "y", "shape": [-1, -1]}],
        [{"name": "y", "shape": [-1, 0]}],
        [{"name": "y", "shape": [-1, 2.0]}],
        [{"name": "y", "shape": [-1, True]}],
        [{"name": "y", "shape": [-1, 10**70, 10**70]}],
        [{"name": "y", "shape": [7]}],
    ],
)
def test_no_inputs_are_a_value_error_if_no_shape_is_known(outputs):
    metadata = {"inputs": [{"name": "x"}], "outputs": outputs}
    with answering(GOOD, metadata=metadata) as server:
        with pytest.raises(ValueError):
            client(server)(INPUTS[:0])


def test_what_the_server_states_is_asked_for_again_after_a_failure():
    stated = {"datatype": "INT8"}

    def post(request):
        tensor = json.loads(request.body)["inputs"][0]
        wrong = tensor["datatype"] != stated["datatype"]
        return reply({}, "400 No") if wrong else GOOD

    metadata = {"inputs": [{"name": "x", "datatype": "INT8"}]}
    with answering(post, metadata=metadata) as server:
        asking = client(server)
        asking(INPUTS)
        stated["datatype"] = "FP64"
        metadata["inputs"][0]["datatype"] = "FP64"
        with pytest.raises(InferenceError, match="status 400"):
            asking(INPUTS)
        np.testing.assert_array_equal(asking(INPUTS), [[0.5, 2]])


def test_outputs_of_two_shapes_are_refused():
    lengths = [2, 3]

    def post(request):
        return reply(output([0.5] * lengths.pop()))

    with answering(post, metadata=METADATA) as server:
        with pytest.raises(InferenceError, match="outputs of shapes"):
            client(server, batch_size=1)(np.zeros((2, 2)))


@pytest.mark.parametrize("shape", [[2, 1], [2], []])
def test_another_number_of_rows_is_refused(shape):
    content = reply(output([0.5] * int(np.prod(shape)), shape=shape))
    with answering(content) as server:
        with pytest.raises(InferenceError, match="one row for each"):
            client(server)(INPUTS)
