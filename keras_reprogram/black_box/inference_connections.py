"""Connections that end with a call, and replies that cannot be endless."""

import http.client
import io
import threading
from typing import Any

import requests
import urllib3

from keras_reprogram.black_box.inference_call import Clock

# Longer lines of a reply, and reads of unknown length, are errors.
LONGEST_LINE = 2**16
# More than of headers and trailers, and of interim replies.
MOST_LINES = 1000
# The clock of the call for which a thread sends a request.
CURRENT = threading.local()


def current_clock() -> Clock | None:
    return getattr(CURRENT, "clock", None)


class BoundedFile:
    """What a server sends to a call, of which each read has a limit."""

    def __init__(self, file: io.BufferedReader, clock: Clock | None) -> None:
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
        # The size of a chunk that a server states may be negative.
        if size is None or size < 0:
            raise http.client.HTTPException("a part without a length")
        self.lines = 0
        return self.file.read(size)

    def readline(self, size: int = -1) -> bytes:
        self.check()
        line = self.file.readline(size if size >= 0 else LONGEST_LINE + 1)
        if size < 0 and len(line) > LONGEST_LINE:
            raise http.client.LineTooLong("line")
        self.lines += 1
        if self.lines > MOST_LINES:
            raise http.client.HTTPException(f"more than {MOST_LINES} lines")
        return line


class BoundedResponse(http.client.HTTPResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = BoundedFile(self.fp, current_clock())

    def begin(self) -> None:
        super().begin()
        # Lines that are no headers would be logged, with all that they hold.
        self.msg.defects.clear()
        self.msg.set_payload(None)


class Watched:
    """A connection whose socket is closed when the call ends."""

    response_class = BoundedResponse

    def getresponse(self) -> Any:
        clock = current_clock()
        if clock is not None:
            clock.watch(self)
        return super().getresponse()


class Adapter(requests.adapters.HTTPAdapter):
    """Makes connections that are watched, to servers and to proxies."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        watch(self.poolmanager)

    def proxy_manager_for(
        self, proxy: str, **kwargs: Any
    ) -> urllib3.PoolManager:
        manager = super().proxy_manager_for(proxy, **kwargs)
        watch(manager)
        return manager


def watch(manager: urllib3.PoolManager) -> None:
    """Lets a manager make pools of connections that are watched."""
    manager.pool_classes_by_scheme = {
        scheme: watched_pool(pool)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def watched_pool(pool: type) -> type:
    connection = pool.ConnectionCls
    if issubclass(connection, Watched):
        return pool
    watched = type(connection.__name__, (Watched, connection), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": watched})
