"""A client of model servers that speak the Open Inference Protocol."""

import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_reprogram.black_box.host_call import numeric_array
from keras_reprogram.black_box.inference_access import Access
from keras_reprogram.black_box.inference_access import quoted
from keras_reprogram.black_box.inference_call import Clock
from keras_reprogram.black_box.inference_call import Stopped
from keras_reprogram.black_box.inference_call import gather
from keras_reprogram.black_box.inference_labels import checked_names
from keras_reprogram.black_box.inference_labels import labels_of
from keras_reprogram.black_box.inference_labels import scored_labels
from keras_reprogram.black_box.inference_metadata import Question
from keras_reprogram.black_box.inference_metadata import question_of
from keras_reprogram.black_box.inference_protocol import encoded
from keras_reprogram.black_box.inference_protocol import output_of
from keras_reprogram.black_box.inference_protocol import parsed
from keras_reprogram.black_box.inference_protocol import typed
from keras_reprogram.black_box.inference_transport import InferenceError
from keras_reprogram.black_box.inference_transport import NoReply
from keras_reprogram.black_box.inference_transport import Reply
from keras_reprogram.black_box.inference_transport import Transport
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer

Answer = np.ndarray | tuple[np.ndarray, np.ndarray]

BINARY = "binary_tensor_data"
# A socket of the operating system waits no longer than some weeks.
MOST_SECONDS = 1e6
SECONDS_OF_A_ROUND = 600.0
LONGEST_MESSAGE = 1000


