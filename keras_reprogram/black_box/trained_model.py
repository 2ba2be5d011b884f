"""Type of a model that is trained by queries."""

from typing import TYPE_CHECKING
from typing import Protocol

import keras

from keras_reprogram.typing import Tensor

if TYPE_CHECKING:
    from keras_reprogram.black_box.estimators import GradientEstimator
    from keras_reprogram.black_box.query_state import QueryState
    from keras_reprogram.inputs.input_transformation import InputTransformation
    from keras_reprogram.outputs.output_mapping import OutputMapping
    from keras_reprogram.sources.frozen_source import FrozenSource


class TrainedModel(Protocol):
    """The members of `ReprogrammedModel` that this package uses."""

    @property
    def source(self) -> keras.Model: ...

    @property
    def frozen_source(self) -> "FrozenSource": ...

    @property
    def input_reprogrammer(self) -> "InputTransformation": ...

    @property
    def label_mapper(self) -> "OutputMapping": ...

    @property
    def gradient_estimator(self) -> "GradientEstimator | None": ...

    @property
    def query_state(self) -> "QueryState": ...

    @property
    def inputs(self) -> list[keras.KerasTensor]: ...

    @property
    def optimizer(self) -> keras.optimizers.Optimizer: ...

    @property
    def metrics(self) -> list[keras.Metric]: ...

    @property
    def trainable_variables(self) -> list[keras.Variable]: ...

    @property
    def non_trainable_variables(self) -> list[keras.Variable]: ...

    @property
    def metrics_variables(self) -> list[keras.Variable]: ...

    def one_input(self, inputs: Tensor) -> Tensor: ...

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor: ...

    def sample_losses(
        self, y: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> Tensor: ...

    def compute_metrics(
        self,
        x: Tensor,
        y: Tensor,
        y_pred: Tensor,
        sample_weight: Tensor = None,
    ) -> dict[str, Tensor]: ...

    def zero_grad(self) -> None: ...
