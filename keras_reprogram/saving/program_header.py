"""The header of a program file: what it says of itself, as JSON.

```
format     "keras-reprogram program"
version    2
inputs     the configuration of each input transformation
output     the configuration of the output mapping
sources    the fingerprint of each input's source
variables  shape and dtype of the learned variables, in the order in which
           the members `variables/0.npy`, ... hold them: those of the inputs,
           then those of the output mapping
matrices   shape and dtype of large matrices of the configurations, likewise
```

Optional entries:

```
requires     names of features without which the file would be read wrongly
class_names  the names of the target's classes
tokenizer    the fingerprint of the tokenizer of the samples
```

A reader refuses a file of another version, a file that requires a feature it
does not know, and any of these entries that is not as above. It ignores
entries that it does not know: whoever adds one that may not be ignored adds
its name to `requires`, or raises the version. This version knows no features.
The inputs of a `JoinedTransformation` are those of its parts, and what
`AveragedViews` has around it is around each of them. Headers of version 0.1.0
are translated before anything looks at them.
"""

import json
import math
from typing import Any
from typing import TypeAlias

from keras_reprogram.program_parts import check_size
from keras_reprogram.saving import program_matrices
from keras_reprogram.saving import version_0_1_0

# What JSON holds, under strings.
Header: TypeAlias = dict[str, Any]

FORMAT = "keras-reprogram program"
VERSION = 2
FEATURES: tuple[str, ...] = ()
LARGEST_HEADER = 4 * 2**20  # bytes
LARGEST_TOTAL = 2**30  # bytes
MOST_SOURCES = 100
# An empty list of three bytes takes 64 in memory, a key of four 200.
MOST_BRACKETS = 2**17
MOST_QUOTES = 2**19
LONGEST_NUMBER = 40  # characters
LONGEST_NAME = 1000
LARGEST_INTEGER = 2**63
DTYPES = ("float16", "float32", "float64", "int32")
FINGERPRINT = {
    "model": str,
    "input_shape": list,
    "output_shape": list,
    "parameters": int,
    "weights": list,
}


def parsed(content: bytes) -> Header:
    """Returns a header, checked but for the configurations' own entries.

    Args:
        content: Bytes. The header as JSON.

    Raises:
        Exception: Of any kind, if it is not a valid header.
    """
    if len(content) > LARGEST_HEADER:
        raise ValueError(
            f"the configuration has more than {LARGEST_HEADER} bytes"
        )
    if (
        content.count(b"[") + content.count(b"{") > MOST_BRACKETS
        or content.count(b'"') > MOST_QUOTES
    ):
        raise ValueError("the configuration has too many parts")
    header: Header = json.loads(
        content.decode(),
        object_pairs_hook=unique,
        parse_int=parsed_integer,
        parse_float=parsed_float,
        parse_constant=parsed_float,
    )
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("the configuration is not that of a program")
    for variable in declared_arrays(header):
        check_variable(variable)
    version = header.get("version")
    if version == version_0_1_0.FORMAT_VERSION:
        header = version_0_1_0.translated(header)
    elif version != VERSION:
        raise ValueError(f"the format's version is {version}, not {VERSION}")
    check_entries(header)
    check_matrices(header.get("matrices", []))
    return header


def check_entries(header: Header) -> None:
    """Raises unless the header is that of a program that can be read."""
    required = header.get("requires", [])
    if not isinstance(required, list) or not set(required) <= set(FEATURES):
        raise ValueError(
            "the program requires features of a later version of this package"
        )
    for entry in ("inputs", "sources"):
        if (
            not isinstance(header[entry], list)
            or not 0 < len(header[entry]) <= MOST_SOURCES
        ):
            raise ValueError(
                f"the program does not have 1 to {MOST_SOURCES} `{entry}`"
            )
    if len(header["inputs"]) != len(header["sources"]):
        raise ValueError("the program does not have an input for each source")
    for configuration in (*header["inputs"], header["output"]):
        if not isinstance(configuration["config"], dict):
            raise ValueError("an input or the output has no configuration")
    for fingerprint in header["sources"]:
        check_fingerprint(fingerprint)
    names = header.get("class_names")
    if names is not None and not (
        isinstance(names, list) and all(map(is_name, names))
    ):
        raise ValueError("`class_names` is not a list of names")
    if not is_name(header.get("tokenizer", "")):
        raise ValueError("`tokenizer` is not a fingerprint")


def is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NAME


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
    if dtype not in DTYPES or len(variable) > 2:
        raise ValueError("a variable has a wrong dtype")
    check_size(tuple(shape), LARGEST_TOTAL)


def declared_arrays(header: Header) -> list[dict[str, Any]]:
    """Shape and dtype of the program's arrays: variables, then matrices."""
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
