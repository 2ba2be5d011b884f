"""The base class of layers that return embeddings for a text source."""

import keras
from keras import ops

from keras_reprogram.dtypes import is_float
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Tensor


class SequenceTransformation(InputTransformation):
    """Base class: maps samples to embeddings and their padding mask.

    The weights are initialized with the source's embeddings: `resolve` creates
    them, and Keras's `build` is not used.
    """

    source_embeddings: SourceEmbeddings

    def accept_embeddings(
        self, specification: SourceSpecification, advice: str
    ) -> None:
        """Sets `source_embeddings` to the embeddings of the source.

        Args:
            specification: A `SourceSpecification`.
            advice: String. Code that makes a source with embeddings.

        Raises:
            ValueError: If the source takes no embeddings, or the layer was
                built on those of another source.
        """
        embeddings = self.embeddings_of(specification, advice)
        if self.built and not embeddings.is_same(self.source_embeddings):
            raise ValueError(
                f"This `{type(self).__name__}` was resolved for another "
                "source: make a new one for this source. Received: a source "
                "with embeddings of "
                f"shape {(embeddings.size, embeddings.width)}"
            )
        self.source_embeddings = embeddings

    def embeddings_of(
        self, specification: SourceSpecification, advice: str
    ) -> SourceEmbeddings:
        """Returns the embeddings of the source.

        Args:
            specification: A `SourceSpecification`.
            advice: String. Code that makes a source with embeddings.

        Raises:
            ValueError: If the source does not take the layer's outputs.
        """
        return SourceEmbeddings.of(specification, type(self).__name__, advice)

    def check_steps(
        self, steps: int, longest: int | None, advice: str, received: str
    ) -> None:
        """Raises a `ValueError` for a sequence longer than the source takes.

        Args:
            steps: Integer. Length of the sequence.
            longest: Integer or `None`. The source's longest sequence.
            advice: String. Advice for the error message.
            received: String. Description of the sequence for the error message.
        """
        if longest is not None and steps > longest:
            raise ValueError(
                f"The source has positions for {longest} steps: {advice}. "
                f"Received: {received}"
            )

    def repeat(self, rows: Tensor, batch: Tensor) -> Tensor:
        """Returns the same embeddings for every sequence of a batch.

        Args:
            rows: Tensor `(steps, width)`.
            batch: Tensor whose first axis is the batch axis.
        """
        if is_float(rows):  # and no token IDs
            rows = ops.cast(rows, self.compute_dtype)
        return ops.repeat(rows[None], ops.shape(batch)[0], axis=0)

    def sequence_spec(
        self, batch: int | None, steps: int | None, width: int
    ) -> dict[str, keras.KerasTensor]:
        """Returns the symbolic outputs of a layer of this kind."""
        return {
            "embeddings": keras.KerasTensor(
                (batch, steps, width), self.compute_dtype
            ),
            "padding_mask": keras.KerasTensor((batch, steps), "int32"),
        }
