"""The output mapping of an automaton whose cells classify what they see."""

import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import optional
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.state_channels import check_channels
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.cell_rule import checked_state_shape
from keras_reprogram.sources.living_cells import LivingCells
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

LEAST_VOTE = -1e30


@serializable
class CellClasses(OutputMapping):
    """Averages the class probabilities of all living cells.

    ```
    log(mean(softmax(x)))
    ```

    with `x` the last channels of a living cell's state, its logits, and the
    mean over these cells. Each cell has one vote, however large its logits.

    Example:

    ```python
    mapping = keras_reprogram.outputs.CellClasses(10)
    mapping(np.random.rand(2, 28, 28, 20)).shape  # (2, 10)
    ```

    Args:
        num_classes: Integer. The number of classes, and of channels.
        living: A `keras_reprogram.sources.LivingCells`. The cells that count.
            Defaults to `None`, for all cells.
        **kwargs: `class_names`, as of `keras_reprogram.LabelMapper`, and
            keyword arguments of `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, height, width, channels)`, the source's states.
        samples: Not used.

    Returns:
        Log probabilities `(batch, num_classes)`, of float32 at least; those of
        a sample without living cells are equal.

    Raises:
        ValueError: If states have fewer channels or other axes.
    """

    program_objects = {"living": LivingCells}

    def __init__(
        self,
        num_classes: int,
        living: LivingCells | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = positive_integer("num_classes", num_classes)
        self.living = optional(
            "living", living, LivingCells, "a `LivingCells` or `None`"
        )

    @property
    def returns_logits(self) -> bool:
        return True

    def resolve(self, specification: SourceSpecification) -> None:
        check_channels(
            "num_classes", self.num_classes, specification.num_classes
        )
        if specification.num_position_axes != 2:
            raise ValueError(
                "`CellClasses` reads states of cells in a plane, outputs of "
                "shape (batch, height, width, channels). Received: a source "
                f"with {specification.num_position_axes} axes of positions"
            )
        if self.living is not None:
            self.living.check_channels(specification.num_classes)

    def build(self, input_shape: Shape) -> None:
        *_, num_channels = checked_state_shape(input_shape)
        check_channels("num_classes", self.num_classes, num_channels)
        self.targets = targets.ClassTargets(self.num_classes)
        self.built = True

    def call(self, outputs: Tensor, samples: Tensor = None) -> Tensor:
        outputs = ops.cast(outputs, self.full_dtype)
        votes = ops.log_softmax(outputs[..., -self.num_classes :], axis=-1)
        mask = ops.ones_like(votes[..., :1])
        if self.living is not None:
            mask = ops.stop_gradient(self.living.mask(outputs))
        count = ops.sum(mask, axis=(1, 2))
        # Finite, since gradients of logarithms of zero are not numbers.
        votes = ops.where(mask > 0, votes, LEAST_VOTE)
        voted = ops.logsumexp(votes, axis=(1, 2)) - ops.log(
            ops.maximum(count, 1.0)
        )
        return ops.where(count > 0, voted, -math.log(self.num_classes))

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        return []

    def compute_output_spec(
        self,
        outputs: keras.KerasTensor,
        samples: keras.KerasTensor | None = None,
    ) -> Any:
        shape = (outputs.shape[0], self.num_classes)
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "living": keras.saving.serialize_keras_object(self.living),
        }
