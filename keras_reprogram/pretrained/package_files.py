"""Files of packages that contain pretrained weights."""

import hashlib
import importlib.util
import pathlib


def file_of_package(package: str, *parts: str, message: str) -> pathlib.Path:
    """Returns the path of a file of a package, without importing it.

    Args:
        package: String. The package's import name.
        *parts: Strings. The file's path within the package's directory.
        message: String. The error message if the package is not installed.

    Returns:
        A `pathlib.Path`.

    Raises:
        ImportError: If the package is not installed or lacks the file.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:  # A directory that was left over.
        raise ImportError(message)
    path = pathlib.Path(found.origin).parent.joinpath(*parts)
    if not path.is_file():
        raise ImportError(
            f"{message} Received: an installed package without {path}"
        )
    return path


def known_content(path: pathlib.Path, sha256: str) -> bytes:
    """Returns the content of a file, after checking its digest.

    Raises:
        ValueError: If the digest is not the expected one.
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
