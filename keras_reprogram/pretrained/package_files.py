"""Files of packages that bring pretrained weights."""

import hashlib
import importlib.util
import pathlib


def file_of_package(package: str, *parts: str, message: str) -> pathlib.Path:
    """Path of a file of an installed package, which is not imported.

    Args:
        package: The package's name, as it is imported.
        *parts: Where the file is in the package's folder.
        message: Of the error where the package is not installed.

    Raises:
        ImportError: If the package is not installed, or the file is not there.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:  # a folder that was left over
        raise ImportError(message)
    path = pathlib.Path(found.origin).parent.joinpath(*parts)
    if not path.is_file():
        raise ImportError(
            f"{message} Received: an installed package without {path}"
        )
    return path


def known_content(path: pathlib.Path, sha256: str) -> bytes:
    """What a file holds, if it is what it should be.

    Raises:
        ValueError: If it is something else.
    """
    content = path.read_bytes()
    check_content(path, content, sha256)
    return content


def check_content(
    path: str | pathlib.Path, content: bytes, sha256: str
) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ValueError(
            f"The file {path} should have the SHA-256 digest {sha256}: "
            f"install its package again. Received: {digest}"
        )
