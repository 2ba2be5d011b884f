"""Import of optional packages."""

import importlib
from types import ModuleType


def optional_package(name: str, extra: str, user: str) -> ModuleType:
    """Imports a package that is not a dependency of the library.

    Args:
        name: String. Name of the module, such as `"matplotlib.figure"`.
        extra: String. The extra of `keras-reprogram` that installs it.
        user: String. What needs it, as the beginning of a sentence.

    Returns:
        The module.

    Raises:
        ImportError: If the package or one of its dependencies is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{user} needs the package `{name.partition('.')[0]}`: "
            f"`pip install keras-reprogram[{extra}]`. Received: {error}"
        ) from error
