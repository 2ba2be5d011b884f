"""Progress bars with a name, and the time that steps take."""

import time

import keras


class Progress:
    """A progress bar, or nothing at all.

    Args:
        total: Integer. Number of steps.
        verbose: 0 for silence, 1 or `"auto"` for a bar.
    """

    def __init__(self, total: int, verbose: str | int) -> None:
        shown = int(verbose == "auto" or verbose == 1)
        self.bar = keras.utils.Progbar(max(total, 1), verbose=shown)

    def add(self, steps: int = 1) -> None:
        """Moves the bar on."""
        self.bar.add(steps)


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
        return ", ".join(
            f"{name} {value:.1f} s" for name, value in self.seconds.items()
        )
