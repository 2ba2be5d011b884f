"""Messages and progress bars, written to where Keras writes its own."""

import logging
import sys

import keras

logger = logging.getLogger("keras_reprogram")


def show(message: str, verbose: str | int) -> None:
    """Writes to where Keras writes its progress bars, and to the log else.

    Args:
        message: String, without a line break at its end.
        verbose: 0 for the log, another value of Keras's `verbose` otherwise.
    """
    if verbose and keras.config.is_interactive_logging_enabled():
        sys.stdout.write(f"{message}\n")
        sys.stdout.flush()
    else:
        logger.info(message)


class Progress:
    """A progress bar under a line that says what it counts.

    Args:
        title: String, such as `"Finding the label map"`.
        total: Integer. Number of steps; `None` if it is not known.
        verbose: 0 for silence, 1 or `"auto"` for a bar, 2 for a line at the
            end.
        unit: String. What a step is. Defaults to `"batch"`.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        verbose: str | int,
        unit: str = "batch",
    ) -> None:
        if verbose not in (0, 1, 2, "auto"):
            raise ValueError(
                '`verbose` must be 0, 1, 2 or "auto". Received: '
                f"verbose={verbose!r}"
            )
        self.title = title if verbose else ""
        self.bar = keras.utils.Progbar(
            total, verbose=1 if verbose == "auto" else verbose, unit_name=unit
        )
        self.done = 0

    def add(self, steps: int = 1) -> None:
        """Moves the bar on, the first time with the title above it."""
        if self.title:
            show(self.title, verbose=1)
            self.title = ""
        self.done += steps
        self.bar.add(steps)

    def finish(self) -> None:
        """Ends the bar, also after fewer steps than there might have been."""
        if self.done and self.done != self.bar.target:
            self.bar.target = self.done
            self.bar.update(self.done, finalize=True)
