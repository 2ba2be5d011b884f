"""Work of a call that several threads do, in a limited time."""

import queue
import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any


class Stopped(Exception):
    """Ends a thread whose call has ended."""


class Clock:
    """The time that is left to a call.

    Attributes:
        seconds: All the time that the call has.
        stopped: Whether the call has ended.
        trouble: What went wrong last.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.connections: dict[int, tuple[Any, Any]] = {}
        self.trouble: str | None = None

    def left(self) -> float:
        return max(self.end - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raises if the call has ended, or its time has."""
        if self.stopped.is_set() or not self.left():
            raise Stopped

    def watch(self, connection: Any) -> None:
        """Holds the connection on which this thread waits."""
        with self.lock:
            self.check()
            # With TLS through TLS, a socket is within another object.
            found = getattr(connection.sock, "socket", connection.sock)
            self.connections[threading.get_ident()] = connection, found

    def release(self) -> None:
        """Leaves the connection of this thread to other calls."""
        with self.lock:
            held = self.connections.pop(threading.get_ident(), None)
            if held is not None and self.stopped.is_set():
                held[0].close()

    def stop(self) -> None:
        """Ends the call, and what its threads wait for."""
        with self.lock:
            self.stopped.set()
            for _, held in self.connections.values():
                try:
                    # Not that of TLS, which would go on without encryption.
                    socket.socket.shutdown(held, socket.SHUT_RDWR)
                except (OSError, TypeError):
                    pass

    def pause(self, seconds: float) -> None:
        self.stopped.wait(min(seconds, self.left()))
        self.check()


def forget(error: BaseException) -> None:
    """Removes tracebacks, which would keep requests and what they hold."""
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and each.__traceback__ is not None:
            each.__traceback__ = None
            left += [each.__cause__, each.__context__]


def gather(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    workers: int,
    clock: Clock,
) -> list[Any] | Exception:
    """Returns a function's results in order, or the first exception.

    The threads are daemons, which neither an interrupt nor the end of the
    program waits for, even while a server keeps them waiting. After the first
    exception, or when the time is over, no further item is begun.
    """
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    finished: queue.SimpleQueue = queue.SimpleQueue()
    for pair in enumerate(items):
        waiting.put(pair)

    def work() -> None:
        while not clock.stopped.is_set():
            try:
                place, item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                finished.put((place, function(item)))
            except Exception as error:
                forget(error)
                error.__cause__ = error.__context__ = None
                finished.put((None, error))
                return

    results = [None] * len(items)
    done = False
    try:
        for _ in range(min(workers, len(items))):
            threading.Thread(target=work, daemon=True).start()
        for _ in items:
            place, result = finished.get(timeout=clock.left())
            if place is None:
                return result
            results[place] = result
        done = True
    except queue.Empty:
        return Stopped()
    finally:
        if not done:
            clock.stop()
    return results
