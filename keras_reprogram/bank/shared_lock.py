"""A lock for what many threads read and some change."""

import contextlib
import threading
from collections.abc import Iterator

from keras_reprogram.kept_state import to_the_end


class SharedLock:
    """Held by any number of threads together, or by one alone.

    A thread that holds it may take it again, in either way. Threads that wait
    to have it alone come before those that arrive later. Whoever has it is
    known by a token of its own, so that Ctrl-C at any moment leaves nothing
    behind: a token that is not there is let go of as one that is.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.sharing: dict[int, set[object]] = {}
        self.fixing: dict[int, set[object]] = {}
        self.owner: int | None = None
        self.owning: set[object] = set()
        self.waiting: set[object] = set()
        self.upgrading: set[object] = set()

    @contextlib.contextmanager
    def shared(self, fixed: bool = False) -> Iterator[None]:
        """Holds the lock together with others.

        Args:
            fixed: Whether this thread does not take it alone in the meantime.
        """
        me, token = threading.get_ident(), object()

        def let_go() -> None:
            with self.changed:
                for held in (self.sharing, self.fixing):
                    held.get(me, set()).discard(token)
                    if not held.get(me):
                        held.pop(me, None)
                self.changed.notify_all()

        try:
            with self.changed:
                if not self.is_mine(me) and me not in self.sharing:
                    self.changed.wait_for(
                        lambda: not self.owning and not self.waiting
                    )
                self.sharing.setdefault(me, set()).add(token)
                if fixed:
                    self.fixing.setdefault(me, set()).add(token)
            yield
        finally:
            to_the_end(let_go)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the lock while no other thread does.

        Raises:
            ValueError: In the middle of a prediction, or if two threads share
                the lock and each waits for the other to let go of it.
        """
        me, token = threading.get_ident(), object()

        def let_go() -> None:
            with self.changed:
                for held in (self.owning, self.waiting, self.upgrading):
                    held.discard(token)
                self.changed.notify_all()

        try:
            with self.changed:
                if me in self.fixing:
                    raise ValueError(
                        "Programs cannot be changed in the middle of a "
                        "prediction: change them before or afterwards. "
                        "Received: a change by the thread that predicts"
                    )
                if not self.is_mine(me):
                    self.wait_to_be_alone(me, token)
                self.owner = me
                self.owning.add(token)
            yield
        finally:
            to_the_end(let_go)

    def is_mine(self, me: int) -> bool:
        return bool(self.owning) and self.owner == me

    def wait_to_be_alone(self, me: int, token: object) -> None:
        if me in self.sharing:
            if self.upgrading:
                raise ValueError(
                    "Programs cannot be changed by two threads in the middle "
                    "of their answers: change them before or afterwards. "
                    "Received: a change while another thread waits to make one"
                )
            self.upgrading.add(token)
        self.waiting.add(token)
        self.changed.wait_for(
            lambda: not self.owning and not self.sharing.keys() - {me}
        )
        self.waiting.discard(token)
        self.upgrading.discard(token)
