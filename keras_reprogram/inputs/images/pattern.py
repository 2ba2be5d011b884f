"""The base class of patterns, which are added to the canvas."""

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
    """Base class: a pattern that an `InputReprogrammer` adds to the canvas.

    A pattern is built once, by `build_on`, and is then called with batches of
    canvases that contain the samples. A subclass creates its variables in
    `add_variables`.

    Attributes:
        canvas: The `Canvas`, once the pattern is built.
    """

    canvas: Canvas

    def connect(
        self, encode: Callable[[Tensor], Tensor], num_features: int
    ) -> None:
        """Connects the frozen source, for patterns that use its outputs.

        Args:
            encode: Function without a gradient from a batch of canvases to the
                source's outputs.
            num_features: Integer. Number of outputs per sample.
        """

    def expected_variables(
        self, canvas: Canvas, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        """Describes the weights before the pattern is built.

        Args:
            canvas: A `Canvas`.
            specification: A `SourceSpecification`.

        Raises:
            ValueError: If the pattern does not fit the canvas, or building it
                needs too much memory.
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
            ValueError: If the pattern does not fit the canvas.
        """
        raise NotImplementedError

    def call(self, canvas: Tensor) -> Tensor:
        """Returns the pattern, broadcastable to a batch of canvases.

        Args:
            canvas: Tensor. A batch of canvases with samples.
        """
        raise NotImplementedError

    @property
    def uses_source(self) -> bool:
        """Whether building the pattern requires `connect`."""
        return False

    @contextlib.contextmanager
    def same_samples(self) -> Iterator[None]:
        """As `InputTransformation.same_samples`."""
        yield
