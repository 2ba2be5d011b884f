"""A trained change of the class scores of a label map that stays as it is."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.outputs.mappings.linear import LinearMapping
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class ResidualLabelMapper(LabelMapper):
    """Mixes the class scores of a label map, which is not trained.

    With `f` the scores of the label map of `mapping`,

    ```
    outputs = f @ (I + E)                     # [N, T] @ [T, T]
    ```

    `E` is trained and zero at the start, so that training starts from the
    predictions of the label map, such as one in closed form. There are `T * T`
    trained numbers, whatever the number of the source's outputs.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(inputs, outputs),  # stands for a pretrained model
        label_mapper=keras_reprogram.outputs.ResidualLabelMapper(3),
    )
    model.input_reprogrammer.trainable = False
    model.compile()
    images = np.random.randint(0, 256, size=(16, 8, 8, 3), dtype="uint8")
    model.fit_label_map(images, np.arange(16) % 3, verbose=0)
    mapper = model.label_mapper.folded()  # the same map, without `E`
    ```

    Args:
        num_classes: Integer. Number of target classes, `T`.
        mapping: As for `keras_reprogram.LabelMapper`, of a map that is not
            trained, and is found once. Defaults to `None`, for
            `LinearMapping(trainable=False)`.
        **kwargs: Arguments of `keras_reprogram.LabelMapper`.

    Raises:
        ValueError: If the mapping is trained or updated in training, or
            returns probabilities, whose mixtures may be less than zero.

    References:
        - [RVP](https://arxiv.org/abs/2609.36680)
    """

    def __init__(
        self, num_classes: int, mapping: object = None, **kwargs: Any
    ) -> None:
        if mapping is None:
            mapping = LinearMapping(trainable=False)
        super().__init__(num_classes, mapping, **kwargs)
        if self.mapping.trainable or self.updates_statistics:
            raise ValueError(
                f"`{type(self).__name__}` changes the scores of a map that "
                "stays as it is: pass one that is not trained or updated, such "
                "as `LinearMapping(trainable=False)` or `FrequencyMapping()`. "
                f"Received: mapping={self.mapping!r}"
            )

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if not self.returns_logits:
            raise ValueError(
                "Mixtures of probabilities may be less than zero: pass a map "
                "that returns logits, such as `LinearMapping(trainable=False)`"
                f". Received: mapping={self.mapping!r}, and a source with "
                f"{self.reading.activation} outputs"
            )
        self.residual = self.add_weight(
            name="residual",
            shape=(self.num_classes, self.num_classes),
            initializer="zeros",
        )

    def scores(self, outputs: Tensor) -> Tensor:
        """Returns the scores `[N, ..., T]` before they are mixed.

        Args:
            outputs: Tensor `(batch, ..., S)`. The source's outputs.
        """
        return super().call(outputs)

    def call(
        self,
        outputs: Tensor,
        samples: Tensor = None,
        training: bool | None = None,
    ) -> Tensor:
        return self.mixed(self.scores(outputs))

    def mixed(self, scores: Tensor) -> Tensor:
        """Returns `scores @ (I + E)`."""
        residual = ops.cast(self.residual, scores.dtype)
        return ops.add(scores, ops.matmul(scores, residual))

    @property
    def matrix(self) -> Tensor:
        """The whole map as one matrix `[S, T]`."""
        return self.mixed(ops.convert_to_tensor(super().matrix))

    @property
    def intercept(self) -> Tensor | None:
        if self.bias is None:
            return None
        return self.mixed(ops.expand_dims(self.bias, 0))[0]

    def assign(
        self, matrix: np.ndarray, bias: np.ndarray | None = None
    ) -> None:
        super().assign(matrix, bias)
        # `E` was trained for the map before.
        self.residual.assign(np.zeros(self.residual.shape))

    def folded(self) -> LabelMapper:
        """Returns a plain label map with the same outputs.

        Its matrix is `W (I + E)` and its bias `b (I + E)`.

        Raises:
            ValueError: If the map is not one matrix, or not solved yet.
        """
        if not self.mapping.is_linear:
            raise ValueError(
                "Only a map that is one matrix can be folded into another. "
                f"Received: mapping={self.mapping!r}"
            )
        self.check_solved()
        activation = self.reading.activation
        mapper = LabelMapper(
            self.num_classes,
            LinearMapping(trainable=False),
            from_logits=activation == "linear",
            multi_label=self.multi_label,
            source_activation=activation,
            dtype=self.dtype_policy,
        )
        positions = (None,) * self.num_position_axes
        mapper.build((None, *positions, self.reading.num_outputs))
        intercept = self.intercept
        mapper.assign(
            ops.convert_to_numpy(self.matrix),
            None if intercept is None else ops.convert_to_numpy(intercept),
        )
        return mapper

    @property
    def learned_variables(self) -> list[keras.Variable]:
        return [*super().learned_variables, self.residual]

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        return [
            *super().expected_variables(specification, outputs_shape),
            ExpectedVariable((self.num_classes, self.num_classes)),
        ]
