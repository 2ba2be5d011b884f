"""What building a program file's ends would take, known before it is built.

The variables follow from the configuration and the source. A file whose own
variables have other shapes is refused, so that what is built is never larger
than what the file holds.
"""

from collections.abc import Sequence
from typing import Any

from keras_reprogram.inputs import InputTransformation
from keras_reprogram.outputs import OutputMapping
from keras_reprogram.program_parts import FLOAT
from keras_reprogram.program_parts import INTEGER
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape


def check(
    input_transformation: InputTransformation,
    output_mapping: OutputMapping,
    specification: SourceSpecification,
    outputs_shape: Shape,
    declared: Sequence[dict[str, Any]],
) -> int:
    """Raises unless building the ends takes what the file declares.

    Args:
        input_transformation: Not yet built.
        output_mapping: Not yet built.
        specification: That of their source.
        outputs_shape: Tuple. Shape of the source's outputs, with the batch
            axis.
        declared: Shape and dtype of the file's variables.

    Returns:
        How many of the variables are the input transformation's.

    Raises:
        Exception: Of any kind, if the file is not a valid program.
    """
    of_input = input_transformation.expected_variables(specification)
    split = len(of_input)
    compare("input's", of_input, declared[:split])
    described = input_transformation.describe_outputs(specification)
    output_mapping.resolve(described)
    of_output = output_mapping.expected_variables(
        described, input_transformation.expected_outputs(outputs_shape)
    )
    compare("label map's", of_output, declared[split:])
    return split


def compare(
    whose: str,
    expected: list[ExpectedVariable],
    declared: Sequence[dict[str, Any]],
) -> None:
    """Raises unless each variable is one of those that are expected.

    Args:
        whose: String. What the variables belong to, for the error.
        expected: What will be built, in any order.
        declared: Shape and dtype of variables.
    """
    left = [
        (
            tuple(variable["shape"]),
            INTEGER if variable["dtype"] == INTEGER else FLOAT,
        )
        for variable in declared
    ]
    # Those of which all sizes are known leave the others theirs.
    for variable in sorted(expected, key=lambda each: None in each.shape):
        found = next((each for each in left if variable.admits(*each)), None)
        if found is None:
            break
        left.remove(found)
    else:
        if not left:
            return
    wanted = ", ".join(f"{one.dtype} {list(one.shape)}" for one in expected)
    given = ", ".join(f"{one['dtype']} {one['shape']}" for one in declared)
    raise ValueError(
        f"the {whose} variables should be {wanted or 'none'}, not "
        f"{given or 'none'}"
    )