class InferenceClient:
    """Asks a model server about arrays: Open Inference Protocol V2, HTTP.

    KServe, Triton, OpenVINO Model Server and MLServer speak it. Large arrays
    are sent in pieces, several at a time, in the data type that the server
    states for the model's input. A request that meets a server that is busy
    (429), in trouble (500, 502 to 504), slow or gone, or whose reply ends
    early, is sent again: at once, then after `pause` seconds, and each further
    time after twice the pause, or after the pause that the server asks for, no
    pause being longer than 60 seconds.

    Redirects are followed on the same server alone, so neither inputs nor
    headers get to another one. Messages do not hold the token, a password, or
    the values of headers. Several threads may use one client.

    Example:

    ```python
    client = keras_reprogram.black_box.InferenceClient(
        "http://localhost:8080", "efficientnet", token="secret"
    )
    source = keras_reprogram.black_box.QueriedSource(
        client, input_shape=(224, 224, 3), num_classes=1000, from_logits=True
    )
    ```

    A server that returns names of classes, or a few classes with their scores,
    is used through `probabilities_from_top_k`:

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
        url: Address of the server, without `/v2`. A user and a password in it,
            as in `"https://user:password@host"`, are sent as Basic
            authorization, unless there is another.
        model: Name of the model.
        version: Its version. Defaults to `None`, for the server's choice.
        token: Sent as `Authorization: Bearer <token>`. Without an
            authorization here, in `headers` or in `url`, one for the host in a
            `.netrc` file is sent. Defaults to `None`.
        headers: Other headers of every request. Defaults to `None`.
        batch_size: Most inputs of a request. Defaults to 32.
        concurrency: Most requests under way at the same time. Defaults to 4.
        timeout: Seconds to wait for a connection, and for each part of a
            reply. Defaults to 30.
        retries: How often a request is sent again. Defaults to 6.
        pause: Seconds before the second time that it is sent again; doubled
            from time to time. Defaults to 0.5.
        input_name: Name of the model's input. Defaults to `None`, for the
            first one that the server states.
        output_name: Name of the output. Defaults to `None`, for the first one.
        time_limit: Most seconds of a call, with all that is sent again.
            Defaults to `None`: 600 seconds for every `concurrency` requests.
        reply_limit: Most bytes of a reply, decompressed. Defaults to
            67,108,864 (64 MiB).
        binary: Whether arrays are sent and returned as bytes instead of JSON
            (the binary tensor data extension), which is many times faster.
            Defaults to `None`, for what the server states at `/v2`.
        classification: Number of classes that the server returns for an input,
            where it has the classification extension, as Triton does. The
            client then returns labels and scores, both `[n, k]`, as
            `probabilities_from_top_k` takes them. Defaults to `None`, for the
            output itself.
        class_names: Names of the source's classes, in the order of their
            labels, for an output of type BYTES that holds names. The client
            then returns integer labels of the output's shape, as
            `probabilities_from_top_k` takes them. Defaults to `None`.

    Raises:
        ValueError: If an argument is not valid. In use, if the model has no
            input or output of the given name, if the data type of the model's
            input cannot hold the inputs, or if there are none while the shape
            of an output is not known.
        InferenceError: In use, if the server refuses a request, goes on
            failing, redirects to another server, exceeds a limit, or replies
            with something else than an array of finite numbers that its data
            type can hold.

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
        self.url = f"{self.access.url}/v2/models/{quoted('model', model)}"
        if version is not None:
            self.url += f"/versions/{quoted('version', version)}"
        self.batch_size = positive_integer("batch_size", batch_size)
        self.concurrency = positive_integer("concurrency", concurrency)
        self.input_name = checked_name("input_name", input_name)
        self.output_name = checked_name("output_name", output_name)
        if time_limit is not None:
            time_limit = number("time_limit", time_limit, 1e-3, MOST_SECONDS)
        self.time_limit = time_limit
        self.binary = None if binary is None else boolean("binary", binary)
        if classification is not None:
            classification = positive_integer("classification", classification)
        self.classification = classification
        self.labels = (
            None if class_names is None else checked_names(class_names)
        )
        if classification is not None and class_names is not None:
            raise ValueError(
                "A classification is of labels already: leave out "
                "`class_names` or `classification`. Received: classification="
                f"{classification}, {len(class_names)} names"
            )
        self.transport = Transport(
            self.access,
            connections=self.concurrency,
            timeout=number("timeout", timeout, 1e-3, MOST_SECONDS),
            retries=checked_retries(retries),
            pause=number("pause", pause, 0.0),
            reply_limit=positive_integer("reply_limit", reply_limit),
        )
        self.question: Question | None = None
        self.output_shape: tuple[int, ...] | None = None

    def __call__(self, inputs: np.ndarray) -> Answer:
        """Returns the model's outputs `[n, ...]` for inputs `[n, ...]`."""
        inputs = numeric_array(inputs)
        if inputs.ndim == 0:
            raise ValueError(
                "Inputs must be of shape (n, ...). Received: one number"
            )
        if not len(inputs):
            return self.no_answers()
        starts = range(0, len(inputs), self.batch_size)
        clock = self.clock(math.ceil(len(starts) / self.concurrency))
        question = self.question or self.ask(clock)
        inputs = typed(inputs, question.datatype)
        answers = self.run(
            lambda start: self.infer(
                inputs[start : start + self.batch_size], question, clock
            ),
            starts,
            clock,
        )
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
        """Returns what the server states of the model."""
        clock = self.clock()
        (found,) = self.run(lambda url: self.get(url, clock), [self.url], clock)
        return found

    def no_answers(self) -> Answer:
        """Returns the outputs for no inputs."""
        shape = self.output_shape
        if shape is None and self.classification is not None:
            shape = (self.classification,)
        if shape is None:
            shape = self.ask(self.clock()).shape
        if shape is None:
            raise ValueError(
                "The server does not state the shape of an output, so pass at "
                "least one input. Received: no inputs"
            )
        dtype = "float32" if self.labels is None else "int64"
        outputs = np.zeros((0, *shape), dtype)
        if self.classification is None:
            return outputs
        return outputs.astype("int64"), outputs

    # === Threads ===

    def clock(self, rounds: int = 1) -> Clock:
        seconds = min(rounds * SECONDS_OF_A_ROUND, 1000 * MOST_SECONDS)
        return Clock(self.time_limit or seconds)

    def run(
        self, function: Callable[[Any], Any], items: Sequence[Any], clock: Clock
    ) -> list[Any]:
        """Returns results that threads find, or raises a new exception.

        An exception of a request would hold its headers.
        """
        complete = False
        try:
            found = gather(function, items, self.concurrency, clock)
            complete = isinstance(found, list)
        finally:
            if not complete:
                self.question = None
                self.transport.renew()
        if complete:
            return found
        if isinstance(found, Stopped):
            raise InferenceError(
                f"The server must answer within {clock.seconds:g} seconds: "
                "pass a larger `time_limit` if more are needed. Received: "
                f"{self.shown(clock.trouble or 'no complete answer')}"
            )
        if isinstance(found, InferenceError):
            raise InferenceError(self.shown(str(found)))
        if isinstance(found, ValueError):
            raise ValueError(self.shown(str(found)))
        raise InferenceError(
            "The server's reply cannot be read. Received: "
            f"{type(found).__name__}: {self.shown(str(found))}"
        )

    def shown(self, text: str) -> str:
        text = self.access.mask(text)
        if len(text) > LONGEST_MESSAGE:
            text = text[:LONGEST_MESSAGE] + " ..."
        return text

    def ask(self, clock: Clock) -> Question:
        """Returns what to ask about, which the server's metadata tell."""
        (self.question,) = (question,) = self.run(
            self.find_question, [clock], clock
        )
        return question

    # === In a thread ===

    def get(self, url: str, clock: Clock) -> dict[str, Any]:
        reply = self.transport.exchange("GET", url, clock)
        return parsed(accepted(reply, "GET", url).content)

    def find_question(self, clock: Clock) -> Question:
        try:
            found = self.get(self.url, clock)
        except NoReply:
            raise
        except InferenceError:
            # Some servers answer for models of which they state nothing.
            if self.input_name is None:
                raise
            found = {}
        binary = self.is_binary(clock) if self.binary is None else self.binary
        return question_of(
            found,
            self.input_name,
            self.output_name,
            self.classification,
            binary,
        )

    def is_binary(self, clock: Clock) -> bool:
        """Whether the server states that it has binary tensor data."""
        try:
            found = self.get(f"{self.access.url}/v2", clock)
        except NoReply:
            raise
        except InferenceError:
            return False
        extensions = found.get("extensions")
        return isinstance(extensions, list) and BINARY in extensions

    def infer(
        self, inputs: np.ndarray, question: Question, clock: Clock
    ) -> Answer:
        url = f"{self.url}/infer"
        body, headers = encoded(
            question.input_name,
            question.datatype,
            inputs,
            question.output_name,
            self.classification,
            question.binary,
        )
        reply = self.transport.exchange("POST", url, clock, body, headers)
        answer = output_of(accepted(reply, "POST", url), question.output_name)
        if answer.shape[:1] != inputs.shape[:1]:
            raise InferenceError(
                "The server must answer with one row for each of the "
                f"{len(inputs)} inputs. Received: an answer of shape "
                f"{answer.shape}"
            )
        if self.classification is not None:
            return scored_labels(answer)
        if answer.dtype == object:
            return labels_of(answer, self.labels)
        finite = np.isfinite(answer)
        if not finite.all():
            raise InferenceError(
                "The server must answer with finite numbers. Received: "
                f"{np.count_nonzero(~finite)} of {answer.size} that are not"
            )
        return answer


def accepted(reply: Reply, method: str, url: str) -> Reply:
    if not reply.ok:
        raise InferenceError(
            f"The server refuses {method} {url}. Received: status "
            f"{reply.status}, {reply.text}"
        )
    return reply


def labels_in(answer: Answer) -> np.ndarray:
    return answer[0] if isinstance(answer, tuple) else answer


def checked_name(argument: str, name: Any) -> str | None:
    if name is not None and not (isinstance(name, str) and name):
        raise ValueError(
            f"`{argument}` must be a string that is not empty, or `None`. "
            f"Received: {argument}={name!r}"
        )
    return name


def checked_retries(retries: Any) -> int:
    value = integer(retries)
    if value is None or value < 0:
        raise ValueError(
            "`retries` must be an integer of at least 0. Received: "
            f"retries={retries!r}"
        )
    return value
