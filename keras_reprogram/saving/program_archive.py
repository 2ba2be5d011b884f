"""Reading a program's archive, whoever wrote it.

Nothing here runs code from the file, builds an object, or allocates more than
the constants below allow and what the file declares and has.
"""

import contextlib
import io
import json
import math
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from typing import Any
from typing import BinaryIO

import numpy as np

from keras_reprogram.saving import program_matrices
from keras_reprogram.saving import version_0_1_0

FORMAT = "keras-reprogram program"
VERSION = 2
HEADER = "program.json"
LARGEST_HEADER = 4 * 2**20  # bytes
LARGEST_SAMPLE = 2**25  # values
LARGEST_TOTAL = 2**30  # bytes
LARGEST_DIRECTORY = 2**18  # bytes
MOST_VARIABLES = 1000
# An empty list of three bytes takes 64 in memory, a key of four 200.
MOST_BRACKETS = 2**17
MOST_QUOTES = 2**19
LONGEST_NUMBER = 40  # characters
LARGEST_INTEGER = 2**63
BYTES_AT_ONCE = 2**20
DTYPES = ("float16", "float32", "float64", "int32")
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Sizes behind the data, and names in UTF-8.
FLAGS = 0x0808
END_OF_ARCHIVE = struct.Struct("<4s4H2LH")
END_OF_LARGE_ARCHIVE = 20  # bytes before it
ENDS = ("input_reprogrammer", "label_mapper")
FINGERPRINT = {
    "model": str,
    "input_shape": list,
    "output_shape": list,
    "parameters": int,
    "weights": list,
}


class ProgramArchive:
    """An open program file whose header was checked.

    Args:
        archive: The open archive.

    Attributes:
        header: The configuration.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        check_members(archive)
        self.header = parsed(self.header_bytes())
        self.arrays = arrays_of(self.header)
        check_sizes(archive, self.arrays)

    def header_bytes(self) -> bytes:
        with self.archive.open(HEADER) as file:
            # A number of bytes: of what claims to be short and is not, Keras's
            # or Python's `read()` would hold all.
            return file.read(LARGEST_HEADER + 1)

    @property
    def num_variables(self) -> int:
        return len(self.header["variables"])

    def variable(self, index: int) -> np.ndarray:
        return read_array(self.archive, index, self.arrays[index])

    def matrices(self) -> Iterator[np.ndarray]:
        """Reads the matrices of the configuration, one at a time."""
        for index in range(self.num_variables, len(self.arrays)):
            yield self.variable(index)

    def variables(self) -> Iterator[np.ndarray]:
        """Reads the arrays, one at a time."""
        yield from map(self.variable, range(self.num_variables))


@contextlib.contextmanager
def opened(filepath: str | os.PathLike) -> Iterator[ProgramArchive]:
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
    filepath: str | os.PathLike,
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Reads a program's header and arrays.

    Raises:
        Exception: Of any kind, where the file is not a valid program.
    """
    with opened(filepath) as archive:
        return archive.header, list(archive.variables())


def member(index: int) -> str:
    return f"variables/{index}.npy"


def check_end(stream: BinaryIO) -> None:
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


def parsed(content: bytes) -> dict[str, Any]:
    """A header from its bytes, checked but for the ends' own configs."""
    if len(content) > LARGEST_HEADER:
        raise ValueError(
            f"the configuration has more than {LARGEST_HEADER} bytes"
        )
    if (
        content.count(b"[") + content.count(b"{") > MOST_BRACKETS
        or content.count(b'"') > MOST_QUOTES
    ):
        raise ValueError("the configuration has too many parts")
    header = json.loads(
        content.decode(),
        object_pairs_hook=unique,
        parse_int=parsed_integer,
        parse_float=parsed_float,
        parse_constant=parsed_float,
    )
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("the configuration is not that of a program")
    version = header.get("version")
    if version == version_0_1_0.FORMAT_VERSION:
        header = version_0_1_0.translated(header)
    elif version != VERSION:
        raise ValueError(f"the format's version is {version}, not {VERSION}")
    for end in ENDS:
        if not isinstance(header[end]["config"], dict):
            raise ValueError(f"`{end}` has no configuration")
    check_fingerprint(header["source"])
    for variable in arrays_of(header):
        check_variable(variable)
    check_matrices(header.get("matrices", []))
    check_shapes(header)
    return header


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the configuration has a key twice")
    return found


def parsed_integer(text: str) -> int:
    value = int(text) if len(text) <= LONGEST_NUMBER else LARGEST_INTEGER
    if not -LARGEST_INTEGER < value < LARGEST_INTEGER:
        raise ValueError("the configuration holds too large an integer")
    return value


