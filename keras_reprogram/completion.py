"""What completion and `help` show, in a terminal and in a notebook."""

import functools
import inspect
import sys
import textwrap
from collections.abc import Iterable
from types import FunctionType
from types import ModuleType


def show_public_names(package: ModuleType) -> None:
    """Makes `dir` of a package and of its public modules list `__all__`.

    What a module imports, and the modules that a room consists of, are
    attributes all the same.

    Args:
        package: Module whose `__all__` names the public modules among others.
    """
    members = vars(package)
    for module in (package, *[members[name] for name in package.__all__]):
        if isinstance(module, ModuleType):
            names = vars(module)
            names["__dir__"] = functools.partial(list, names["__all__"])


def show_pages(functions: Iterable[FunctionType]) -> None:
    """Puts the docstring of each function's module before its arguments.

    A module is a page on a paper with one function, and hidden by the function
    of its name. `help` shows both together.

    Args:
        functions: Functions, each with a docstring of several paragraphs.
    """
    for function in functions:
        page = sys.modules[function.__module__].__doc__
        if page and function.__doc__:  # Python can be told to keep none.
            own = inspect.cleandoc(function.__doc__).partition("\n")[2]
            text = textwrap.indent(f"{page.strip()}\n{own}", "    ")
            function.__doc__ = f"{text.strip()}\n    "
