"""What completion shows of the package, in a terminal and in a notebook."""

import functools
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
