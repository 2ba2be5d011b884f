"""Client of model servers with the Open Inference Protocol."""

import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

import numpy as np

from keras_reprogram.black_box.inference_access import Access
from keras_reprogram.black_box.inference_access import quote_segment
from keras_reprogram.black_box.inference_endpoint import Answer
from keras_reprogram.black_box.inference_endpoint import InferenceEndpoint
from keras_reprogram.black_box.inference_labels import labels_by_name
from keras_reprogram.black_box.inference_metadata import RequestSettings
from keras_reprogram.black_box.inference_request import to_datatype
from keras_reprogram.black_box.inference_threads import Clock
from keras_reprogram.black_box.inference_threads import Stopped
from keras_reprogram.black_box.inference_threads import map_in_threads
from keras_reprogram.black_box.inference_transport import InferenceError
from keras_reprogram.black_box.inference_transport import Transport
from keras_reprogram.black_box.numeric_array import numeric_array
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer

__all__ = ["InferenceClient", "InferenceError"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Operating systems limit the timeout of a socket to some weeks.
MAX_SECONDS = 1e6
SECONDS_PER_ROUND = 600.0
MAX_MESSAGE_LENGTH = 1000


class InferenceClient:
    """Client of a model server: Open Inference Protocol V2 over HTTP.

    KServe, Triton, OpenVINO Model Server and MLServer implement the protocol.
    Large arrays are sent in several concurrent requests, in the data type of
    the model's input.

    A request is retried if the server is busy (429), fails (500, 502 to 504),
    does not respond in time or cannot be reached, or if its reply is
    incomplete: at once, then after `pause` seconds, and then after twice the
    last pause each time. A pause that the server requests takes precedence.
    No pause is longer than 60 seconds.

    Redirects are followed on the same server only, so no other server gets
    the inputs or headers. Error messages do not contain the token, a password,
    or the values of headers. Several threads can share a client.

    Example:

    ```python
    client = keras_reprogram.black_box.InferenceClient(
        "http://localhost:8080", "efficientnet", token="secret"
    )
    source = keras_reprogram.black_box.QueriedSource(
        client, input_shape=(224, 224, 3), num_classes=1000, from_logits=True
    )
    ```

    For a server that returns class names, or a few classes with their scores,
    use `probabilities_from_top_k`:

    ```python
    client = keras_reprogram.black_box.InferenceClient(
        "http://localhost:8000", "efficientnet", classification=5
    )
    source = keras_reprogram.black_box.QueriedSource(
        keras_reprogram.black_box.probabilities_from_top_k(
            client, num_classes=1000
        ),
        input_shape=(224, 224, 3),
        num_classes=1000,
    )
    ```

    Args:
        url: String. The address of the server, without `/v2`. A user and a
            password in it, as in `"https://user:password@host"`, are sent as
            Basic authorization, unless there is another authorization.
        model: String. The name of the model.
        version: String. The version of the model. Defaults to `None`, which
            leaves the choice to the server.
        token: String. A token that is sent as `Authorization: Bearer
            <token>`. Without an authorization here, in `headers` or in `url`,
            one for the host in a `.netrc` file is sent. Defaults to `None`.
        headers: Dictionary. Other headers of every request. Defaults to
            `None`.
        batch_size: Integer. The maximum number of inputs in a request.
            Defaults to `32`.
        concurrency: Integer. The maximum number of concurrent requests.
            Defaults to `4`.
        timeout: Float. Seconds to wait for a connection, and for each part of
            a reply. Defaults to `30.0`.
        retries: Integer. The maximum number of retries of a request. Defaults
            to `6`.
        pause: Float. Seconds before the second retry, doubled after each
            further retry. Defaults to `0.5`.
        input_name: String. The name of the model's input. Defaults to `None`,
            which is the first input in the metadata.
        output_name: String. The name of the output. Defaults to `None`, which
            is the first output.
        time_limit: Float. The maximum number of seconds of a call, including
            retries. Defaults to `None`, which is 600 seconds for every
            `concurrency` requests.
        reply_limit: Integer. The maximum number of bytes of a decompressed
            reply. Defaults to `67108864` (64 MiB).
        binary: Boolean. Whether arrays are sent and returned as bytes instead
            of JSON (the binary tensor data extension), which is many times
            faster. Defaults to `None`, which follows the extensions that the
            server lists at `/v2`.
        classification: Integer. The number of classes that the server returns
            for an input, if it has the classification extension, as Triton
            does. The client then returns labels and scores, both `(n, k)`,
            for `probabilities_from_top_k`. Defaults to `None`, which returns
            the output itself.
        class_names: List of strings. The names of the source's classes, in
            the order of their labels, for an output of type BYTES that holds
            names. The client then returns integer labels with the output's
            shape, for `probabilities_from_top_k`. Defaults to `None`.

    Raises:
        ValueError: If an argument is not valid. In use, if the model has no
            input or output of the given name, if the data type of the model's
            input cannot hold the inputs, or if there are no inputs while the
            shape of an output is unknown.
        InferenceError: In use, if the server refuses a request, fails after
            all retries, redirects to another server, exceeds a limit, or
            returns something other than an array of finite numbers that its
            data type can hold.

    References:
        - [Open Inference Protocol](https://github.com/kserve/open-inference-protocol)
        - [Binary tensor data and classification extensions](https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/README.html)
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
        time_limit: float | None = None,
        reply_limit: int = 2**26,
        binary: bool | None = None,
        classification: int | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        self.access = Access(url, token, headers)
        self.url = (
            f"{self.access.url}/v2/models/{quote_segment('model', model)}"
        )
        if version is not None:
            self.url += f"/versions/{quote_segment('version', version)}"
        self.batch_size = positive_integer("batch_size", batch_size)
        self.concurrency = positive_integer("concurrency", concurrency)
        if time_limit is not None:
            time_limit = number("time_limit", time_limit, 1e-3, MAX_SECONDS)
        self.time_limit = time_limit
        input_name = checked_name("input_name", input_name)
        output_name = checked_name("output_name", output_name)
        binary = None if binary is None else boolean("binary", binary)
        if classification is not None:
            classification = positive_integer("classification", classification)
        self.classification = classification
        self.labels = (
            None if class_names is None else labels_by_name(class_names)
        )
        if classification is not None and class_names is not None:
            raise ValueError(
                "A classification returns labels already: leave out "
                "`class_names` or `classification`. Received: classification="
                f"{classification}, {len(class_names)} names"
            )
        self.transport = Transport(
            self.access,
            connections=self.concurrency,
            timeout=number("timeout", timeout, 1e-3, MAX_SECONDS),
            retries=checked_retries(retries),
            pause=number("pause", pause, 0.0),
            reply_limit=positive_integer("reply_limit", reply_limit),
        )
        self.endpoint = InferenceEndpoint(
            self.access,
            self.url,
            self.transport,
            input_name,
            output_name,
            binary,
            classification,
            self.labels,
        )
        self.settings: RequestSettings | None = None
        self.output_shape: tuple[int, ...] | None = None

    def __call__(self, inputs: np.ndarray) -> Answer:
        """Returns the model's outputs `(n, ...)` for inputs `(n, ...)`."""
        inputs = numeric_array(inputs)
        if inputs.ndim == 0:
            raise ValueError(
                "Inputs must be of shape (n, ...). Received: one number"
            )
        if not len(inputs):
            return self._no_answers()
        starts = range(0, len(inputs), self.batch_size)
        clock = self.clock(math.ceil(len(starts) / self.concurrency))
        settings = self.settings or self.request_settings(clock)
        typed_inputs = to_datatype(inputs, settings.datatype)

        def infer(start: int) -> Answer:
            batch = typed_inputs[start : start + self.batch_size]
            return self.endpoint.infer(batch, settings, clock)

        answers = self.run(infer, starts, clock)
        shapes = {labels_in(answer).shape[1:] for answer in answers}
        if len(shapes) > 1:
            raise InferenceError(
                "The server must answer with outputs of one shape. Received: "
                f"outputs of shapes {sorted(shapes)}"
            )
        (self.output_shape,) = shapes
        if self.classification is None:
            return np.concatenate(answers)
        labels, scores = zip(*answers)
        return np.concatenate(labels), np.concatenate(scores)

    def metadata(self) -> dict[str, Any]:
        """Returns the server's metadata of the model."""
        clock = self.clock()
        (metadata,) = self.run(
            lambda url: self.endpoint.get_json(url, clock), [self.url], clock
        )
        return metadata

    def _no_answers(self) -> Answer:
        """Returns the outputs for no inputs."""
        shape = self.output_shape
        if shape is None and self.classification is not None:
            shape = (self.classification,)
        if shape is None:
            shape = self.request_settings(self.clock()).shape
        if shape is None:
            raise ValueError(
                "The server does not return the shape of an output: pass at "
                "least one input. Received: no inputs"
            )
        dtype = "float32" if self.labels is None else "int64"
        outputs = np.zeros((0, *shape), dtype)
        if self.classification is None:
            return outputs
        return outputs.astype("int64"), outputs

    def clock(self, rounds: int = 1) -> Clock:
        seconds = min(rounds * SECONDS_PER_ROUND, 1000 * MAX_SECONDS)
        return Clock(self.time_limit or seconds)

    def run(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        clock: Clock,
    ) -> list[Result]:
        """Applies a function to items in threads.

        An exception is raised anew, since that of a request would hold its
        headers.
        """
        results: list[Result] | Exception | None = None
        try:
            results = map_in_threads(function, items, self.concurrency, clock)
        finally:
            if not isinstance(results, list):
                self.settings = None
                self.transport.renew()
        if isinstance(results, list):
            return results
        if isinstance(results, Stopped):
            raise InferenceError(
                f"The server must answer within {clock.seconds:g} seconds: "
                "pass a larger `time_limit` if more are needed. Received: "
                f"{self.shown(clock.last_error or 'no complete answer')}"
            )
        if isinstance(results, InferenceError):
            raise InferenceError(self.shown(str(results)))
        if isinstance(results, ValueError):
            raise ValueError(self.shown(str(results)))
        raise InferenceError(
            "The server's reply cannot be read. Received: "
            f"{type(results).__name__}: {self.shown(str(results))}"
        )

    def shown(self, text: str) -> str:
        """Returns a text for a message, masked and truncated."""
        text = self.access.mask(text)
        if len(text) > MAX_MESSAGE_LENGTH:
            text = text[:MAX_MESSAGE_LENGTH] + " ..."
        return text

    def request_settings(self, clock: Clock) -> RequestSettings:
        """Returns the settings of requests, and keeps them for later calls."""
        (settings,) = self.run(self.endpoint.request_settings, [clock], clock)
        self.settings = settings
        return settings


def labels_in(answer: Answer) -> np.ndarray:
    return answer[0] if isinstance(answer, tuple) else answer


def checked_name(argument: str, name: object) -> str | None:
    if name is None or (isinstance(name, str) and name):
        return name
    raise ValueError(
        f"`{argument}` must be a string that is not empty, or `None`. "
        f"Received: {argument}={name!r}"
    )


def checked_retries(retries: object) -> int:
    value = integer(retries)
    if value is None or value < 0:
        raise ValueError(
            "`retries` must be an integer of at least 0. Received: "
            f"retries={retries!r}"
        )
    return value
