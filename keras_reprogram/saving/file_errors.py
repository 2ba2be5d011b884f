"""Errors about a program file, which must not repeat what the file brought."""

import contextlib
import functools
import os
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar
from typing import cast

Function = TypeVar("Function", bound=Callable[..., Any])
LONGEST_MESSAGE = 2000  # characters
LONGEST_PATH = 300
OMISSION = " [...] "


def with_short_errors(function: Function) -> Function:
    """Shortens messages of errors about a file, and drops their causes.

    Both hold what the file brought.
    """

    @functools.wraps(function)
    def shortening(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ValueError as error:
            if is_short(error):
                raise
            message = shortened(str(error))
        raise ValueError(message)

    return cast(Function, shortening)


@contextlib.contextmanager
def damaged(filepath: str | os.PathLike[str]) -> Iterator[None]:
    """Says of whatever is raised that the file is not valid."""
    try:
        yield
    except Exception as error:
        described = shortened(
            f"{type(error).__name__}: {error}",
            LONGEST_MESSAGE - 2 * LONGEST_PATH,
        )
        raise ValueError(
            "The file is not a valid program, or was damaged: "
            f"{described}. Received: {shortened(str(filepath), LONGEST_PATH)}"
        ) from error


def shortened(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """The beginning and the end of a text that is too long."""
    if len(text) <= longest:
        return text
    rest = longest - len(OMISSION)
    return text[: rest - rest // 2] + OMISSION + text[-(rest // 2) :]


def is_short(error: BaseException | None) -> bool:
    """Whether neither an error nor its causes say much."""
    while error is not None:
        if len(str(error)) > LONGEST_MESSAGE:
            return False
        error = error.__cause__ or error.__context__
    return True
