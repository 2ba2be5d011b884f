"""What every input transformation has in common."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_reprogram.inputs.valid import finite_rows
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


class InputTransformation(keras.layers.Layer):
    """Base class: from a batch of samples to what the source takes.

    `ReprogrammedModel` calls `complete` and `connect` before the layer is
    built, then the layer itself.

    Attributes:
        target_shape: Shape of a sample without the batch axis.
        sample_dtype: Dtype of a sample; `None` for Keras's floating point.
    """

    target_shape: Shape | None = None
    sample_dtype: str | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.augmentation: keras.layers.Layer | None = None

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        """Takes from the source what the constructor left out.

        Args:
            specification: A `SourceSpecification`.
            source: Function from a batch of the source's inputs to its
                outputs, for layers that use the source's outputs themselves.

        Raises:
            ValueError: If the source does not take what the layer returns,
                or the layer was resolved for another source.
        """
        self.complete(specification)
        self.connect(source, specification.num_classes)

    @property
    def sample_shape(self) -> Shape:
        """Shape of a sample without the batch axis, `None` for any size."""
        return self.target_shape or ()

    def merge(self, samples: dict[str, Tensor]) -> Tensor:
        """Returns one array or tensor for several that belong together."""
        return self.merged(samples)

    def resolved_config(self) -> dict[str, Any]:
        """Returns the config with what `resolve` took from the source."""
        config: dict[str, Any] = self.get_config()
        return config

    def complete(self, specification: SourceSpecification) -> None:
        """Fills in what was left out with what is known of the source.

        Raises:
            ValueError: If the source does not take what the layer makes.
        """
        raise NotImplementedError

    def connect(self, source: Callable[[Any], Any], num_outputs: int) -> None:
        """Offers the frozen source to a program that looks at its outputs.

        Args:
            source: Function from a batch of the source's inputs to outputs.
            num_outputs: Length of an output's last axis.
        """

    def check_sample_shape(self, shape: Shape) -> None:
        """Raises a `ValueError` for a sample's shape that does not fit.

        Args:
            shape: The shape, without the batch axis, of as many axes as
                `target_shape`; `None` where a size is not known.
        """

    def merged(self, samples: dict[str, Any]) -> Any:
        """One array or tensor of several that belong together.

        Raises:
            ValueError: If the layer takes one array alone.
        """
        raise ValueError(
            f"A `{type(self).__name__}` takes one array of samples, of shape "
            f"{(None, *(self.target_shape or ()))}. Received: a dictionary of "
            f"{sorted(map(str, samples))}"
        )

    def hint(self, samples: Any) -> str:
        """What to do with samples that are no numbers, a sentence or none."""
        return ""

    def check_values(self, samples: np.ndarray) -> None:
        """Raises a `ValueError` if samples hold what the layer cannot take."""

    def valid(self, samples: Any) -> Any:
        """Whether samples hold what the layer takes, of a batch in a step.

        Returns:
            A boolean tensor `(batch,)`; `None` where they always do.
        """
        return finite_rows(samples)

    @property
    def valid_values(self) -> str:
        """What samples may hold, in words."""
        return "finite numbers"

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        """What the layer has `fit` do besides gradient steps."""
        return []

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """Holds during a pass of prediction or evaluation.

        A layer with something that is the same for all samples computes it
        here once, and not for every batch.
        """
        yield

    @property
    def uses_source(self) -> bool:
        """Whether the layer asks the source about samples by itself."""
        return False

    @contextlib.contextmanager
    def same_samples(self) -> Iterator[None]:
        """Holds while several programs are tried on one batch.

        A layer with something that depends on the samples alone computes it
        here once, and not for every program.
        """
        yield

    def select_outputs(self, outputs: Any, samples: Any) -> Any:
        """The source's outputs at the steps of the samples themselves.

        A layer that puts more into a sequence than the samples takes its
        steps out of the outputs again.
        """
        return outputs
