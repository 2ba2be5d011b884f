"""REINFORCE: the gradient of token choices from losses of random draws."""

import dataclasses
from collections.abc import Sequence

import keras
from keras import ops

from keras_reprogram.black_box import random_numbers
from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.black_box.point_evaluation import QueryResult
from keras_reprogram.black_box.point_evaluation import num_queries
from keras_reprogram.black_box.point_evaluation import source_outputs
from keras_reprogram.black_box.trained_model import TrainedModel
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor


@serializable
@dataclasses.dataclass(frozen=True)
class Reinforce(GradientEstimator):
    """REINFORCE over token choices (Neekhara et al. 2019).

    A `TokenRemapping` is a policy: the source token of every context is drawn
    from the softmax of its table. The source is queried for whole
    sequences of draws, and

    ```
    g = mean_b mean_k (loss_bk - baseline_bk) * d log pi(draw_bk) / d theta
    ```

    where the baseline is the mean loss of the other draws of the same sample
    `b`, so that the estimate is unbiased. Prediction uses the most probable
    source tokens. A step needs `draws` queries for each sample.

    Adam needs a large learning rate, such as 0.5, of 0.2 and 0.5 the better one
    for 100 candidates: the probabilities of so many change slowly.

    Example:

    ```python
    def classify(token_ids):  # stands for a web service
        positive = (token_ids % 2).mean(axis=1)
        return np.stack([1 - positive, positive], axis=1)

    model = keras_reprogram.ReprogrammedModel(
        keras_reprogram.black_box.QueriedTextSource(classify, 100, 8, 2),
        keras_reprogram.inputs.TokenReprogrammer(
            keras_reprogram.inputs.TokenRemapping(vocabulary_size=5)
        ),
        keras_reprogram.LabelMapper(2, "identity"),
    )
    model.compile(
        keras.optimizers.Adam(0.5),
        keras.losses.SparseCategoricalCrossentropy(),
        gradient_estimator=keras_reprogram.black_box.Reinforce(),
    )
    tokens = np.random.randint(1, 5, size=(16, 8))
    model.fit(tokens, np.arange(16) % 2, verbose=0)
    ```

    Args:
        draws: Integer. The number of draws for each sample in a step, at least
            2. Defaults to `4`.
        points_per_batch: Integer. The number of draws whose inputs are sent to
            the source as one batch. Defaults to `None`, for all of a step.
        seed: Integer. The random seed of the draws. Defaults to `0`.

    Raises:
        ValueError: If there are fewer than 2 draws. In `compile`, if the model
            has no `TokenReprogrammer` with a `TokenRemapping`.

    References:
        - [Adversarial Reprogramming of Text Classification Neural
          Networks](https://arxiv.org/abs/1809.01829)
        - [REINFORCE](https://doi.org/10.1007/BF00992696)
    """

    draws: int = 4
    points_per_batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_fields(draws=positive_integer("draws", self.draws))
        if self.draws < 2:
            raise ValueError(
                "Each draw is compared with the others of its sample: pass at "
                f"least 2 draws. Received: draws={self.draws}"
            )

    @property
    def num_points(self) -> int:
        return self.draws

    def check(
        self, model: TrainedModel, optimizer: keras.optimizers.Optimizer
    ) -> None:
        layer = model.input_reprogrammer
        if not layer.has_token_policy:
            raise ValueError(
                "`Reinforce` draws source tokens: pass `TokenReprogrammer("
                "TokenRemapping(vocabulary_size))` without soft prompts, or "
                "another estimator, such as `TwoSided()`. Received: a "
                f"`{type(layer).__name__}` with {len(layer.trainable_weights)} "
                "trained variables"
            )

    def query(
        self,
        model: TrainedModel,
        x: Tensor,
        y: Tensor,
        sample_weight: Tensor,
        state: Sequence[tuple[keras.Variable, Tensor]] = (),
    ) -> QueryResult:
        with keras.StatelessScope(state_mapping=list(state)):
            policy = model.input_reprogrammer.token_policy(x)
            numbers = random_numbers.uniform(
                (self.draws, *policy.shape),
                self.seed,
                ops.convert_to_tensor(model.optimizer.iterations),
            )
            draws = [policy.choose(numbers[k]) for k in range(self.draws)]
            outputs = []
            size = self.points_per_batch or self.draws
            for start in range(0, self.draws, size):
                inputs = map(policy.source_inputs, draws[start : start + size])
                outputs += source_outputs(model, list(inputs), x)
            losses = [
                model.sample_losses(
                    y, model.label_mapper(output, x), sample_weight
                )
                for output in outputs
            ]
            weights = advantages(ops.cast(ops.stack(losses), "float32"))
            score = policy.score(
                draws, weights / ops.cast(ops.shape(x)[0], "float32")
            )
        (variable,) = model.input_reprogrammer.trainable_variables
        return QueryResult(
            outputs=self.center(outputs),
            gradients=[ops.cast(score / self.draws, variable.dtype)],
            updates=[],
            num_queries=num_queries(model, self, x),
        )


def advantages(losses: Tensor) -> Tensor:
    """Returns losses minus the mean loss of the other draws.

    ```
    l_k - sum_{j != k} l_j / (K - 1) = (l_k - mean_j l_j) * K / (K - 1)
    ```

    Args:
        losses: Tensor `(draws, batch)`.
    """
    count = losses.shape[0]
    deviations = losses - ops.mean(losses, axis=0, keepdims=True)
    return deviations * (count / (count - 1))
