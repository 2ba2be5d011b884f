"""Server addresses, and credentials that are kept out of messages."""

import base64
import re
import urllib.parse
import warnings
from collections.abc import Mapping

import requests

from keras_reprogram.black_box.inference_masking import HIDDEN
from keras_reprogram.black_box.inference_masking import SHORTEST_SECRET
from keras_reprogram.black_box.inference_masking import has_port
from keras_reprogram.black_box.inference_masking import masked_beginning
from keras_reprogram.black_box.inference_masking import masked_prefix
from keras_reprogram.black_box.inference_masking import proxy_secrets

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[!-~]([\t -~]*[!-~])?")
# Headers that define the length and the encoding of a request.
FRAMING = (
    "content-encoding",
    "content-length",
    "inference-header-content-length",
    "transfer-encoding",
)
# Characters that are masked, many more than a message shows.
LONGEST_MASKED = 2**20


class Authorization(requests.auth.AuthBase):
    """Sets the `Authorization` header, which a `.netrc` file cannot replace.

    Args:
        value: String, or `None` to send no header.
    """

    def __init__(self, value: str | None) -> None:
        self.value = value

    def __call__(
        self, request: requests.PreparedRequest
    ) -> requests.PreparedRequest:
        if self.value is not None:
            request.headers["Authorization"] = self.value
        return request


class Access:
    """A server's address, and the headers of requests to it.

    Args:
        url: String. The address, possibly with user and password.
        token: String. A bearer token, or `None`.
        headers: Dictionary. Headers of every request, or `None`.

    Attributes:
        url: String. The address without user and password.
        headers: Dictionary. The headers without `Authorization`.
        authorization: An `Authorization` that sets this header.
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
        value: str | None = None
        for name in list(self.headers):
            if name.lower() == "authorization":
                value = self.headers.pop(name)
        if token is not None:
            self.secrets.append(checked_token(token))
            value = f"Bearer {token}"
        elif value is None:
            login = login or requests.utils.get_netrc_auth(self.url)
        if login is not None:
            # A user without a password may be an API key.
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
        """Returns a text without tokens, passwords and header values.

        Texts of a server are truncated only here, since a part of a secret
        cannot be recognized afterwards.
        """
        return masked_beginning(text, LONGEST_MASKED, self.all_secrets())

    def without_end(self, content: bytes) -> bytes:
        """Returns a truncated text without secrets or parts of one."""
        text = content.decode("utf-8", "replace")
        return masked_prefix(text, self.all_secrets()).encode()

    def all_secrets(self) -> set[str]:
        """Returns all secrets, including those of proxies."""
        proxies = requests.utils.get_environ_proxies(self.url)
        return {*self.secrets}.union(*map(proxy_secrets, proxies.values()))


def split_address(url: object) -> tuple[str, tuple[str, str] | None]:
    """Splits an address into the address proper and its credentials.

    Returns:
        The address without credentials, and a pair of user and password, or
        `None`.

    Raises:
        ValueError: If the address is not valid.
    """
    text = str(url)
    try:
        parts = urllib.parse.urlsplit(text)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_valid = urllib.parse.urlsplit(""), False
    if (
        not is_valid
        or parts.scheme not in ("http", "https")
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
    user, at, location = parts.netloc.rpartition("@")
    login = None
    if at:
        name, _, password = user.partition(":")
        login = urllib.parse.unquote(name), urllib.parse.unquote(password)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{location}{path}", login


def without_credentials(text: str) -> str:
    """Returns an address without credentials, for messages."""
    shown = re.split(r"[?#]", text, maxsplit=1)[0]
    if "@" in text:
        scheme, separator, rest = shown.partition("://")
        location, slash, path = rest.partition("/")
        # A password with `/`, `?` or `#` cannot be distinguished from a path.
        if (
            not separator
            or "@" not in location
            or "@" in text[len(shown) :] + path
        ):
            return scheme + separator + HIDDEN if separator else HIDDEN
        shown = scheme + separator + location.rpartition("@")[2] + slash + path
    # If the host is missing, a password stands in the position of a port.
    match = re.match("([A-Za-z0-9+.-]*:)?/+|", shown)
    start = match.end() if match else 0
    if not has_port(shown[start:]):
        return f"{shown[: shown.index(':', start)]}:{HIDDEN}"
    return shown


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Returns scheme, host and port of an address.

    Raises:
        ValueError: If the address is not valid.
    """
    parts = urllib.parse.urlsplit(url)
    ports = {"http": 80, "https": 443}
    port = ports.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port


def quote_segment(name: str, value: object) -> str:
    """Returns a name as one segment of an address."""
    text = str(value)
    if not text or text in (".", ".."):
        raise ValueError(
            f"`{name}` must be a name that is not empty, `.` or `..`. "
            f"Received: {name}={value!r}"
        )
    return urllib.parse.quote(text, safe="")


def checked_token(token: object) -> str:
    if not isinstance(token, str):
        raise ValueError(
            "`token` must be a string. Received: a token of type "
            f"{type(token).__name__}"
        )
    if not HEADER_VALUE.fullmatch(token):
        raise ValueError(
            "`token` must be of printable ASCII characters, without spaces "
            "and line breaks around it: call `.strip()` on the contents of a "
            f"file. Received: a token of {len(token)} characters"
        )
    return token


def checked_headers(headers: object) -> dict[str, str]:
    """Returns a copy of headers, with errors that hide their values.

    Raises:
        ValueError: If a header cannot be sent.
    """
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