def parsed_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("the configuration holds a number without bounds")
    return value


def check_fingerprint(fingerprint: Any) -> None:
    for key, kind in FINGERPRINT.items():
        if type(fingerprint[key]) is not kind:
            raise ValueError(f"the source's `{key}` is not a {kind.__name__}")
    for key, kinds in (
        ("input_shape", (int, type(None))),
        ("output_shape", (int, type(None))),
        ("weights", (str,)),
    ):
        if any(type(item) not in kinds for item in fingerprint[key]):
            raise ValueError(f"the source's `{key}` holds something else")
    if type((fingerprint["output_shape"] or [None])[-1]) is not int:
        raise ValueError("the source has no axis of classes")


def check_variable(variable: Any) -> None:
    shape, dtype = variable["shape"], variable["dtype"]
    if not isinstance(shape, list) or not isinstance(dtype, str):
        raise ValueError("a variable has no shape or no dtype")
    if dtype not in DTYPES:
        raise ValueError("a variable has a wrong dtype")
    check_size(tuple(shape), LARGEST_TOTAL)


def arrays_of(header: dict[str, Any]) -> list[dict[str, Any]]:
    """Shape and dtype of the file's arrays: variables, then matrices."""
    return [*header["variables"], *header.get("matrices", [])]


def check_matrices(matrices: list[dict[str, Any]]) -> None:
    """Raises for matrices that a configuration cannot hold."""
    if any(
        len(matrix["shape"]) != 2 or matrix["dtype"] != "float64"
        for matrix in matrices
    ):
        raise ValueError("a matrix of the configuration has a wrong shape")
    numbers = sum(math.prod(matrix["shape"]) for matrix in matrices)
    if numbers > program_matrices.LARGEST:
        raise ValueError(
            "the configuration's matrices have more than "
            f"{program_matrices.LARGEST} numbers"
        )


def check_shapes(header: dict[str, Any]) -> None:
    """Raises if a sample or a canvas of the config is absurdly large."""
    for key in ("source_shape", "target_shape"):
        shape = config_shape(header, key) or ()
        check_size(
            tuple(1 if size is None else size for size in shape),
            LARGEST_SAMPLE,
        )


def config_shape(
    header: dict[str, Any], key: str
) -> tuple[int | None, ...] | None:
    """A shape that the config of the input transformation names, if it does."""
    shape = header["input_reprogrammer"]["config"].get(key)
    if isinstance(shape, dict):  # a tuple, as Keras serializes it
        shape = shape["config"]["value"]
    if shape is None:
        return None
    if not isinstance(shape, (tuple, list)):
        raise ValueError(f"`{key}` is not a shape")
    return tuple(shape)


def check_size(shape: tuple, largest: int) -> int:
    """Returns the number of values of a tensor, if it is a sensible one."""
    if not all(type(size) is int and 0 <= size <= largest for size in shape):
        raise ValueError(f"a tensor of shape {shape} is absurd")
    if math.prod(shape) > largest:
        raise ValueError(f"a tensor of shape {shape} is absurd")
    return math.prod(shape)


def check_sizes(
    archive: zipfile.ZipFile, declared: list[dict[str, Any]]
) -> None:
    """Raises unless every array takes the space that it should."""
    if len(declared) != len(archive.infolist()) - 1:
        raise ValueError("there are not as many variables as declared")
    check_total(declared)
    for index, variable in enumerate(declared):
        size = archive.getinfo(member(index)).file_size
        if not 0 < size - num_bytes(variable) <= 4096:
            raise ValueError(f"{member(index)} has a wrong size")


def check_total(declared: list[dict[str, Any]]) -> None:
    if len(declared) > MOST_VARIABLES:
        raise ValueError(f"there are more than {MOST_VARIABLES} variables")
    if sum(map(num_bytes, declared)) > LARGEST_TOTAL:
        raise ValueError(f"variables take more than {LARGEST_TOTAL} bytes")


def num_bytes(variable: dict[str, Any]) -> int:
    itemsize = np.dtype(variable["dtype"]).itemsize
    return math.prod(variable["shape"]) * itemsize


def read_array(
    archive: zipfile.ZipFile, index: int, variable: dict[str, Any]
) -> np.ndarray:
    value = np.empty(tuple(variable["shape"]), variable["dtype"])
    with archive.open(member(index)) as file:
        if array_header(file) != expected_header(value):
            raise ValueError(f"{member(index)} is not what was declared")
        rest = memoryview(value.reshape(-1).view("uint8"))
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


def array_header(file: BinaryIO) -> bytes:
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
