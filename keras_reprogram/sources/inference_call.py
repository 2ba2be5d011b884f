"""Work of a call that several threads do, in a limited time."""

import queue
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
        self.trouble: str | None = None

    def left(self) -> float:
        return max(self.end - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raises if the call has ended, or its time has."""
        if self.stopped.is_set() or not self.left():
            raise Stopped

    def pause(self, seconds: float) -> None:
        self.stopped.wait(min(seconds, self.left()))
        self.check()


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
                # A traceback would keep requests, with all that they hold.
                error.__cause__ = error.__context__ = None
                finished.put((None, error.with_traceback(None)))
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
            clock.stopped.set()
    return results
