"""The time that steps take."""

import time


class Stopwatch:
    """The seconds that one step after the other takes, from now on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.monotonic()

    def lap(self, name: str) -> None:
        """Ends a step."""
        now = time.monotonic()
        self.seconds[name] = now - self.last
        self.last = now

    def __str__(self) -> str:
        return "Time: " + ", ".join(
            f"{name} {value:.1f} s" for name, value in self.seconds.items()
        )
