"""Reading a program's archive, whoever wrote it.

Nothing here runs code from the file, builds an object, or allocates more than
the constants below allow and what the file declares and has.
"""

import contextlib
import io
import math
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from typing import IO
from typing import Any

import numpy as np

from keras_reprogram.saving import program_header
from keras_reprogram.saving.program_header import Header

HEADER = "program.json"
LARGEST_DIRECTORY = 2**18  # bytes
MOST_VARIABLES = 1000
BYTES_AT_ONCE = 2**20
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Sizes behind the data, and names in UTF-8.
FLAGS = 0x0808
END_OF_ARCHIVE = struct.Struct("<4s4H2LH")
END_OF_LARGE_ARCHIVE = 20  # bytes before it


class ProgramArchive:
    """An open program file whose header was checked.

    Args:
        archive: The open archive.

    Attributes:
        header: The header.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        check_members(archive)
        self.header: Header = program_header.parsed(self.header_bytes())
        self.arrays = program_header.declared_arrays(self.header)
        check_sizes(archive, self.arrays)

    def header_bytes(self) -> bytes:
        with self.archive.open(HEADER) as file:
            # A number of bytes: of what claims to be short and is not, Keras's
            # or Python's `read()` would hold all.
            return file.read(program_header.LARGEST_HEADER + 1)

    @property
    def num_variables(self) -> int:
        return len(self.header["variables"])

    def variable(self, index: int) -> np.ndarray:
        declared = self.arrays[index]
        if is_constant(declared):
            shape, dtype = tuple(declared["shape"]), declared["dtype"]
            return np.full(shape, declared["constant"], dtype)
        place = index - sum(map(is_constant, self.arrays[:index]))
        return read_array(self.archive, place, declared)

    def matrices(self) -> Iterator[np.ndarray]:
        """Reads the matrices of the configuration, one at a time."""
        for index in range(self.num_variables, len(self.arrays)):
            yield self.variable(index)

    def variables(self) -> Iterator[np.ndarray]:
        """Reads the arrays, one at a time."""
        yield from map(self.variable, range(self.num_variables))


@contextlib.contextmanager
def opened(filepath: str | os.PathLike[str]) -> Iterator[ProgramArchive]:
    """Opens a program file and checks its header.

    Raises:
        Exception: Of any kind, where the file is not a valid program.
    """
    with open(filepath, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ValueError("a program is a regular file")
        check_end(stream)
        with zipfile.ZipFile(stream) as archive:
            yield ProgramArchive(archive)


def read(
    filepath: str | os.PathLike[str],
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Reads a program's header and arrays.

    Raises:
        Exception: Of any kind, where the file is not a valid program.
    """
    with opened(filepath) as archive:
        return archive.header, list(archive.variables())


def member(index: int) -> str:
    return f"variables/{index}.npy"


def check_end(stream: IO[bytes]) -> None:
    """Raises unless the list of members is where and as long as it should be.

    It is read whole by whoever opens the archive.
    """
    length = stream.seek(0, os.SEEK_END)
    stream.seek(max(length - END_OF_ARCHIVE.size - END_OF_LARGE_ARCHIVE, 0))
    before = stream.read()[: -END_OF_ARCHIVE.size]
    stream.seek(max(length - END_OF_ARCHIVE.size, 0))
    end = stream.read()
    if len(end) != END_OF_ARCHIVE.size:
        raise ValueError("the archive is too short")
    mark, *_, entries, size, start, comment = END_OF_ARCHIVE.unpack(end)
    if mark != b"PK\5\6" or comment or before.startswith(b"PK\6\7"):
        raise ValueError("the archive has no end, or more than one")
    if entries > MOST_VARIABLES + 1 or size > LARGEST_DIRECTORY:
        raise ValueError("the archive has too many members")
    if start + size + END_OF_ARCHIVE.size != length:
        raise ValueError("the archive is not whole")


def check_members(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > MOST_VARIABLES + 1:
        raise ValueError("the archive has too many members")
    if any(info.compress_type not in COMPRESSIONS for info in members):
        raise ValueError("a member is compressed in an unknown way")
    if any(info.flag_bits & ~FLAGS for info in members):
        raise ValueError("a member is encrypted, or stored in an unknown way")
    names = [HEADER, *map(member, range(len(members) - 1))]
    if sorted(info.filename for info in members) != sorted(names):
        raise ValueError("the archive's members are not those of a program")


def is_constant(declared: dict[str, Any]) -> bool:
    """Whether a variable is no member: a translated header has added it."""
    return "constant" in declared


def check_sizes(
    archive: zipfile.ZipFile, declared: list[dict[str, Any]]
) -> None:
    """Raises unless every array takes the space that it should."""
    members = [each for each in declared if not is_constant(each)]
    if len(members) != len(archive.infolist()) - 1:
        raise ValueError("there are not as many variables as declared")
    check_total(declared)
    for index, variable in enumerate(members):
        size = archive.getinfo(member(index)).file_size
        if not 0 < size - num_bytes(variable) <= 4096:
            raise ValueError(f"{member(index)} has a wrong size")


def check_total(declared: list[dict[str, Any]]) -> None:
    if len(declared) > MOST_VARIABLES:
        raise ValueError(f"there are more than {MOST_VARIABLES} variables")
    if sum(map(num_bytes, declared)) > program_header.LARGEST_TOTAL:
        raise ValueError(
            f"variables take more than {program_header.LARGEST_TOTAL} bytes"
        )


def num_bytes(variable: dict[str, Any]) -> int:
    itemsize: int = np.dtype(variable["dtype"]).itemsize
    return itemsize * int(math.prod(variable["shape"]))


def read_array(
    archive: zipfile.ZipFile, index: int, variable: dict[str, Any]
) -> np.ndarray:
    value = np.empty(tuple(variable["shape"]), variable["dtype"])
    with archive.open(member(index)) as file:
        if array_header(file) != expected_header(value):
            raise ValueError(f"{member(index)} is not what was declared")
        rest = value.reshape(-1).view("uint8").data
        while rest:
            content = file.read(min(len(rest), BYTES_AT_ONCE))
            if not content:
                raise ValueError(f"{member(index)} ends too early")
            rest[: len(content)] = content
            rest = rest[len(content) :]
        if file.read(1):  # reads to the end, where the CRC is
            raise ValueError(f"{member(index)} is longer than declared")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise ValueError(f"{member(index)} holds NaN or infinity")
    return value


def array_header(file: IO[bytes]) -> bytes:
    """What an array's file says of it, up to the array."""
    start = file.read(len(np.lib.format.magic(1, 0)) + 2)
    (length,) = struct.unpack("<H", start[-2:])
    # NumPy's versions pad it differently.
    return start[:-2] + file.read(length).rstrip(b" \n")


def expected_header(value: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, np.lib.format.header_data_from_array_1_0(value)
    )
    stream.seek(0)
    return array_header(stream)
