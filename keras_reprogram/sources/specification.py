"""The properties of a source that both ends of a model depend on."""

import dataclasses

import numpy as np

from keras_reprogram.representation import constructor_call
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@dataclasses.dataclass(frozen=True)
class GraphSpecification:
    """What a source that takes graphs does with them.

    Attributes:
        num_features: Integer. Number of features of a node.
        num_convolutions: Integer. Number of graph convolutions.
        aggregators: Tuple of strings. Names of the aggregators among which
            each convolution can choose.
        aggregator: String. The one that the source was trained with.
    """

    num_features: int
    num_convolutions: int
    aggregators: tuple[str, ...]
    aggregator: str

    __repr__ = constructor_call

    @property
    def own_choices(self) -> np.ndarray:
        """`aggregator` at each convolution, `(convolutions, aggregators)`.

        One-hot, as the source takes it.
        """
        shape = self.num_convolutions, len(self.aggregators)
        choices = np.zeros(shape, "float32")
        choices[:, self.aggregators.index(self.aggregator)] = 1
        return choices


@dataclasses.dataclass(frozen=True)
class SourceSpecification:
    """The input, scaling and output of a source.

    Attributes:
        accepted_shape: Tuple of integers. Shape of a sample, with `None` for
            an axis of any size.
        preferred_shape: Tuple of integers. The same, with the size that the
            source was trained on if its preprocessor defines one.
        num_classes: Integer. Size of the output's last axis, the source
            classes or features.
        activation: String. `"softmax"` or `"sigmoid"` for probabilities,
            `"linear"` for logits, features and an unknown activation.
        num_position_axes: Integer. Number of axes of the output between batch
            and classes: 0 for one output per sample, 1 for one at every step
            of a sequence. Defaults to `0`.
        pixel_scale: Float, or one for each channel. Factor of pixels from 0
            to 255. Defaults to `None`, not known.
        pixel_offset: Float, or one for each channel. Added after scaling.
            Defaults to `0.0`.
        embeddings: Variable or tensor `[vocabulary, width]`. The embeddings
            of the tokens, if the source takes embeddings. Defaults to `None`.
        num_tokens: Integer. Size of the vocabulary, if the source takes the
            IDs of tokens. Defaults to `None`.
        max_sequence_length: Integer. Maximum number of steps of a sequence.
            Defaults to `None`, no limit.
        padding_token: Integer. The token that pads a sequence, if the source
            takes embeddings or IDs. Defaults to `0`.
        start_token: Integer. The token that begins every sequence. Defaults
            to `None`, not known.
        block_sizes: Tuple of integers. Sizes of the parts that the output
            concatenates, as `output_blocks.block_sizes` returns them. Defaults
            to `()`, one block.
        accepts_missing_values: Boolean. Whether inputs may hold NaN for what
            is missing. Defaults to `False`.
        sampling_rate: Integer. Rate of the waveforms in [-1, 1] that the source
            takes. Defaults to `None`: it takes no waveforms, or it is not
            known.
        graph: `GraphSpecification`, if the source takes graphs, which have no
            one shape. Defaults to `None`.
        parts: Tuple of `SourceSpecification`s. Those of the sources that a
            `JoinedSource` joins, whose own shapes are empty. Defaults to `()`,
            for a source of one input.
    """

    accepted_shape: Shape
    preferred_shape: Shape
    num_classes: int
    activation: str
    num_position_axes: int = 0
    pixel_scale: Tensor = None
    pixel_offset: Tensor = 0.0
    embeddings: Tensor = None
    num_tokens: int | None = None
    max_sequence_length: int | None = None
    padding_token: int = 0
    start_token: int | None = None
    block_sizes: FixedShape = ()
    accepts_missing_values: bool = False
    sampling_rate: int | None = None
    graph: GraphSpecification | None = None
    parts: tuple["SourceSpecification", ...] = ()

    __repr__ = constructor_call

    @property
    def takes_canvas(self) -> bool:
        """Whether an input is one array, not embeddings or graphs."""
        return self.embeddings is None and self.graph is None

    @property
    def from_logits(self) -> bool:
        """Whether the output is logits or features instead of probabilities."""
        return self.activation == "linear"
