"""Requests that are sent again, and replies of limited size."""

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
from keras_reprogram.black_box.inference_call import Clock
from keras_reprogram.black_box.inference_call import forget
from keras_reprogram.black_box.inference_connections import CURRENT
from keras_reprogram.black_box.inference_connections import Adapter
from keras_reprogram.black_box.inference_endings import is_cut

# What goes away by itself: too many requests, and a server in trouble.
TRANSIENT = (429, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
LONGEST_PAUSE = 60.0
# Bytes that are read at a time, and most of a reply that is no answer.
PART = 2**16
MOST_OF_AN_ERROR = 2**22


class InferenceError(RuntimeError):
    """A server's reply that is no answer."""


class NoReply(InferenceError):
    """A server does not answer, however often it is asked."""


class TooLarge(Exception):
    """A reply has more bytes than are allowed."""


class CutOff(Exception):
    """A reply has fewer bytes than it should have."""


# What goes away by itself, of what is raised.
PASSING = (
    CutOff,
    ConnectionError,
    TimeoutError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


@dataclasses.dataclass(frozen=True)
class Reply:
    """A reply that has been read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


class Session(requests.Session):
    """Leaves redirects alone, and so does not read their bodies."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class Transport:
    """Sends requests to one server.

    Args:
        access: Address, headers and authorization.
        connections: Most connections at the same time.
        timeout: Seconds to wait for a connection, and for each part of a
            reply.
        retries: How often a request is sent again.
        pause: Seconds before the second time that it is sent again.
        reply_limit: Most bytes of a reply, decompressed.
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
        """Leaves alone the connections of requests that are given up."""
        session = Session()
        adapter = Adapter(pool_maxsize=self.connections, pool_block=True)
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
        """Returns the reply to a request that a redirect may move.

        Raises:
            InferenceError: If there is no reply, if it is too large, or if it
                is a redirect to another server.
        """
        for _ in range(MOST_REDIRECTS + 1):
            reply = self.persist(method, url, clock, body, headers)
            if reply.status not in REDIRECTS:
                return reply
            url = self.redirected(method, url, reply)
        raise InferenceError(
            f"The server must redirect {MOST_REDIRECTS} times at most. "
            f"Received: a redirect to {without_credentials(url)!r}"
        )

    def persist(
        self,
        method: str,
        url: str,
        clock: Clock,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Reply:
        """Sends a request until there is a reply of some permanence."""
        pause, next_pause = 0.0, min(self.pause, LONGEST_PAUSE)
        for left in reversed(range(self.retries + 1)):
            reply = self.attempt(method, url, clock, body, headers)
            if isinstance(reply, Reply):
                if reply.status not in TRANSIENT or not left:
                    return reply
                clock.trouble = f"status {reply.status}"
                asked = seconds_asked(reply.headers.get("Retry-After"))
            else:
                clock.trouble, asked = reply, None
            if left:
                clock.pause(pause if asked is None else asked)
                pause, next_pause = (
                    next_pause,
                    min(2 * next_pause, LONGEST_PAUSE),
                )
        raise NoReply(f"The server does not answer. Received: {clock.trouble}")

    def attempt(
        self,
        method: str,
        url: str,
        clock: Clock,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Reply | str:
        """Sends a request once, and returns a reply or what went wrong."""
        clock.check()
        CURRENT.clock = clock
        try:
            with self.session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=max(min(self.timeout, clock.left()), 1e-3),
                allow_redirects=False,
                stream=True,
            ) as reply:
                content = self.content(reply, clock)
            return Reply(reply.status_code, reply.headers, content)
        except PASSING as error:
            forget(error)
            return described(error)
        except TooLarge:
            raise InferenceError(
                f"The server must reply with at most {self.reply_limit} bytes: "
                "pass a larger `reply_limit` for large outputs, or a smaller "
                "`batch_size`. Received: more, decompressed"
            ) from None
        except (requests.RequestException, OSError, ValueError) as error:
            raise InferenceError(
                "The server's reply cannot be read. Received: "
                f"{described(error)}"
            ) from None
        finally:
            CURRENT.clock = None
            clock.release()

    def content(self, reply: requests.Response, clock: Clock) -> bytes:
        """Reads a reply's body, decompressed, as it comes in."""
        ok = 200 <= reply.status_code < 300
        parts, size = [], 0
        try:
            for part in reply.iter_content(PART):
                clock.check()
                size += len(part)
                parts.append(part)
                if not ok and size >= min(self.reply_limit, MOST_OF_AN_ERROR):
                    return self.access.without_end(b"".join(parts))
                if size > self.reply_limit:
                    raise TooLarge
        except requests.RequestException:
            if ok:
                raise
            return self.access.without_end(b"".join(parts))
        content = b"".join(parts)
        if ok and is_cut(reply, content):
            raise CutOff(f"a reply of {size} bytes that is not complete")
        return content

    def redirected(self, method: str, url: str, reply: Reply) -> str:
        """Returns where a redirect leads to, on the same server."""
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
                "sent: pass its address as `url` if it is to be asked. "
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


def seconds_asked(text: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for, or `None` if it is not valid."""
    text = (text or "").strip()
    if re.fullmatch("[0-9]+", text):
        return min(float(text), LONGEST_PAUSE)
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return min(max(moment - time.time(), 0.0), LONGEST_PAUSE)


def described(error: Exception) -> str:
    """What an exception of a request says, without its request."""
    cause = error.args[0] if error.args else ""
    return f"{type(error).__name__}: {getattr(cause, 'reason', cause)}"
