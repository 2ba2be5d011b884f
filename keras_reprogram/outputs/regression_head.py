"""From the source's outputs to numbers."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import reading
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.ridge_regression import RidgeStatistics
from keras_reprogram.sources.specification import SourceSpecification


@serializable
class RegressionHead(OutputMapping):
    """Predicts numbers from the source's outputs by one trained linear map.

    ```
    outputs = mean + scale * (standardized(source_outputs) @ kernel + bias)
    ```

    `mean` and `scale` are those of the targets. They and those of the source's
    outputs are found from data before training, so that steps of the
    optimizer fit numbers of any unit. `ReprogrammedModel` divides targets and
    predictions by `scale` before it compares them: the loss is free of their
    unit as well, and several targets weigh as much as each other. Predictions
    and metrics are in the targets' own units. `kernel` and `bias` start as a
    ridge regression on the same data. Where the source has outputs at every
    step of a sequence, `[N, ..., S]`, each of them predicts.

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
        num_outputs: Number of targets, `T`.
        warm_start: Whether kernel and bias start as a ridge regression. If
            not, they start at zero, as a prediction of the targets' mean.
        regularization: Strength of the ridge regression's penalty, greater
            than 0, in units of the mean variance of the source's outputs;
            found by generalized cross-validation where left out.
        from_logits: Whether the source returns logits or features, not
            probabilities, which are read as logarithms, those of a sigmoid as
            logits. Left out, `ReprogrammedModel` takes it from the source.
        source_activation: `"linear"`, `"softmax"` or `"sigmoid"`: what makes
            the source's outputs. Left out, it follows from the source and
            `from_logits`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: The source's outputs, of shape `(batch, S)`, or `(batch, ...,
            S)` for one at every position.

    Returns:
        A tensor of shape `(batch, ..., T)`, of float32 at least. Labels are of
        the same shape, in their own unit; with one target, its axis may be
        left out.
    """

    needs_data = True

    def __init__(
        self,
        num_outputs: int = 1,
        warm_start: bool = True,
        regularization: float | None = None,
        from_logits: bool | None = None,
        source_activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Values of float32 are not cast down before they are read.
        super().__init__(**{"autocast": False, **kwargs})
        self.num_outputs = positive_integer("num_outputs", num_outputs)
        self.warm_start = boolean("warm_start", warm_start)
        if regularization is not None:
            regularization = number("regularization", regularization, 1e-30)
        self.regularization = regularization
        if from_logits is not None:
            from_logits = boolean("from_logits", from_logits)
        self.from_logits = from_logits
        self.source_activation = reading.check_activation(
            source_activation, from_logits
        )
        self.num_features: int | None = None

    def accept(self, specification: SourceSpecification) -> None:
        self.source_activation = reading.resolve(
            self.source_activation,
            self.from_logits,
            specification.activation,
            specification.num_classes,
        )
        self.from_logits = self.source_activation == "linear"

    @property
    def activation(self) -> str:
        """What makes the source's outputs."""
        return reading.resolve(
            self.source_activation,
            self.from_logits,
            "linear",
            self.num_features,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                "A regression needs a source with an axis of classes or "
                "features: outputs of shape (batch, ..., features). Received: "
                f"{tuple(input_shape)}"
            )
        self.position_shape = tuple(input_shape[1:-1])
        self.num_features = input_shape[-1]

        def weight(
            name: str,
            *shape: int,
            initializer: str = "zeros",
            trainable: bool = False,
        ) -> keras.Variable:
            return self.add_weight(
                name=name,
                shape=shape,
                dtype=reading.full_dtype(self.variable_dtype),
                initializer=initializer,
                trainable=trainable,
            )

        features, targets = self.num_features, self.num_outputs
        self.kernel = weight("kernel", features, targets, trainable=True)
        self.bias = weight("bias", targets, trainable=True)
        self.mean = weight("mean", targets)
        self.scale = weight("scale", targets, initializer="ones")
        self.source_mean = weight("source_mean", features)
        self.source_scale = weight("source_scale", features, initializer="ones")
        self.is_solved = self.add_weight(
            name="is_solved",
            shape=(),
            dtype="int32",
            initializer=constant(0),
            trainable=False,
        )

    def call(self, inputs: Any) -> Any:
        self.require_solved()
        inputs = ops.cast(inputs, self.full_dtype)
        inputs = reading.read_features(inputs, self.activation)
        inputs = (inputs - self.source_mean) / self.source_scale
        standardized = ops.add(ops.matmul(inputs, self.kernel), self.bias)
        return ops.add(self.mean, ops.multiply(self.scale, standardized))

    def adapt(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Finds the targets' mean and scale, and the start, from data.

        Args:
            batches: Pairs of the source's outputs `[N, ..., S]` on
                reprogrammed samples and their targets `[N, ..., T]`.

        Raises:
            ValueError: If there is no batch, or an output is not finite.
        """
        statistics = RidgeStatistics()
        for outputs, values in batches:
            outputs = reading.read_features_of_array(outputs, self.activation)
            if not np.isfinite(outputs).all():
                raise ValueError(
                    "A regression starts from finite outputs of the source. "
                    "Received: outputs with NaN or infinity"
                )
            statistics.add(
                outputs.reshape(-1, outputs.shape[-1]),
                values.reshape(-1, self.num_outputs),
            )
        if not statistics.count:
            raise ValueError(
                "A regression head is found from at least one batch of data. "
                "Received: no batches"
            )
        mean, scale = statistics.target_scale()
        source_mean, source_scale = statistics.source_scale()
        kernel, bias = np.zeros(self.kernel.shape), np.zeros(self.num_outputs)
        if self.warm_start:
            kernel, bias = statistics.solve(self.regularization)
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
        self.is_solved.assign(1)
        self.was_solved = True

    def in_loss_units(self, y: Any, y_pred: Any) -> tuple[Any, Any]:
        return targets.divided(y, y_pred, self.scale)

    def standardize_labels(
        self, labels: np.ndarray, sparse: bool, ignored: int | None = None
    ) -> np.ndarray:
        """Targets as the head is found from them, checked."""
        self.check_targets(labels, sparse)
        return labels

    def check_target_shape(self, shape: tuple, sparse: bool) -> None:
        wanted = (*self.position_shape, self.num_outputs)
        targets.check_number_shape(shape, wanted, sparse)

    def check_targets(
        self, values: np.ndarray, sparse: bool, ignored: int | None = None
    ) -> None:
        self.check_target_shape(values.shape, sparse)
        targets.check_finite(values)

    def check_solved(self) -> None:
        if not self.solved:
            raise ValueError(
                "The scale of a `RegressionHead` is found from data and it "
                "has seen none: call `adapt` on the `ReprogrammedModel` with "
                "training data, or `fit`, which does so by itself. `fit` of a "
                "model around it, or of a clone, does not. Received: a head "
                "without data"
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

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.num_outputs)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        shape = self.compute_output_shape(tuple(inputs.shape))
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_outputs": self.num_outputs,
            "warm_start": self.warm_start,
            "regularization": self.regularization,
            "from_logits": self.from_logits,
            "source_activation": self.source_activation,
        }
