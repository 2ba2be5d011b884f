"""A client of model servers that speak the Open Inference Protocol."""

import concurrent.futures
from collections.abc import Mapping
from typing import Any

import numpy as np
import requests
import urllib3

from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.sources.host_call import numeric_array

# What goes away by itself: too many requests, and a server in trouble.
TRANSIENT = (429, 500, 502, 503, 504)
LONGEST_PAUSE = 60.0
DTYPES = {
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "INT32": "int32",
    "INT64": "int64",
}
# Inputs are sent as float32, which has all integers up to this one.
LARGEST_INTEGER = 2**24


class InferenceError(RuntimeError):
    """A server's reply that is no answer."""


class Patience(urllib3.Retry):
    """Waits as long as a server asks for, and no longer than a minute."""

    def parse_retry_after(self, retry_after: str) -> float:
        return min(super().parse_retry_after(retry_after), LONGEST_PAUSE)


class InferenceClient:
    """Asks a model server about arrays: Open Inference Protocol V2, HTTP.

    KServe, Triton, OpenVINO Model Server and MLServer speak it. Large arrays
    are sent in pieces, several at a time. A request that meets a server that
    is busy (429), in trouble (500, 502 to 504), slow or gone is sent again,
    each time after twice the pause, or after the pause that the server asks
    for, no pause being longer than 60 seconds.

    Example:

    ```python
    client = keras_reprogram.sources.InferenceClient(
        "http://localhost:8080", "efficientnet", token="secret"
    )
    source = keras_reprogram.sources.QueriedSource(
        client, input_shape=(224, 224, 3), num_classes=1000, from_logits=True
    )
    ```

    Args:
        url: Address of the server, without `/v2`.
        model: Name of the model.
        version: Its version, or `None` for the server's choice.
        token: Sent as `Authorization: Bearer <token>`.
        headers: Other headers of every request.
        batch_size: Most inputs of a request.
        concurrency: Most requests under way at the same time.
        timeout: Seconds to wait for a connection, and for a reply.
        retries: How often a request is sent again.
        pause: Seconds before the second time that it is sent again; doubled
            from time to time.
        input_name: Name of the model's input; asked of the server if left out.
        output_name: Name of the output; the first one if left out.

    Raises:
        ValueError: In use, if inputs are not finite numbers, are integers that
            float32 cannot hold, or are none while the shape of an output is
            not known.
        InferenceError: In use, if the server refuses a request, goes on
            failing, or replies with something else than an array of finite
            numbers that its data type can hold.

    References:
        - [Open Inference Protocol](https://github.com/kserve/open-inference-protocol)
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        batch_size: int = 32,
        concurrency: int = 4,
        timeout: float = 30.0,
        retries: int = 6,
        pause: float = 0.5,
        input_name: str | None = None,
        output_name: str | None = None,
    ) -> None:
        if not str(url).startswith(("http://", "https://")):
            raise ValueError(
                "`url` must begin with http:// or https://. Received: "
                f"url={url!r}"
            )
        self.url = f"{str(url).rstrip('/')}/v2/models/{model}"
        if version is not None:
            self.url += f"/versions/{version}"
        self.batch_size = positive_integer("batch_size", batch_size)
        self.timeout = number("timeout", timeout, 1e-3)
        self.input_name, self.output_name = input_name, output_name
        self.output_shape: tuple[int, ...] | None = None
        concurrency = positive_integer("concurrency", concurrency)
        self.pool = concurrent.futures.ThreadPoolExecutor(concurrency)
        retry = Patience(
            total=int(number("retries", retries, 0)),
            backoff_factor=number("pause", pause, 0.0),
            backoff_max=LONGEST_PAUSE,
            status_forcelist=TRANSIENT,
            allowed_methods=None,
            raise_on_status=False,
        )
        adapter = requests.adapters.HTTPAdapter(
            max_retries=retry, pool_maxsize=concurrency
        )
        self.session = requests.Session()
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)
        self.session.headers.update(headers or {})
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Returns the model's outputs `[n, ...]` for inputs `[n, ...]`."""
        inputs = checked_inputs(inputs)
        if not len(inputs):
            return self.no_answers()
        if self.input_name is None:
            self.input_name = self.metadata()["inputs"][0]["name"]
        pieces = [
            inputs[start : start + self.batch_size]
            for start in range(0, len(inputs), self.batch_size)
        ]
        answers = list(self.pool.map(self.infer, pieces))
        shapes = {answer.shape[1:] for answer in answers}
        if len(shapes) > 1:
            raise InferenceError(
                "The server must answer with outputs of one shape. Received: "
                f"outputs of shapes {sorted(shapes)}"
            )
        (self.output_shape,) = shapes
        return np.concatenate(answers)

    def no_answers(self) -> np.ndarray:
        """Returns the outputs for no inputs."""
        shape = self.output_shape
        if shape is None:
            shape = self.stated_shape()
        if shape is None:
            raise ValueError(
                "The server does not state the shape of an output, so pass at "
                "least one input. Received: no inputs"
            )
        return np.zeros((0, *shape), "float32")

    def stated_shape(self) -> tuple[int, ...] | None:
        """Shape of an output, where the server states it."""
        for output in self.metadata().get("outputs") or ():
            if self.output_name in (None, output.get("name")):
                shape = tuple(output.get("shape") or ())[1:]
                known = all(
                    isinstance(size, int) and size > 0 for size in shape
                )
                return shape if shape and known else None
        return None

    def metadata(self) -> dict[str, Any]:
        """What the server says of the model: its inputs and outputs."""
        found = self.request("GET", self.url)
        if not found.get("inputs"):
            raise InferenceError(
                "The server does not name the model's inputs: pass "
                f"`input_name`. Received: {found}"
            )
        return found

    def infer(self, inputs: np.ndarray) -> np.ndarray:
        tensor = {
            "name": self.input_name,
            "shape": list(inputs.shape),
            "datatype": "FP32",
            "data": inputs.ravel().tolist(),
        }
        body: dict[str, Any] = {"inputs": [tensor]}
        if self.output_name is not None:
            body["outputs"] = [{"name": self.output_name}]
        reply = self.request("POST", f"{self.url}/infer", body)
        try:
            outputs = reply["outputs"]
            output = next(
                each
                for each in outputs
                if self.output_name in (None, each["name"])
            )
            answer = exactly(output["data"], DTYPES[output["datatype"]])
            answer = answer.reshape(output["shape"])
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise InferenceError(
                "The server's reply holds no array of numbers of its data "
                "type. Received: "
                f"{shortened(str(reply))}"
            ) from error
        finite = np.isfinite(answer)
        if not finite.all():
            raise InferenceError(
                "The server must answer with finite numbers. Received: "
                f"{np.count_nonzero(~finite)} of {answer.size} that are not"
            )
        if answer.shape[:1] != inputs.shape[:1]:
            raise InferenceError(
                f"The server must answer with one row for each of the "
                f"{len(inputs)} inputs. Received: an answer of shape "
                f"{answer.shape}"
            )
        return answer

    def request(self, method: str, url: str, body: Any = None) -> Any:
        try:
            reply = self.session.request(
                method, url, json=body, timeout=self.timeout
            )
        except requests.RequestException as error:
            raise InferenceError(
                f"The server does not answer. Received: {error}"
            ) from error
        if not reply.ok:
            raise InferenceError(
                f"The server refuses {method} {url}. Received: status "
                f"{reply.status_code}, {shortened(reply.text)}"
            )
        try:
            return reply.json()
        except requests.JSONDecodeError as error:
            raise InferenceError(
                "The server's reply is not JSON. Received: "
                f"{shortened(reply.text)}"
            ) from error


