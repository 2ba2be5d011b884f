"""Progress bars with a name."""

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
