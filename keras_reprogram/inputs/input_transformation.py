"""The contract of the layers in front of a frozen source."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_reprogram.inputs.tokens.token_policy import TokenPolicy
from keras_reprogram.inputs.valid import finite_rows
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.resolvable import Resolvable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


class InputTransformation(ProgramPart, Resolvable):
    """Base class: maps samples of the target to inputs of the source.

    `ReprogrammedModel` uses an input transformation in this order:

    1. `resolve` completes the settings from the source.
    2. `sample_shape` and `sample_dtype` describe the model's input.
    3. `build` and `call`, as of any Keras layer. `call` takes samples and
       changes no state except Keras variables.
    4. `select_outputs` returns the source's outputs that belong to a sample,
       which `describe_outputs` describes.
    5. `merge`, `check_sample_shape` and `check_values` check arrays before
       training and prediction. In a step, which cannot raise errors, `valid`
       marks the samples that hold `valid_values`.
    6. `fit` adds `training_callbacks`. `predict` and `evaluate` run within
       `inference`, and gradient estimators within `same_samples`.
    7. `resolved_config` and the layer's weights go into a program file, those
       of each layer of `for_each_source`. When it is read, `expected_inputs`,
       `expected_variables` and `expected_outputs` are called before the layer
       is resolved.

    A subclass keeps its constructor's arguments unchanged; `resolve` and
    `build` set other attributes.

    Attributes:
        sample_dtype: String or `None`. Dtype of samples; `None` for
            `keras.config.floatx()`.
        missing_values: String or `None`. What is done with NaN in samples,
            which marks missing values; `None` if samples must be finite.
        augmentation: Keras layer or `None`. Applied to samples in training.
    """

    built: bool
    sample_dtype: str | None = None
    missing_values: str | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.augmentation: keras.layers.Layer | None = None

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        """Completes the settings from the source.

        Args:
            specification: A `SourceSpecification`.
            source: Function from a batch of the source's inputs to its outputs,
                for layers that use the source's outputs.

        Raises:
            ValueError: If the source does not accept the layer's outputs, or
                the layer was resolved for another source.
        """
        raise NotImplementedError

    @property
    def sample_shape(self) -> Shape:
        """Shape of a sample without the batch axis, `None` for any size."""
        raise NotImplementedError

    @property
    def uses_source(self) -> bool:
        """Whether `call` evaluates the source on samples."""
        return False

    @property
    def inputs_per_sample(self) -> int:
        """Number of inputs, rows of the source's batch, for a sample."""
        return 1

    def for_each_source(self) -> list["InputTransformation"]:
        """Returns a transformation for each source of a joined one.

        For a layer of a single source this is the layer itself.
        """
        return [self]

    def check_number_of_sources(
        self, specification: SourceSpecification
    ) -> None:
        """Raises a `ValueError` unless there is one layer for each source.

        Args:
            specification: A `SourceSpecification`.
        """
        layers = len(self.for_each_source())
        sources = len(specification.parts) or 1
        if layers != sources:
            raise ValueError(
                "Each source has an input transformation of its own: pass a "
                "list with one for each, in the order of the sources. "
                f"Received: {layers} for {sources} sources"
            )

    # === Samples ===

    @property
    def augmentations(self) -> list[keras.layers.Layer]:
        """The layers that change samples in training."""
        return [] if self.augmentation is None else [self.augmentation]

    def merge(self, samples: dict[str, Tensor]) -> Tensor:
        """Merges a dictionary of arrays or tensors into one.

        Args:
            samples: Dictionary of arrays or tensors.

        Raises:
            ValueError: If the layer takes a single array.
        """
        raise ValueError(
            f"A `{type(self).__name__}` takes one array of samples, of shape "
            f"{(None, *self.sample_shape)}. Received: a dictionary of "
            f"{sorted(map(str, samples))}"
        )

    def hint(self, samples: object) -> str:
        """Returns a sentence on how to convert samples that are not numbers.

        Args:
            samples: The value that was passed as samples.

        Returns:
            A string that ends with a space, or the empty string.
        """
        return ""

    def check_sample_shape(self, shape: Shape) -> None:
        """Raises a `ValueError` for samples of a shape that does not fit.

        Args:
            shape: Tuple without the batch axis, of as many axes as
                `sample_shape`, with `None` for unknown sizes.
        """

    def check_values(self, samples: np.ndarray) -> None:
        """Raises a `ValueError` if samples contain invalid values.

        Args:
            samples: Array of samples.
        """

    def valid(self, samples: Tensor) -> Tensor | None:
        """Returns which samples of a batch hold `valid_values`.

        Args:
            samples: Tensor. A batch of samples within a step.

        Returns:
            A boolean tensor `(batch,)`, or `None` if all samples do.
        """
        return finite_rows(samples, self.missing_values is not None)

    @property
    def valid_values(self) -> str:
        """A description of the valid values, for error messages."""
        if self.missing_values is None:
            return "finite numbers"
        return "finite numbers, or NaN for missing values"

    # === Training and inference ===

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        """Returns callbacks that `fit` adds for this layer."""
        return []

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """Context of `predict` and `evaluate`.

        A layer computes parts that are the same for all samples once here
        instead of in every batch.
        """
        yield

    @contextlib.contextmanager
    def same_samples(self) -> Iterator[None]:
        """Context in which several programs are evaluated on one batch.

        A layer computes parts that depend on the samples alone once here
        instead of for every program.
        """
        yield

    @property
    def has_token_policy(self) -> bool:
        """Whether all that is trained is a choice of source tokens."""
        return False

    def token_policy(self, samples: Tensor) -> TokenPolicy:
        """Returns the policy that draws source tokens for a batch.

        The estimator `Reinforce` computes the gradient of its draws.

        Args:
            samples: Tensor. A batch of samples.
        """
        raise NotImplementedError

    def select_outputs(self, outputs: Tensor, samples: Tensor) -> Tensor:
        """Returns the source's outputs that belong to the samples.

        A layer that adds steps to a sequence selects the outputs at the
        sample's own steps.

        Args:
            outputs: Tensor `(batch, ..., S)`. The source's outputs.
            samples: Tensor. The samples of these outputs.
        """
        return outputs

    def describe_outputs(
        self, specification: SourceSpecification
    ) -> SourceSpecification:
        """Returns the specification of the result of `select_outputs`.

        The output mapping is resolved with it.

        Args:
            specification: A `SourceSpecification`. That of the source.
        """
        return specification

    # === Program files ===

    @property
    def expected_inputs(self) -> Shape | None:
        """Shape of the source's input that the layer requires.

        Without the batch axis; `None` if it adapts to its source.
        """
        return None

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        """Describes the layer's weights before they are built.

        It is called before `resolve`, for an untrusted config.

        Args:
            specification: A `SourceSpecification`.

        Raises:
            ValueError: If building the layer would raise, or need too much
                memory.
        """
        raise NotImplementedError

    def expected_outputs(self, outputs_shape: Shape) -> Shape:
        """Returns the shape of the result of `select_outputs`.

        Args:
            outputs_shape: Tuple. Shape of the source's outputs, with the
                batch axis.
        """
        return outputs_shape

    def check_variables(self) -> None:
        """Raises a `ValueError` for invalid values of weights."""
