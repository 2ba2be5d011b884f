"""Base class of the gradient estimators."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_reprogram.black_box.point_evaluation import QueryResult
from keras_reprogram.black_box.point_evaluation import evaluate_points
from keras_reprogram.black_box.search_session import SearchSession
from keras_reprogram.black_box.trained_model import TrainedModel
from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import optional
from keras_reprogram.configurable import positive_integer
from keras_reprogram.typing import Tensor


class GradientEstimator(Configurable):
    """Base class: the points to query, and the gradient from their losses.

    A training step evaluates the losses at `points(...)` around the current
    program and descends along `gradient(...)`. An estimator that queries the
    source otherwise overrides `query`. Directions depend on the seed and the
    number of the step only and are the same on every backend, so interrupted
    training resumes with the same directions.

    A subclass is a frozen dataclass with these fields and its own.

    Attributes:
        points_per_batch: Integer. The number of programs whose inputs are
            sent to the source as one batch; `None` for all of a step.
        seed: Integer. The random seed of the directions.
    """

    points_per_batch: int | None
    seed: int

    def __post_init__(self) -> None:
        points_per_batch = self.points_per_batch
        if points_per_batch is not None:
            points_per_batch = positive_integer(
                "points_per_batch", points_per_batch
            )
        self.set_fields(
            points_per_batch=points_per_batch, seed=check_seed(self.seed)
        )

    @property
    def runs_eagerly(self) -> bool:
        """Whether steps cannot be compiled."""
        return False

    def check(
        self, model: TrainedModel, optimizer: keras.optimizers.Optimizer
    ) -> None:
        """Checks whether a model can be trained with this estimator.

        Args:
            model: A `ReprogrammedModel`.
            optimizer: A Keras optimizer.

        Raises:
            ValueError: If the model or the optimizer does not fit.
        """

    def query(
        self,
        model: TrainedModel,
        x: Tensor,
        y: Tensor,
        sample_weight: Tensor,
        state: Sequence[tuple[keras.Variable, Tensor]] = (),
    ) -> QueryResult:
        """Queries the source in a step, and estimates the gradient.

        Args:
            model: A compiled `ReprogrammedModel`.
            x: Tensor. A batch of samples.
            y: Tensor. The labels of the batch.
            sample_weight: Tensor, or `None`. The weights of the samples.
            state: Pairs of variables and values, for variables of the model
                and of the optimizer that do not hold their values themselves.
                Defaults to none.

        Returns:
            A `QueryResult`.
        """
        return evaluate_points(model, self, x, y, sample_weight, state)

    def session(self, dimension: int) -> SearchSession | None:
        """Returns the state that a model keeps between steps.

        Args:
            dimension: Integer. The number of values of the program.

        Returns:
            A `SearchSession`, or `None` for an estimator without state.
        """
        return None

    def sample_directions(
        self,
        dimension: int,
        step: Tensor,
        session: SearchSession | None = None,
    ) -> Tensor:
        """Returns the directions of a step.

        Args:
            dimension: Integer. The number of values of the program.
            step: Integer scalar tensor. The number of the step.
            session: The return value of `session`. Defaults to `None`.

        Returns:
            A tensor `(directions, dimension)`.
        """
        raise NotImplementedError

    @property
    def num_points(self) -> int:
        """Number of queries for each sample in a step."""
        raise NotImplementedError

    def points(self, directions: Tensor, step: Tensor) -> Tensor:
        """Returns the points to query.

        Args:
            directions: The return value of `sample_directions`.
            step: Integer scalar tensor. The number of the step.

        Returns:
            A tensor `(num_points, dimension)` of offsets from the program.
        """
        raise NotImplementedError

    def center(self, outputs: list[Tensor]) -> Tensor:
        """Returns the source's outputs at the program itself.

        They are approximated by the mean over all points, unless the program
        itself is one of the points.

        Args:
            outputs: List of tensors. The source's outputs at each point.
        """
        return sum(outputs) / len(outputs)

    def gradient(
        self,
        directions: Tensor,
        losses: Tensor,
        step: Tensor,
        session: SearchSession | None = None,
    ) -> Tensor:
        """Returns the estimated gradient.

        Args:
            directions: The return value of `sample_directions`.
            losses: Tensor `(num_points,)`. The losses at `points`.
            step: Integer scalar tensor. The number of the step.
            session: The return value of `session`. Defaults to `None`.

        Returns:
            A tensor `(dimension,)`.
        """
        raise NotImplementedError


def get(
    identifier: dict[str, Any] | GradientEstimator | None,
) -> GradientEstimator | None:
    """Returns an estimator from its config or itself, or `None`."""
    estimator: GradientEstimator | None = optional(
        "gradient_estimator",
        identifier,
        GradientEstimator,
        "an estimator of `keras_reprogram.black_box`, such as "
        "`OneSided()`, or `None`",
    )
    return estimator
