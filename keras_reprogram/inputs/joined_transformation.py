"""The input transformation of several sources."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import optional
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.frozen_source import run_frozen
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class JoinedTransformation(InputTransformation):
    """Makes an input for each of several sources from one sample.

    ```
    x -> [t_1(x), ..., t_K(x)]
    ```

    Each source of a `JoinedSource` has an input transformation of its own,
    with its own placement, scaling and pattern. All take the same samples.
    `ReprogrammedModel` takes a list of transformations for one.

    Example:

    ```python
    transformation = keras_reprogram.inputs.JoinedTransformation(
        [
            keras_reprogram.InputReprogrammer((28, 28, 1), (64, 64, 3)),
            keras_reprogram.InputReprogrammer((28, 28, 1), (96, 96, 3)),
        ]
    )
    small, large = transformation(np.zeros((2, 28, 28, 1), "uint8"))
    small.shape, large.shape  # (2, 64, 64, 3), (2, 96, 96, 3)
    ```

    Args:
        transformations: List of `InputTransformation`s, one for each source,
            in the order of the sources.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: A batch of samples.
        training: Boolean. Passed on to each transformation. Defaults to
            `None`.

    Returns:
        A list of the sources' inputs.

    Raises:
        ValueError: If the transformations take samples of different shapes or
            dtypes, or one of them makes several inputs of a sample.
    """

    def __init__(
        self,
        transformations: Sequence[InputTransformation | dict[str, Any]],
        **kwargs: Any,
    ) -> None:
        # Without autocast, samples reach each transformation as they are.
        super().__init__(**{"autocast": False, **kwargs})
        self.transformations = checked(transformations)
        self.sample_dtype = agreed_dtype(self.transformations)
        if all(each.missing_values for each in self.transformations):
            self.missing_values = self.transformations[0].missing_values

    # === The source ===

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        self.check_number_of_sources(specification)
        for index, each in enumerate(self.transformations):
            each.resolve(
                specification.parts[index], PartOfSource(source, index)
            )
        agreed_shape(self.transformations)

    def for_each_source(self) -> list[InputTransformation]:
        return list(self.transformations)

    @property
    def sample_shape(self) -> Shape:
        return agreed_shape(self.transformations)

    @property
    def uses_source(self) -> bool:
        return any(each.uses_source for each in self.transformations)

    # === Samples ===

    @property
    def augmentations(self) -> list[keras.layers.Layer]:
        return [
            layer
            for each in self.transformations
            for layer in each.augmentations
        ]

    def merge(self, samples: dict[str, Tensor]) -> Tensor:
        return self.transformations[0].merge(samples)

    def hint(self, samples: object) -> str:
        return self.transformations[0].hint(samples)

    def check_sample_shape(self, shape: Shape) -> None:
        for each in self.transformations:
            each.check_sample_shape(shape)

    def check_values(self, samples: np.ndarray) -> None:
        for each in self.transformations:
            each.check_values(samples)

    def valid(self, samples: Tensor) -> Tensor | None:
        found = [each.valid(samples) for each in self.transformations]
        valid = [each for each in found if each is not None]
        return ops.all(ops.stack(valid), axis=0) if valid else None

    @property
    def valid_values(self) -> str:
        values = [each.valid_values for each in self.transformations]
        return " and ".join(dict.fromkeys(values))

    # === The layer ===

    def build(self, input_shape: Shape) -> None:
        for each in self.transformations:
            if not each.built:
                each.build(input_shape)

    def call(self, inputs: Tensor, training: bool = False) -> list[Tensor]:
        return [
            each(inputs, training=training) for each in self.transformations
        ]

    def compute_output_spec(
        self, inputs: Tensor, training: bool = False
    ) -> list[Any]:
        return [
            each.compute_output_spec(inputs, training=training)
            for each in self.transformations
        ]

    # === Training and inference ===

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        return [
            callback
            for each in self.transformations
            for callback in each.training_callbacks()
        ]

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for each in self.transformations:
                stack.enter_context(each.inference())
            yield

    @contextlib.contextmanager
    def same_samples(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for each in self.transformations:
                stack.enter_context(each.same_samples())
            yield

    # === Saving ===

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "transformations": [serialize(it) for it in self.transformations],
        }

    def get_build_config(self) -> dict[str, Any] | None:
        # What is resolved by a source is built by the model.
        parts = self.transformations
        configs = [each.get_build_config() for each in parts]
        return None if None in configs else super().get_build_config()

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        self.check_number_of_sources(specification)
        return [
            variable
            for each, part in zip(self.transformations, specification.parts)
            for variable in each.expected_variables(part)
        ]

    def check_variables(self) -> None:
        for each in self.transformations:
            each.check_variables()


class PartOfSource:
    """A source of a joined one, as a function of its inputs.

    Args:
        source: A `JoinedSource`, or the `FrozenSource` of one.
        index: Integer. Index of the part.

    Attributes:
        source: The `keras.Model` of the part.
    """

    def __init__(self, source: Any, index: int) -> None:
        joined = getattr(source, "source", source)
        self.source: keras.Model = joined.sources[index]

    def __call__(self, inputs: Tensor) -> Tensor:
        return run_frozen(self.source, inputs)


def checked(
    transformations: Sequence[InputTransformation | dict[str, Any]],
) -> list[InputTransformation]:
    """Returns the transformations of a list, or of their configurations."""
    given = transformations
    if not isinstance(given, (list, tuple)) or len(given) < 2:
        raise ValueError(
            "`transformations` must be a list of two or more "
            "`InputTransformation`s, one for each source. Received: "
            f"transformations={given!r}"
        )
    wanted = "`InputTransformation`s, such as an `InputReprogrammer`"
    found = [
        optional("transformations", each, InputTransformation, wanted)
        for each in given
    ]
    layers = [each for each in found if each is not None]
    if len({id(each) for each in layers}) < len(given):
        raise ValueError(
            "Each source has an input transformation of its own: make one for "
            f"each. Received: transformations={given!r}"
        )
    for each in layers:
        if len(each.for_each_source()) > 1 or each.inputs_per_sample != 1:
            raise ValueError(
                "A part of a `JoinedTransformation` makes one input of a "
                "sample: put `AveragedViews` around the "
                "`JoinedTransformation`, and pass all transformations in one "
                f"list. Received: a {type(each).__name__}, which makes "
                f"{each.inputs_per_sample} for each of "
                f"{len(each.for_each_source())} sources"
            )
    return layers


def agreed_dtype(transformations: Sequence[InputTransformation]) -> str | None:
    """Returns the dtype of samples that all transformations take.

    Raises:
        ValueError: If they take samples of different dtypes.
    """
    dtypes = {each.sample_dtype for each in transformations}
    if len(dtypes) > 1:
        raise ValueError(
            "The transformations of one sample take samples of one dtype. "
            "Received: "
            + ", ".join(
                f"{described(index, each)} for "
                f"{each.sample_dtype or keras.config.floatx()}"
                for index, each in enumerate(transformations)
            )
        )
    return dtypes.pop()


def agreed_shape(transformations: Sequence[InputTransformation]) -> Shape:
    """Returns the shape of samples that all transformations take.

    Raises:
        ValueError: If there is none.
    """
    shapes = [each.sample_shape for each in transformations]
    agreed = shapes[0]
    for index, shape in enumerate(shapes[1:], 1):
        if len(shape) != len(agreed) or any(
            None not in sizes and sizes[0] != sizes[1]
            for sizes in zip(shape, agreed)
        ):
            raise ValueError(
                "The transformations of one sample take samples of one shape: "
                "pass all the same `target_shape`. Received: "
                f"{described(0, transformations[0])} of {shapes[0]}, "
                f"{described(index, transformations[index])} of {shape}"
            )
        agreed = tuple(
            known if size is None else size
            for size, known in zip(shape, agreed)
        )
    return agreed


def described(index: int, layer: InputTransformation) -> str:
    return f"transformations[{index}], a {type(layer).__name__},"


def joined_transformation(
    given: InputTransformation | Sequence[InputTransformation],
) -> InputTransformation:
    """Returns the transformation that a list stands for, or it itself."""
    if isinstance(given, (list, tuple)) and len(given) != 1:
        return JoinedTransformation(given)
    (layer,) = given if isinstance(given, (list, tuple)) else (given,)
    if not isinstance(layer, InputTransformation):
        raise ValueError(
            "`input_reprogrammer` must be an `InputTransformation`, such as an "
            "`InputReprogrammer`, or a list of one for each source. Received: "
            f"input_reprogrammer={given!r}"
        )
    return layer
