"""Whether a reply has come in whole."""

import json
import re
from typing import Any

import requests

HEADER_LENGTH = "Inference-Header-Content-Length"


def is_cut(reply: requests.Response, content: bytes) -> bool:
    """Whether a reply ends too early, where that raises nothing."""
    raw = reply.raw
    if raw.chunked or raw.length_remaining is not None:
        return bool(raw.length_remaining)
    # Where neither a length nor chunks are told, the end of the connection is
    # the end of the reply, even in the middle of its headers.
    if reply.status_code != 200:
        return False
    length = reply.headers.get(HEADER_LENGTH, "").strip()
    if re.fullmatch("[0-9]{1,18}", length):
        text, rest = content[: int(length)], content[int(length) :]
        if len(text) < int(length):
            return True
        return len(rest) < sum(map(size_of, outputs_of(text)))
    text = content.strip()
    return not text or (text.startswith(b"{") and not is_json(text))


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    except RecursionError:
        pass
    return True


def outputs_of(text: bytes) -> list[Any]:
    """Returns the outputs in a JSON object, or none if it is not valid."""
    try:
        outputs = json.loads(text)["outputs"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return []
    return outputs if isinstance(outputs, list) else []


def size_of(output: Any) -> int:
    """Bytes of an output behind the JSON, if it is valid."""
    try:
        size = output["parameters"]["binary_data_size"]
    except (TypeError, LookupError):
        return 0
    return size if type(size) is int and size > 0 else 0
