"""A client of model servers that speak the Open Inference Protocol."""

import concurrent.futures
from collections.abc import Mapping
from typing import Any

import numpy as np
import requests
import urllib3

from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer

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
        InferenceError: In use, if the server refuses a request, goes on
            failing, or replies with something else than an array.

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
        if self.input_name is None:
            self.input_name = self.metadata()["inputs"][0]["name"]
        pieces = [
            inputs[start : start + self.batch_size]
            for start in range(0, len(inputs), self.batch_size)
        ]
        return np.concatenate(list(self.pool.map(self.infer, pieces)))

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
            "data": np.asarray(inputs, "float32").ravel().tolist(),
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
            dtype = DTYPES[output["datatype"]]
            answer = np.asarray(output["data"], dtype)
            answer = answer.reshape(output["shape"])
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise InferenceError(
                "The server's reply holds no array. Received: "
                f"{shortened(str(reply))}"
            ) from error
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


def shortened(text: str) -> str:
    return text if len(text) <= 500 else text[:500] + " ..."
