"""The layer that predicts numbers from the source's outputs."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import reading
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.label_weights import weights_of_shape
from keras_reprogram.outputs.label_weights import with_weights
from keras_reprogram.outputs.reading_mapping import ReadingMapping
from keras_reprogram.outputs.ridge_regression import RidgeOfKnownTargets
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

INITIAL = ("ridge_regression", "zeros")


@serializable
class RegressionHead(ReadingMapping):
    """Predicts numbers from the source's outputs by one trained linear map.

    ```
    outputs = mean + scale * (standardized(source_outputs) @ kernel + bias)
    ```

    `mean` and `scale` are the targets' mean and standard deviation. They and
    those of the source's outputs are computed from data before training, so
    that the optimizer's steps suit numbers of any unit. `ReprogrammedModel`
    divides targets and predictions by `scale` before the loss compares them:
    the loss does not depend on their unit either, and several targets have the
    same weight. Predictions and metrics are in the targets' own units. `kernel`
    and `bias` start from a ridge regression on the same data. If the source has
    outputs at every step of a sequence, `[N, ..., S]`, there is a prediction
    for each of them.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(inputs, outputs),  # stands for a pretrained model
        label_mapper=keras_reprogram.outputs.RegressionHead(num_outputs=1),
    )
    model.compile("adam", "mse")
    images = np.random.rand(16, 8, 8, 3)
    model.fit(images, 1000 * images.mean(axis=(1, 2, 3)), verbose=0)
    model.predict(images, verbose=0).shape  # (16, 1)
    ```

    Args:
        num_outputs: Integer. Number of targets, `T`. Defaults to `1`.
        initial: String. `"ridge_regression"`, or `"zeros"` to start from a
            prediction of the targets' mean. Defaults to `"ridge_regression"`.
        regularization: Float greater than 0. Strength of the ridge regression's
            penalty, in units of the mean variance of the source's outputs.
            Defaults to `None`, which selects it by generalized
            cross-validation: `label_mapper.cross_validation` holds the scores.
        from_logits: Boolean. Whether the source returns logits or features
            instead of probabilities, which are converted to logarithms, or to
            logits after a sigmoid. Defaults to `None`: `ReprogrammedModel`
            takes it from the source.
        source_activation: String. `"linear"`, `"softmax"` or `"sigmoid"`,
            the activation of the source's outputs. Defaults to `None`: it
            follows from the source and `from_logits`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, S)`, the source's outputs, or `(batch, ...,
            S)` for one at every position.
        samples: Not used.

    Returns:
        A tensor of shape `(batch, ..., T)`, of float32 at least. Labels are of
        the same shape, in their own unit; with one target, its axis may be
        left out. With a loss such as
        `keras_reprogram.losses.MaskedMeanSquaredError`, NaN marks missing ones.
    """

    program_strings = {
        "initial": INITIAL,
        "source_activation": reading.ACTIVATIONS,
    }

    def __init__(
        self,
        num_outputs: int = 1,
        initial: str = "ridge_regression",
        regularization: float | None = None,
        from_logits: bool | None = None,
        source_activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            from_logits, source_activation, splits_sigmoid=False, **kwargs
        )
        self.num_outputs = positive_integer("num_outputs", num_outputs)
        if initial not in INITIAL:
            raise ValueError(
                f"`initial` must be one of {INITIAL}. Received: "
                f"initial={initial!r}"
            )
        self.initial = initial
        if regularization is not None:
            regularization = number("regularization", regularization, 1e-30)
        self.regularization = regularization

    @property
    def needs_data(self) -> bool:
        return True

    def build(self, input_shape: Shape) -> None:
        num_features = reading.num_outputs_of(input_shape)
        if not self.reading.num_outputs:
            self.reading = self.reading_of("linear", num_features)
        self.targets = targets.NumberTargets(
            (*input_shape[1:-1], self.num_outputs)
        )
        self.kernel = self._add_number_weight(
            "kernel", num_features, self.num_outputs, trainable=True
        )
        self.bias = self._add_number_weight(
            "bias", self.num_outputs, trainable=True
        )
        self.mean = self._add_number_weight("mean", self.num_outputs)
        self.scale = self._add_number_weight(
            "scale", self.num_outputs, initializer="ones"
        )
        self.source_mean = self._add_number_weight("source_mean", num_features)
        self.source_scale = self._add_number_weight(
            "source_scale", num_features, initializer="ones"
        )
        self.add_solved_flag(False)

    def _add_number_weight(
        self,
        name: str,
        *shape: int,
        initializer: str = "zeros",
        trainable: bool = False,
    ) -> keras.Variable:
        """Adds a variable of float32 at least."""
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=full_dtype(self.variable_dtype),
            initializer=initializer,
            trainable=trainable,
        )

    def call(self, outputs: Tensor, samples: Tensor = None) -> Tensor:
        self.check_solved_in_call()
        features = self.reading.features(ops.cast(outputs, self.full_dtype))
        features = (features - self.source_mean) / self.source_scale
        standardized = ops.add(ops.matmul(features, self.kernel), self.bias)
        return ops.add(self.mean, ops.multiply(self.scale, standardized))

    def adapt(self, batches: Iterable[Batch]) -> None:
        """Computes the targets' mean and scale, and the initial kernel.

        Args:
            batches: Iterable of tuples of the source's outputs `[N, ..., S]` on
                reprogrammed samples, their targets `[N, ..., T]`, NaN for
                missing ones, and optionally weights `[N]` or `[N, ...]`, by
                which all means are weighted.

        Raises:
            ValueError: If there is no batch, an output is not finite, or no
                weight is above 0.
        """
        statistics = RidgeOfKnownTargets(self.num_outputs)
        for outputs, values, weights in with_weights(batches):
            outputs = self.reading.features(np.asarray(outputs), np)
            if not np.isfinite(outputs).all():
                raise ValueError(
                    "A regression needs finite outputs of the source. "
                    "Received: outputs with NaN or infinity"
                )
            if weights is not None:
                weights = weights_of_shape(weights, outputs.shape[:-1]).ravel()
            statistics.add(
                outputs.reshape(-1, outputs.shape[-1]),
                values.reshape(-1, self.num_outputs),
                weights,
            )
        if not statistics.count:
            raise ValueError(
                "A regression head is adapted to at least one sample with a "
                "weight above 0 for each target. Received: no batches, weights "
                "of 0, or a target of NaN"
            )
        mean, scale = statistics.target_scale()
        source_mean, source_scale = statistics.source_scale()
        solution = Solution(
            np.zeros(self.kernel.shape), np.zeros(self.num_outputs)
        )
        if self.initial == "ridge_regression":
            solution = statistics.solve(self.regularization)
        kernel, bias, self.cross_validation = solution
        if self.initial == "ridge_regression":
            bias = (bias + source_mean @ kernel - mean) / scale
            kernel = kernel * source_scale[:, None] / scale
        for variable, value in (
            (self.mean, mean),
            (self.scale, scale),
            (self.source_mean, source_mean),
            (self.source_scale, source_scale),
            (self.kernel, kernel),
            (self.bias, bias),
        ):
            variable.assign(value.astype("float32"))
        self.mark_solved()

    def loss_units(self, y: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        return targets.divided(y, y_pred, self.scale)

    def check_solved(self) -> None:
        if not self.solved:
            raise ValueError(
                "The scale of a `RegressionHead` is computed from data: call "
                "`adapt` of the `ReprogrammedModel` with training data, or "
                "`fit`, which calls it. `fit` of a clone, or of a model that "
                "contains it, does not. Received: a head without data"
            )

    @property
    def learned_variables(self) -> list[keras.Variable]:
        return [
            self.kernel,
            self.bias,
            self.mean,
            self.scale,
            self.source_mean,
            self.source_scale,
        ]

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        features, targets = specification.num_classes, self.num_outputs
        shapes: list[Shape] = [(features, targets)]
        shapes += [(targets,)] * 3 + [(features,)] * 2
        return [ExpectedVariable(shape) for shape in shapes]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.num_outputs)

    def compute_output_spec(
        self,
        outputs: keras.KerasTensor,
        samples: keras.KerasTensor | None = None,
    ) -> keras.KerasTensor:
        shape = self.compute_output_shape(tuple(outputs.shape))
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_outputs": self.num_outputs,
            "initial": self.initial,
            "regularization": self.regularization,
        }