def checked_inputs(inputs: Any) -> np.ndarray:
    """Returns inputs as the float32 array that is sent."""
    array = numeric_array(inputs)
    if array.ndim == 0:
        raise ValueError(
            "Inputs must be of shape (n, ...). Received: one number"
        )
    if array.dtype.kind in "iu":
        large = (array > LARGEST_INTEGER) | (array < -LARGEST_INTEGER)
        for value in array[large].tolist():
            if int(np.float32(value)) != value:
                raise ValueError(
                    "Inputs are sent as float32, which cannot hold all "
                    f"integers beyond {LARGEST_INTEGER}: scale them first. "
                    f"Received: {value}"
                )
    with np.errstate(over="ignore"):
        found = array.astype("float32")
    finite = np.isfinite(found)
    if not finite.all():
        raise ValueError(
            "Inputs must be finite numbers that float32 can hold. Received: "
            f"{np.count_nonzero(~finite)} of {found.size} that are not"
        )
    return found


def exactly(data: Any, dtype: str) -> np.ndarray:
    """Returns a reply's data in its type, and raises if it changes them."""
    values = np.asarray(data)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"{values.dtype} is not a type of numbers")
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        # As Python numbers: a float cannot hold the largest integers.
        for value in values.ravel().tolist():
            if value != value // 1 or not limits.min <= value <= limits.max:
                raise ValueError(f"{value} is not of type {dtype}")
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def shortened(text: str) -> str:
    return text if len(text) <= 500 else text[:500] + " ..."
