"""Connections that end with a call, and replies of limited length."""

import http.client
import threading
from typing import Any

import requests
import urllib3

from keras_reprogram.black_box.inference_threads import Clock

# Longer lines of a reply are errors.
MAX_LINE_LENGTH = 2**16
# More than headers, trailers and interim replies need.
MAX_LINES = 1000
# The clock of the call for which a thread sends a request.
CURRENT = threading.local()


def current_clock() -> Clock | None:
    return getattr(CURRENT, "clock", None)


class BoundedFile:
    """A file-like object of a reply, with a limit for each read."""

    def __init__(self, file: Any, clock: Clock | None) -> None:
        self.file = file
        self.clock = clock
        self.lines = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def check(self) -> None:
        if self.clock is not None:
            self.clock.check()

    def read(self, size: int | None = -1) -> bytes:
        self.check()
        # A chunk may have a negative size.
        if size is None or size < 0:
            raise http.client.HTTPException("a part without a length")
        self.lines = 0
        content: bytes = self.file.read(size)
        return content

    def readline(self, size: int = -1) -> bytes:
        self.check()
        line: bytes = self.file.readline(
            size if size >= 0 else MAX_LINE_LENGTH + 1
        )
        if size < 0 and len(line) > MAX_LINE_LENGTH:
            raise http.client.LineTooLong("line")
        self.lines += 1
        if self.lines > MAX_LINES:
            raise http.client.HTTPException(f"more than {MAX_LINES} lines")
        return line


class BoundedResponse(http.client.HTTPResponse):
    """A response that is read through a `BoundedFile`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        file: Any = BoundedFile(self.fp, current_clock())
        self.fp = file

    def begin(self) -> None:
        super().begin()
        # Invalid header lines would be logged, with the secrets in them.
        self.msg.defects.clear()
        self.msg.set_payload("")


class WatchedConnection(http.client.HTTPConnection):
    """A connection whose socket is closed when the call ends."""

    response_class = BoundedResponse

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        clock = current_clock()
        if clock is not None:
            clock.watch(self)
        return super().getresponse(*args, **kwargs)


class WatchingAdapter(requests.adapters.HTTPAdapter):
    """Makes watched connections, to servers and to proxies."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        watch(self.poolmanager)

    def proxy_manager_for(
        self, proxy: str, **kwargs: Any
    ) -> urllib3.PoolManager:
        manager: urllib3.PoolManager = super().proxy_manager_for(
            proxy, **kwargs
        )
        watch(manager)
        return manager


def watch(manager: urllib3.PoolManager) -> None:
    """Makes a manager use watched connections."""
    manager.pool_classes_by_scheme = {
        scheme: watched_pool(pool)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def watched_pool(
    pool: type[urllib3.HTTPConnectionPool],
) -> type[urllib3.HTTPConnectionPool]:
    connection: type = pool.ConnectionCls
    if issubclass(connection, WatchedConnection):
        return pool
    watched = type(connection.__name__, (WatchedConnection, connection), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": watched})
