"""A lock for what many threads read and some change."""

import contextlib
import threading
from collections.abc import Iterator


class SharedLock:
    """Held by any number of threads together, or by one alone.

    A thread that holds it may take it again, in either way. Threads that wait
    to have it alone come before those that arrive later.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.sharing: dict[int, int] = {}
        self.fixing: set[int] = set()
        self.owner: int | None = None
        self.depth = 0
        self.waiting = 0
        self.upgrading = False

    @contextlib.contextmanager
    def shared(self, fixed: bool = False) -> Iterator[None]:
        """Holds the lock together with others.

        Args:
            fixed: Whether this thread does not take it alone in the meantime.
        """
        me = threading.get_ident()
        with self.changed:
            if self.owner != me and me not in self.sharing:
                self.changed.wait_for(
                    lambda: self.owner is None and not self.waiting
                )
            self.sharing[me] = self.sharing.get(me, 0) + 1
            fixed = fixed and me not in self.fixing
            if fixed:
                self.fixing.add(me)
        try:
            yield
        finally:
            with self.changed:
                if fixed:
                    self.fixing.remove(me)
                self.sharing[me] -= 1
                if not self.sharing[me]:
                    del self.sharing[me]
                    self.changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the lock while no other thread does.

        Raises:
            ValueError: In the middle of a prediction, or if two threads share
                the lock and each waits for the other to let go of it.
        """
        me = threading.get_ident()
        with self.changed:
            if me in self.fixing:
                raise ValueError(
                    "Programs cannot be changed in the middle of a "
                    "prediction: change them before or afterwards. Received: "
                    "a change by the thread that predicts"
                )
            if self.owner != me:
                self.wait_to_be_alone(me)
            self.depth += 1
        try:
            yield
        finally:
            with self.changed:
                self.depth -= 1
                if not self.depth:
                    self.owner = None
                    self.changed.notify_all()

    def wait_to_be_alone(self, me: int) -> None:
        upgrades = me in self.sharing
        if upgrades and self.upgrading:
            raise ValueError(
                "Programs cannot be changed by two threads in the middle of "
                "their answers: change them before or afterwards. Received: a "
                "change while another thread waits to make one"
            )
        self.upgrading |= upgrades
        self.waiting += 1
        try:
            self.changed.wait_for(
                lambda: self.owner is None and not self.sharing.keys() - {me}
            )
            self.owner = me
        finally:
            self.waiting -= 1
            self.upgrading &= not upgrades
            self.changed.notify_all()
