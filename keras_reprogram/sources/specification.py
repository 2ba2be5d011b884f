"""What the two ends must know of a source."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class SourceSpecification:
    """What is known of a source between the two ends.

    Attributes:
        accepted_shape: Shape of a sample, `None` where any size is taken.
        preferred_shape: The same with the size that the source was trained
            on, where it names one.
        num_classes: Length of the output's last axis: the source classes, or
            features.
        activation: What makes the output: `"softmax"` or `"sigmoid"` for
            probabilities, `"linear"` for logits, features and what is not
            known.
        num_position_axes: Axes of the output between the batch and the classes:
            0 for one output a sample, 1 for one at each step of a sequence.
        pixel_scale: Scale of pixels from 0 to 255, if the source names one.
        pixel_offset: Offset after it.
        embeddings: The embeddings of the source's tokens, a variable
            `[vocabulary, width]`, where the source takes embeddings.
        max_sequence_length: Most steps of a sequence, if the source has such a
            limit.
        padding_token: The token that fills up a sequence, where the source
            takes embeddings.
        start_token: The token that begins every sequence, if it is known.
    """

    accepted_shape: tuple[int | None, ...]
    preferred_shape: tuple[int | None, ...]
    num_classes: int
    activation: str
    num_position_axes: int = 0
    pixel_scale: Any = None
    pixel_offset: Any = 0.0
    embeddings: Any = None
    max_sequence_length: int | None = None
    padding_token: int = 0
    start_token: int | None = None

    @property
    def from_logits(self) -> bool:
        """Whether the output is logits or features, not probabilities."""
        return self.activation == "linear"
