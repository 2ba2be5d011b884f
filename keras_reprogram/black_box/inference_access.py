"""Addresses of servers, and credentials that stay out of messages."""

import base64
import re
import urllib.parse
import warnings
from collections.abc import Mapping
from typing import Any

import requests

from keras_reprogram.black_box.inference_masking import HIDDEN
from keras_reprogram.black_box.inference_masking import SHORTEST_SECRET
from keras_reprogram.black_box.inference_masking import beginning
from keras_reprogram.black_box.inference_masking import has_port
from keras_reprogram.black_box.inference_masking import masked_cut
from keras_reprogram.black_box.inference_masking import proxy_secrets

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[!-~]([\t -~]*[!-~])?")
# What tells a server where a request ends, and how it is to be read.
FRAMING = (
    "content-encoding",
    "content-length",
    "inference-header-content-length",
    "transfer-encoding",
)
# Much more than is shown, which is a part of a text without its secrets.
LONGEST_MASKED = 2**20


class Authorization(requests.auth.AuthBase):
    """Sends one value, or none; a `.netrc` file does not replace it."""

    def __init__(self, value: str | None) -> None:
        self.value = value

    def __call__(
        self, request: requests.PreparedRequest
    ) -> requests.PreparedRequest:
        if self.value is not None:
            request.headers["Authorization"] = self.value
        return request


class Access:
    """The address of a server, and the headers that are sent to it.

    Attributes:
        url: The address, without user and password.
        headers: Headers of every request, without `Authorization`.
        authorization: Sets the header `Authorization`.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self.url, login = split_address(url)
        self.headers = checked_headers(headers)
        self.secrets = [
            value
            for value in self.headers.values()
            if len(value) >= SHORTEST_SECRET
        ]
        given = [
            self.headers.pop(name)
            for name in list(self.headers)
            if name.lower() == "authorization"
        ]
        value = given[-1] if given else None
        if token is not None:
            self.secrets.append(checked_token(token))
            value = f"Bearer {token}"
        elif value is None:
            login = login or requests.utils.get_netrc_auth(self.url)
        if login is not None:
            # A name without a password is a key itself.
            self.secrets.append(login[1] or login[0])
            if value is not None:
                warnings.warn(
                    "`url` holds a user and a password, which are not sent, "
                    "since `token` or `headers` hold another authorization: "
                    "pass one of them.",
                    stacklevel=3,
                )
            else:
                plain = ":".join(login).encode()
                value = "Basic " + base64.b64encode(plain).decode()
        if value is not None:
            self.secrets += [value, value.partition(" ")[2]]
        self.authorization = Authorization(value)

    def mask(self, text: str) -> str:
        """Returns a text without tokens, passwords and values of headers.

        This is the one place where texts of a server are cut, since a part of
        a secret cannot be told from another text.
        """
        return beginning(text, LONGEST_MASKED, self.all_secrets())

    def without_end(self, content: bytes) -> bytes:
        """Returns a text that was cut, without a part of a secret."""
        text = content.decode("utf-8", "replace")
        return masked_cut(text, self.all_secrets()).encode()

    def all_secrets(self) -> set[str]:
        """Secrets, with those of the environment's proxies."""
        proxies = requests.utils.get_environ_proxies(self.url)
        return {*self.secrets}.union(*map(proxy_secrets, proxies.values()))


def split_address(url: Any) -> tuple[str, list[str] | None]:
    """Returns an address without user and password, and these."""
    text = str(url)
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts = host = port = None
    if (
        parts is None
        or parts.scheme not in ("http", "https")
        or not host
        or port == 0
        or re.search(r"[\x00-\x20\x7f\\]", text)
    ):
        raise ValueError(
            "`url` must begin with http:// or https://, and a host. Received: "
            f"url={without_credentials(text)!r:.200}"
        )
    if "?" in text or "#" in text or "@" in parts.path:
        raise ValueError(
            "`url` must have no query, no fragment and no @ in its path: pass "
            "keys as `token` or in `headers`, and percent-encode a password. "
            f"Received: url={without_credentials(text)!r:.200}"
        )
    user, at, place = parts.netloc.rpartition("@")
    login = None
    if at:
        name, _, password = user.partition(":")
        login = [urllib.parse.unquote(name), urllib.parse.unquote(password)]
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{place}{path}", login


def without_credentials(text: str) -> str:
    """Returns the part of an address that may be shown."""
    shown = re.split(r"[?#]", text, maxsplit=1)[0]
    if "@" in text:
        scheme, separator, rest = shown.partition("://")
        place, slash, path = rest.partition("/")
        # With such a character in a password, it cannot be told from a path.
        if (
            not separator
            or "@" not in place
            or "@" in text[len(shown) :] + path
        ):
            return scheme + separator + HIDDEN if separator else HIDDEN
        shown = scheme + separator + place.rpartition("@")[2] + slash + path
    # With the host forgotten, a password is where a port should be.
    start = re.match("([A-Za-z0-9+.-]*:)?/+|", shown).end()
    if not has_port(shown[start:]):
        return f"{shown[: shown.index(':', start)]}:{HIDDEN}"
    return shown


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address.

    Raises:
        ValueError: If the address has no such parts.
    """
    parts = urllib.parse.urlsplit(url)
    ports = {"http": 80, "https": 443}
    port = ports.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port


def quoted(name: str, value: Any) -> str:
    """Returns a name as one segment of an address."""
    text = str(value)
    if not text or text in (".", ".."):
        raise ValueError(
            f"`{name}` must be a name that is not empty, `.` or `..`. "
            f"Received: {name}={value!r}"
        )
    return urllib.parse.quote(text, safe="")


def checked_token(token: Any) -> str:
    if not isinstance(token, str):
        raise ValueError(
            "`token` must be a string. Received: a token of type "
            f"{type(token).__name__}"
        )
    if not HEADER_VALUE.fullmatch(token):
        raise ValueError(
            "`token` must be of printable ASCII characters, without spaces "
            "and line breaks around it: call `.strip()` on what is read from "
            f"a file. Received: a token of {len(token)} characters"
        )
    return token


def checked_headers(headers: Any) -> dict[str, str]:
    """Returns headers that can be sent; messages do not hold their values."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise ValueError(
            "`headers` must be a dict from names to values. Received: a value "
            f"of type {type(headers).__name__}"
        )
    for position, (name, value) in enumerate(headers.items()):
        if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
            raise ValueError(
                "Names of `headers` must be of letters, digits and hyphens. "
                f"Received: another name, at position {position}"
            )
        if name.lower() in FRAMING:
            raise ValueError(
                f"`headers` must leave out {name!r}, which is set for every "
                f"request. Received: headers with {name!r}"
            )
        if not isinstance(value, str):
            raise ValueError(
                "Values of `headers` must be strings. Received: a value of "
                f"type {type(value).__name__} for {name!r}"
            )
        if value and not HEADER_VALUE.fullmatch(value):
            raise ValueError(
                "Values of `headers` must be of printable ASCII characters, "
                "without spaces and line breaks around them. Received: a "
                f"value of {len(value)} characters for {name!r}"
            )
    return dict(headers)
