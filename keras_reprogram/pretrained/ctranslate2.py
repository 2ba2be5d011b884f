"""Variables in model files of CTranslate2."""

import io
import struct

import numpy as np

DTYPES = ("float32", "int8", "int16", "int32", "float16")


def read_variables(content: bytes) -> dict[str, np.ndarray]:
    """Returns the variables of a `model.bin` by their names.

    Args:
        content: Bytes of a known file, of version 6 or an earlier one that
            names the types of its variables.

    Raises:
        ValueError: If the content ends too early.
    """
    file = io.BytesIO(content)

    def integer(form: str) -> int:
        (value,) = struct.unpack(f"<{form}", file.read(struct.calcsize(form)))
        return int(value)

    def string() -> str:
        return file.read(integer("H")).rstrip(b"\0").decode()

    try:
        integer("I")  # The version of the format.
        string()  # The name of the model's specification.
        integer("I")  # Its revision.
        found = {}
        for _ in range(integer("I")):
            name = string()
            shape = [integer("I") for _ in range(integer("B"))]
            dtype = DTYPES[integer("B")]
            values = np.frombuffer(file.read(integer("I")), dtype)
            found[name] = values.reshape(shape)
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(
            f"A model file of CTranslate2 is damaged. Received: {error}"
        ) from error
    return found
