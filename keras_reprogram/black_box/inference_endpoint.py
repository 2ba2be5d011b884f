"""Requests to one model of a server of the Open Inference Protocol."""

from typing import Any

import numpy as np

from keras_reprogram.black_box.inference_access import Access
from keras_reprogram.black_box.inference_labels import integer_labels
from keras_reprogram.black_box.inference_labels import scored_labels
from keras_reprogram.black_box.inference_metadata import RequestSettings
from keras_reprogram.black_box.inference_metadata import request_settings
from keras_reprogram.black_box.inference_reply import parse_json
from keras_reprogram.black_box.inference_reply import read_output
from keras_reprogram.black_box.inference_request import encode_request
from keras_reprogram.black_box.inference_threads import Clock
from keras_reprogram.black_box.inference_transport import InferenceError
from keras_reprogram.black_box.inference_transport import NoReply
from keras_reprogram.black_box.inference_transport import Reply
from keras_reprogram.black_box.inference_transport import Transport

Answer = np.ndarray | tuple[np.ndarray, np.ndarray]

BINARY = "binary_tensor_data"


class InferenceEndpoint:
    """One model of a server. Its methods run in the threads of a call.

    Args:
        access: An `Access`, with address, headers and authorization.
        url: String. The address of the model.
        transport: A `Transport`.
        input_name: String, or `None` for the first input.
        output_name: String, or `None` for the first output.
        binary: Boolean. Whether arrays are sent as bytes; `None` if the
            server decides.
        classification: Integer. The number of classes to return, or `None`.
        labels: Dictionary from class names to labels, or `None`.
    """

    def __init__(
        self,
        access: Access,
        url: str,
        transport: Transport,
        input_name: str | None,
        output_name: str | None,
        binary: bool | None,
        classification: int | None,
        labels: dict[str, int] | None,
    ) -> None:
        self.access = access
        self.url = url
        self.transport = transport
        self.input_name = input_name
        self.output_name = output_name
        self.binary = binary
        self.classification = classification
        self.labels = labels

    def get_json(self, url: str, clock: Clock) -> dict[str, Any]:
        reply = self.transport.exchange("GET", url, clock)
        return parse_json(accepted(reply, "GET", url).content)

    def request_settings(self, clock: Clock) -> RequestSettings:
        """Returns the settings of requests, from the server's metadata."""
        try:
            metadata = self.get_json(self.url, clock)
        except NoReply:
            raise
        except InferenceError:
            # Some servers return outputs of models without metadata.
            if self.input_name is None:
                raise
            metadata = {}
        binary = self.is_binary(clock) if self.binary is None else self.binary
        return request_settings(
            metadata,
            self.input_name,
            self.output_name,
            self.classification,
            binary,
        )

    def is_binary(self, clock: Clock) -> bool:
        """Whether the server supports the binary tensor data extension."""
        try:
            metadata = self.get_json(f"{self.access.url}/v2", clock)
        except NoReply:
            raise
        except InferenceError:
            return False
        extensions = metadata.get("extensions")
        return isinstance(extensions, list) and BINARY in extensions

    def infer(
        self, inputs: np.ndarray, settings: RequestSettings, clock: Clock
    ) -> Answer:
        """Returns the model's outputs for a batch of inputs.

        Args:
            inputs: Array `(n, ...)`, of the data type of the model's input.
            settings: A `RequestSettings`.
            clock: A `Clock`, with the time limit of the call.

        Returns:
            An array `(n, ...)`, or a pair of labels and scores.

        Raises:
            InferenceError: If the server does not return valid outputs.
        """
        url = f"{self.url}/infer"
        body, headers = encode_request(
            settings.input_name,
            settings.datatype,
            inputs,
            settings.output_name,
            self.classification,
            settings.binary,
        )
        reply = self.transport.exchange("POST", url, clock, body, headers)
        answer = read_output(accepted(reply, "POST", url), settings.output_name)
        if answer.shape[:1] != inputs.shape[:1]:
            raise InferenceError(
                "The server must answer with one row for each of the "
                f"{len(inputs)} inputs. Received: an answer of shape "
                f"{answer.shape}"
            )
        if self.classification is not None:
            return scored_labels(answer)
        if answer.dtype == object:
            return integer_labels(answer, self.labels)
        finite = np.isfinite(answer)
        if not finite.all():
            raise InferenceError(
                "The server must answer with finite numbers. Received: "
                f"{np.count_nonzero(~finite)} of {answer.size} that are not"
            )
        return answer


def accepted(reply: Reply, method: str, url: str) -> Reply:
    """Returns a reply, and raises an `InferenceError` for an error status."""
    if not reply.ok:
        raise InferenceError(
            f"The server refuses {method} {url}. Received: status "
            f"{reply.status}, {reply.text}"
        )
    return reply
