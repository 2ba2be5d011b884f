"""Base class of the output mappings that depend on a source's activation."""

import dataclasses
from typing import Any

from keras_reprogram.configurable import boolean
from keras_reprogram.outputs import reading
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.reading import Reading
from keras_reprogram.sources.specification import SourceSpecification


class ReadingMapping(OutputMapping):
    """Base class: reads logits, softmax or sigmoid outputs of a source.

    Args:
        from_logits: Boolean. Whether the source returns logits. Defaults to
            `None`, for what the source is known to return.
        source_activation: String. `"linear"`, `"softmax"` or `"sigmoid"`.
            Defaults to `None`, likewise.
        splits_sigmoid: Boolean. As for `Reading`. Defaults to `True`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Attributes:
        reading: The `Reading` of the source's outputs. Its `num_outputs` is 0
            until the layer is resolved or built.
    """

    def __init__(
        self,
        from_logits: bool | None = None,
        source_activation: str | None = None,
        splits_sigmoid: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if from_logits is not None:
            from_logits = boolean("from_logits", from_logits)
        self.from_logits = from_logits
        self.source_activation = reading.check_activation(
            source_activation, from_logits
        )
        self.splits_sigmoid = splits_sigmoid
        self.reading = self.reading_of("linear", 0)
        self.is_resolved = False

    def reading_of(self, activation: str, num_outputs: int) -> Reading:
        """Returns how the outputs of a source are interpreted.

        Args:
            activation: String. The source's activation.
            num_outputs: Integer. Number of its outputs, 0 if not known.
        """
        activation = reading.resolve_activation(
            self.source_activation, self.from_logits, activation, num_outputs
        )
        return Reading(activation, num_outputs, self.splits_sigmoid)

    def resolve(self, specification: SourceSpecification) -> None:
        new_reading = self.reading_of(
            specification.activation, specification.num_classes
        )
        self.reading = reading.resolved(
            type(self).__name__,
            self.reading,
            new_reading,
            self.is_resolved,
            self.built,
        )
        self.is_resolved = True

    def resolved_state(self) -> dict[str, Any] | None:
        if not self.is_resolved:
            return None
        return dataclasses.asdict(self.reading)

    def restore_resolved(self, state: dict[str, Any]) -> None:
        self.reading, self.is_resolved = Reading(**state), True

    def resolved_config(self) -> dict[str, Any]:
        return {
            **super().resolved_config(),
            "source_activation": self.reading.activation,
            "from_logits": self.reading.activation == "linear",
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "source_activation": self.source_activation,
        }
