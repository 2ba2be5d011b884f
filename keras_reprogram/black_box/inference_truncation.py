"""Detection of truncated replies."""

import json
import re
from typing import Any

import requests

HEADER_LENGTH = "Inference-Header-Content-Length"


def is_truncated(reply: requests.Response, content: bytes) -> bool:
    """Whether a reply is truncated in a way that raises no error."""
    raw = reply.raw
    if raw.chunked or raw.length_remaining is not None:
        return bool(raw.length_remaining)
    # A reply without a length or chunks ends with the connection, even in the
    # middle of its headers.
    if reply.status_code != 200:
        return False
    length = reply.headers.get(HEADER_LENGTH, "").strip()
    if re.fullmatch("[0-9]{1,18}", length):
        text, rest = content[: int(length)], content[int(length) :]
        if len(text) < int(length):
            return True
        return len(rest) < sum(map(declared_size, outputs_in(text)))
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


def outputs_in(text: bytes) -> list[Any]:
    """Returns the outputs in a JSON object, none if it is not valid."""
    try:
        outputs = json.loads(text)["outputs"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return []
    return outputs if isinstance(outputs, list) else []


def declared_size(output: Any) -> int:
    """Returns the declared number of bytes of an output, 0 if invalid."""
    try:
        size = output["parameters"]["binary_data_size"]
    except (TypeError, LookupError):
        return 0
    return size if type(size) is int and size > 0 else 0
