"""Threads that share the work of one call, within a time limit."""

import queue
import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stopped(Exception):
    """Ends a thread whose call has ended."""


class Clock:
    """The time limit of a call.

    Args:
        seconds: Float. The time limit.

    Attributes:
        stopped: Event. Set when the call has ended.
        last_error: String. The last error of a request, or `None`.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.connections: dict[int, tuple[Any, Any]] = {}
        self.last_error: str | None = None

    def seconds_left(self) -> float:
        return max(self.end - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raises `Stopped` if the call has ended or its time is over."""
        if self.stopped.is_set() or not self.seconds_left():
            raise Stopped

    def watch(self, connection: Any) -> None:
        """Registers the connection on which this thread waits.

        Args:
            connection: An `http.client.HTTPConnection`.
        """
        with self.lock:
            self.check()
            # With TLS in TLS, the socket is wrapped in another object.
            wrapped = getattr(connection.sock, "socket", connection.sock)
            self.connections[threading.get_ident()] = connection, wrapped

    def release(self) -> None:
        """Returns the connection of this thread to the pool."""
        with self.lock:
            entry = self.connections.pop(threading.get_ident(), None)
            if entry is not None and self.stopped.is_set():
                entry[0].close()

    def stop(self) -> None:
        """Ends the call and closes the sockets on which its threads wait."""
        with self.lock:
            self.stopped.set()
            for _, wrapped in self.connections.values():
                try:
                    # Not the method of a TLS socket, which would remove the
                    # encryption and leave the connection open.
                    socket.socket.shutdown(wrapped, socket.SHUT_RDWR)
                except (OSError, TypeError):
                    pass

    def pause(self, seconds: float) -> None:
        self.stopped.wait(min(seconds, self.seconds_left()))
        self.check()


def clear_tracebacks(error: BaseException) -> None:
    """Removes tracebacks, which would keep requests and their headers."""
    errors: list[BaseException | None] = [error]
    while errors:
        current = errors.pop()
        if current is not None and current.__traceback__ is not None:
            current.__traceback__ = None
            errors += [current.__cause__, current.__context__]


def work(
    function: Callable[[Item], Result],
    waiting: "queue.SimpleQueue[tuple[int, Item]]",
    finished: "queue.SimpleQueue[tuple[int, Result] | Exception]",
    clock: Clock,
) -> None:
    """Applies a function to waiting items, until an exception."""
    while not clock.stopped.is_set():
        try:
            index, item = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            finished.put((index, function(item)))
        except Exception as error:
            clear_tracebacks(error)
            error.__cause__ = error.__context__ = None
            finished.put(error)
            return


def map_in_threads(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    clock: Clock,
) -> list[Result] | Exception:
    """Applies a function to items in several threads.

    The threads are daemons, so neither Ctrl-C nor the end of the program
    waits for them, even if a server does not reply. After the first
    exception, or when the time is over, no further item is started.

    Args:
        function: Callable. Applied to each item.
        items: Sequence of items.
        workers: Integer. The maximum number of threads.
        clock: A `Clock`, with the time limit.

    Returns:
        The results in the order of the items, or the first exception.
    """
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[int, Result] | Exception] = (
        queue.SimpleQueue()
    )
    for pair in enumerate(items):
        waiting.put(pair)

    results: dict[int, Result] = {}
    is_done = False
    try:
        for _ in range(min(workers, len(items))):
            threading.Thread(
                target=work,
                args=(function, waiting, finished, clock),
                daemon=True,
            ).start()
        for _ in items:
            result = finished.get(timeout=clock.seconds_left())
            if isinstance(result, Exception):
                return result
            results[result[0]] = result[1]
        is_done = True
    except queue.Empty:
        return Stopped()
    finally:
        if not is_done:
            clock.stop()
    return [results[index] for index in range(len(items))]
