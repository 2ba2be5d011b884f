"""Requests with retries and redirects, and replies of limited size."""

import dataclasses
import email.utils
import re
import time
import urllib.parse
from collections.abc import Mapping

import requests

from keras_reprogram.black_box.inference_access import Access
from keras_reprogram.black_box.inference_access import origin
from keras_reprogram.black_box.inference_access import without_credentials
from keras_reprogram.black_box.inference_connections import CURRENT
from keras_reprogram.black_box.inference_connections import WatchingAdapter
from keras_reprogram.black_box.inference_threads import Clock
from keras_reprogram.black_box.inference_threads import clear_tracebacks
from keras_reprogram.black_box.inference_truncation import is_truncated

# Statuses after which a request is retried.
TRANSIENT = (429, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
LONGEST_PAUSE = 60.0
# Bytes that are read at a time, and at most of an error reply.
CHUNK_SIZE = 2**16
MAX_ERROR_SIZE = 2**22


class InferenceError(RuntimeError):
    """A server replied with an error, or with something other than outputs."""


class NoReply(InferenceError):
    """A server did not reply, after all retries."""


class ReplyTooLarge(Exception):
    """A reply exceeds the size limit."""


class TruncatedReply(Exception):
    """A reply is incomplete."""


# Errors after which a request is retried.
TRANSIENT_ERRORS = (
    TruncatedReply,
    ConnectionError,
    TimeoutError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


@dataclasses.dataclass(frozen=True)
class Reply:
    """A reply that has been read completely.

    Attributes:
        status: Integer. The HTTP status.
        headers: Mapping of strings.
        content: Bytes. The decompressed body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


class NoRedirectSession(requests.Session):
    """Session that does not follow redirects or read their bodies."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class Transport:
    """Sends requests to one server.

    Args:
        access: An `Access`, with address, headers and authorization.
        connections: Integer. The maximum number of connections.
        timeout: Float. Seconds to wait for a connection, and for each part of
            a reply.
        retries: Integer. The maximum number of retries of a request.
        pause: Float. Seconds before the second retry.
        reply_limit: Integer. The maximum number of bytes of a decompressed
            reply.
    """

    def __init__(
        self,
        access: Access,
        connections: int,
        timeout: float,
        retries: int,
        pause: float,
        reply_limit: int,
    ) -> None:
        self.access = access
        self.connections = connections
        self.timeout = timeout
        self.retries = retries
        self.pause = pause
        self.reply_limit = reply_limit
        self.renew()

    def renew(self) -> None:
        """Opens a new session, without the connections of the last one."""
        session = NoRedirectSession()
        adapter = WatchingAdapter(
            pool_maxsize=self.connections, pool_block=True
        )
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        session.headers.update(self.access.headers)
        session.auth = self.access.authorization
        self.session = session

    def exchange(
        self,
        method: str,
        url: str,
        clock: Clock,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Sends a request and follows redirects on the same server.

        Args:
            method: String. The HTTP method.
            url: String. The address.
            clock: A `Clock`, with the time limit of the call.
            body: Bytes. The body of the request. Defaults to `None`.
            headers: Dictionary. Headers of the request. Defaults to `None`.

        Returns:
            A `Reply`.

        Raises:
            InferenceError: If there is no reply, if it is too large, or if it
                is a redirect to another server.
        """
        for _ in range(MAX_REDIRECTS + 1):
            reply = self.send_with_retries(method, url, clock, body, headers)
            if reply.status not in REDIRECTS:
                return reply
            url = self.redirect_url(method, url, reply)
        raise InferenceError(
            f"The server must redirect {MAX_REDIRECTS} times at most. "
            f"Received: a redirect to {without_credentials(url)!r}"
        )

    def send_with_retries(
        self,
        method: str,
        url: str,
        clock: Clock,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Reply:
        """Sends a request until the reply is not a transient error."""
        pause, next_pause = 0.0, min(self.pause, LONGEST_PAUSE)
        for retries_left in reversed(range(self.retries + 1)):
            reply = self.send_once(method, url, clock, body, headers)
            if isinstance(reply, Reply):
                if reply.status not in TRANSIENT or not retries_left:
                    return reply
                clock.last_error = f"status {reply.status}"
                requested = retry_after_seconds(
                    reply.headers.get("Retry-After")
                )
            else:
                clock.last_error, requested = reply, None
            if retries_left:
                clock.pause(pause if requested is None else requested)
                pause, next_pause = (
                    next_pause,
                    min(2 * next_pause, LONGEST_PAUSE),
                )
        raise NoReply(
            f"The server does not answer. Received: {clock.last_error}"
        )

    def send_once(
        self,
        method: str,
        url: str,
        clock: Clock,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Reply | str:
        """Sends a request once, and returns the reply or an error message."""
        clock.check()
        CURRENT.clock = clock
        try:
            with self.session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=max(min(self.timeout, clock.seconds_left()), 1e-3),
                allow_redirects=False,
                stream=True,
            ) as reply:
                content = self.read_content(reply, clock)
            return Reply(reply.status_code, reply.headers, content)
        except TRANSIENT_ERRORS as error:
            clear_tracebacks(error)
            return error_text(error)
        except ReplyTooLarge:
            raise InferenceError(
                f"The server must reply with at most {self.reply_limit} bytes: "
                "pass a larger `reply_limit` for large outputs, or a smaller "
                "`batch_size`. Received: more, decompressed"
            ) from None
        except (requests.RequestException, OSError, ValueError) as error:
            raise InferenceError(
                "The server's reply cannot be read. Received: "
                f"{error_text(error)}"
            ) from None
        finally:
            CURRENT.clock = None
            clock.release()

    def read_content(self, reply: requests.Response, clock: Clock) -> bytes:
        """Reads and decompresses the body of a reply, in chunks."""
        ok = 200 <= reply.status_code < 300
        parts, size = [], 0
        try:
            for part in reply.iter_content(CHUNK_SIZE):
                clock.check()
                size += len(part)
                parts.append(part)
                if not ok and size >= min(self.reply_limit, MAX_ERROR_SIZE):
                    return self.access.without_end(b"".join(parts))
                if size > self.reply_limit:
                    raise ReplyTooLarge
        except requests.RequestException:
            if ok:
                raise
            return self.access.without_end(b"".join(parts))
        content = b"".join(parts)
        if ok and is_truncated(reply, content):
            raise TruncatedReply(
                f"a reply of {size} bytes that is not complete"
            )
        return content

    def redirect_url(self, method: str, url: str, reply: Reply) -> str:
        """Returns the target of a redirect on the same server.

        Raises:
            InferenceError: If the redirect leads to another server, or drops
                the inputs.
        """
        location = reply.headers.get("Location", "")
        try:
            target = urllib.parse.urljoin(url, location)
            same = origin(target) == origin(url)
        except ValueError:
            target, same = location, False
        shown = without_credentials(target)
        if not location or not same:
            raise InferenceError(
                "The server redirects to another one, to which nothing was "
                "sent: pass its address as `url` if it should be queried. "
                f"Received: status {reply.status}, to {shown!r}"
            )
        if method != "GET" and reply.status not in (307, 308):
            raise InferenceError(
                "The server redirects in a way that drops the inputs: pass "
                "the right address as `url`. Received: status "
                f"{reply.status}, to {shown!r}"
            )
        parts = urllib.parse.urlsplit(target)
        return parts._replace(
            netloc=parts.netloc.rpartition("@")[2], fragment=""
        ).geturl()


def retry_after_seconds(text: str | None) -> float | None:
    """Returns the seconds in a `Retry-After` header, `None` if invalid."""
    text = (text or "").strip()
    if re.fullmatch("[0-9]+", text):
        return min(float(text), LONGEST_PAUSE)
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return min(max(moment - time.time(), 0.0), LONGEST_PAUSE)


def error_text(error: Exception) -> str:
    """Returns the message of an exception, without its request."""
    cause = error.args[0] if error.args else ""
    return f"{type(error).__name__}: {getattr(cause, 'reason', cause)}"
