"""The contract of what is added to the canvas."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator

import keras

from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Tensor


class Pattern(ProgramPart, keras.layers.Layer):
    """Base class: what an `InputReprogrammer` adds to the canvas.

    A pattern is built once, by `build_on`, and is then called with the batch
    of canvases that hold the samples. A subclass creates its variables in
    `add_variables`.

    Attributes:
        canvas: The `Canvas`, once the pattern is built.
    """

    canvas: Canvas

    def connect(
        self, encode: Callable[[Tensor], Tensor], num_features: int
    ) -> None:
        """Offers the frozen source, for patterns that use its outputs.

        Args:
            encode: Function from a batch of canvases to the source's outputs,
                without a gradient.
            num_features: Integer. Number of outputs of a sample.
        """

    def expected_variables(
        self, canvas: Canvas, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        """Returns what the weights will be once the pattern is built.

        Args:
            canvas: A `Canvas`.
            specification: A `SourceSpecification`.

        Raises:
            ValueError: If there is no such pattern on this canvas, or
                building it takes too much.
        """
        raise NotImplementedError

    def build_on(self, canvas: Canvas) -> None:
        """Creates the pattern's variables.

        Args:
            canvas: A `Canvas`.
        """
        self.canvas = canvas
        self.add_variables()
        self.built = True

    def add_variables(self) -> None:
        """Creates the variables on `canvas`.

        Raises:
            ValueError: If there is no such pattern on this canvas.
        """
        raise NotImplementedError

    def call(self, canvas: Tensor) -> Tensor:
        """Returns what is added, broadcastable to a batch of canvases.

        Args:
            canvas: Tensor. A batch of canvases with samples on them.
        """
        raise NotImplementedError

    @property
    def uses_source(self) -> bool:
        """Whether the pattern needs the source, by `connect`, to be built."""
        return False

    @contextlib.contextmanager
    def same_samples(self) -> Iterator[None]:
        """As `InputTransformation.same_samples`."""
        yield
