"""Estimates of a gradient from losses at a few points."""

import dataclasses
from typing import Any

from keras import ops

from keras_reprogram.black_box import directions
from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import number
from keras_reprogram.configurable import optional
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable

SMALLEST = 1e-12


class GradientEstimator(Configurable):
    """Base class: where the source is asked, and what its answers tell.

    A step of training asks for the losses at `points(...)` around the present
    program and follows `gradient(...)`. Directions are a function of the seed
    and the number of the step alone, the same on every backend: training that
    was interrupted goes on with those that it would have had.

    A subclass is a frozen dataclass with these fields and its own.

    Attributes:
        points_per_batch: Number of programs whose inputs go to the source as
            one batch; `None` for all of a step.
        seed: Integer seed of the directions.
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

    def check(self, model: Any, optimizer: Any) -> None:
        """Raises a `ValueError` if a model cannot be trained this way."""

    def session(self, dimension: int) -> Any:
        """What a model keeps for the estimator from step to step.

        Args:
            dimension: Number of values of the program.
        """
        return None

    def sample_directions(
        self, dimension: int, step: Any, session: Any = None
    ) -> Any:
        """The directions of a step, a tensor `[directions, dimension]`.

        Args:
            dimension: Number of values of the program.
            step: Number of the step, an integer scalar.
            session: What `session` returned.
        """
        raise NotImplementedError

    @property
    def num_points(self) -> int:
        """Queries of a step for each sample."""
        raise NotImplementedError

    def points(self, sampled: Any, step: Any) -> Any:
        """Where to ask: offsets `[num_points, dimension]` from the program."""
        raise NotImplementedError

    def center(self, outputs: list[Any]) -> Any:
        """The source's outputs at the program itself, from those asked for.

        The mean of them all, unless the program itself is among the points.
        """
        return sum(outputs) / len(outputs)

    def gradient(
        self, sampled: Any, losses: Any, step: Any, session: Any = None
    ) -> Any:
        """The estimate, of shape `[dimension]`.

        Args:
            sampled: The directions, as `sample_directions` returned them.
            losses: Losses at `points`, of shape `[num_points]`.
            step: Number of the step.
            session: What `session` returned.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class FiniteDifferences(GradientEstimator):
    """Base class: differences of losses along random directions.

    Args:
        directions: Number of random directions of a step, `q`.
        smoothing: Distance at which the loss is asked for. Defaults to 0.1: of
            0.01, 0.03, 0.1, 0.3 and 1.0 it taught the most in 10,000 queries
            on average over three tasks and three estimators, with
            `keras.optimizers.Adam(0.01)` and a label map that is not trained,
            such as `"bayesian_plus"`.
        points_per_batch: As for `GradientEstimator`.
        seed: Integer seed of the directions.
    """

    directions: int = 10
    smoothing: float = 0.1
    points_per_batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_fields(
            directions=positive_integer("directions", self.directions),
            smoothing=number("smoothing", self.smoothing, SMALLEST),
        )

    def radius(self, step: Any) -> Any:
        """Distance at which the loss is asked for in this step."""
        return self.smoothing


@dataclasses.dataclass(frozen=True)
class DirectionalDifferences(FiniteDifferences):
    """Base class: slopes along random directions of length 1, averaged.

    ```
    g = d / q * sum_i u_i * slope_i
    ```
    """

    orthogonal: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_fields(orthogonal=boolean("orthogonal", self.orthogonal))

    def sample_directions(
        self, dimension: int, step: Any, session: Any = None
    ) -> Any:
        draw = directions.unit_sphere
        if self.orthogonal:
            draw = directions.orthonormal
        return draw(self.directions, dimension, self.seed, step)

    def slopes(self, losses: Any, step: Any) -> Any:
        """Slopes along the directions, of shape `[directions]`."""
        raise NotImplementedError

    def gradient(
        self, sampled: Any, losses: Any, step: Any, session: Any = None
    ) -> Any:
        slopes = self.slopes(losses, step)
        return ops.matmul(slopes, sampled) * (
            sampled.shape[1] / self.directions
        )


class TwoSidedDifferences(FiniteDifferences):
    """Asks on both sides of the program, as far ahead as behind."""

    @property
    def num_points(self) -> int:
        return 2 * self.directions

    def points(self, sampled: Any, step: Any) -> Any:
        offsets = self.radius(step) * sampled
        return ops.concatenate([offsets, -offsets])

    def slopes(self, losses: Any, step: Any) -> Any:
        ahead, behind = losses[: self.directions], losses[self.directions :]
        return (ahead - behind) / (2.0 * self.radius(step))


@serializable
@dataclasses.dataclass(frozen=True)
class OneSided(DirectionalDifferences):
    """Averaged one-sided differences along random directions (BAR).

    ```
    g = d / q * sum_i u_i * (loss(w + beta * u_i) - loss(w)) / beta
    ```

    with `u_i` on the unit sphere of `d` values. It asks `q + 1` times a sample.

    Example:

    ```python
    estimator = keras_reprogram.black_box.OneSided(directions=20)
    ```

    Args:
        directions: Number of directions, `q`.
        smoothing: `beta`, in units of the program's values.
        points_per_batch: Programs whose inputs are one batch; `None` for all.
        seed: Seed of the directions.
        orthogonal: Whether the directions are at right angles to one another,
            which needs `q <= d`.

    References:
        - [Black-box Adversarial Reprogramming](https://arxiv.org/abs/2007.08714)
    """

    @property
    def num_points(self) -> int:
        return self.directions + 1

    def points(self, sampled: Any, step: Any) -> Any:
        return ops.concatenate(
            [ops.zeros_like(sampled[:1]), self.radius(step) * sampled]
        )

    def center(self, outputs: list[Any]) -> Any:
        return outputs[0]

    def slopes(self, losses: Any, step: Any) -> Any:
        return (losses[1:] - losses[0]) / self.radius(step)


@serializable
@dataclasses.dataclass(frozen=True)
class TwoSided(TwoSidedDifferences, DirectionalDifferences):
    """Averaged two-sided differences along random directions.

    ```
    g = d / q * sum_i u_i * (loss(w + beta u_i) - loss(w - beta u_i)) / (2 beta)
    ```

    with `u_i` on the unit sphere of `d` values. Its error grows with `beta`
    squared where that of one-sided differences grows with `beta`. It asks
    `2 q` times a sample: the outputs at the program itself are taken to be the
    mean of those at `w + beta u_i` and `w - beta u_i`.

    Example:

    ```python
    estimator = keras_reprogram.black_box.TwoSided(5, orthogonal=True)
    ```

    Args:
        directions: Number of directions, `q`.
        smoothing: `beta`, in units of the program's values.
        points_per_batch: Programs whose inputs are one batch; `None` for all.
        seed: Seed of the directions.
        orthogonal: Whether the directions are at right angles to one another,
            which needs `q <= d`.

    References:
        - [Random gradient-free minimization](https://doi.org/10.1007/s10208-015-9296-2)
    """


@serializable
@dataclasses.dataclass(frozen=True)
class SPSA(TwoSidedDifferences):
    """Simultaneous perturbation: all values at once, by random amounts.

    ```
    g = mean_i (loss(w + c_k D_i) - loss(w - c_k D_i)) / (2 c_k D_i)
    c_k = c / (k + 1) ** gamma              # k counts the steps from 0
    ```

    with values of `D_i` of random sign and of a size uniform from 0.5 to 1.
    Two queries a sample are enough for a step. BlackVIP's SPSA-GC follows it
    by a look-ahead momentum, which is Keras's Nesterov momentum:

    ```python
    optimizer = keras.optimizers.SGD(
        keras_reprogram.black_box.PowerDecay(0.01, exponent=0.4),
        momentum=0.9,
        nesterov=True,
    )
    ```

    (In the paper the momentum gathers gradients and not steps; the two differ
    by as much as the rate falls from one step to the next.)

    Args:
        directions: Number of directions; the papers have 1.
        smoothing: `c`, in units of the program's values.
        points_per_batch: Programs whose inputs are one batch; `None` for all.
        seed: Seed of the directions.
        exponent: `gamma`, from 0 up.

    References:
        - [SPSA](https://doi.org/10.1109/9.119632)
        - [BlackVIP](https://arxiv.org/abs/2303.14773)
    """

    directions: int = 1
    exponent: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_fields(exponent=number("exponent", self.exponent, 0.0))

    def sample_directions(
        self, dimension: int, step: Any, session: Any = None
    ) -> Any:
        return directions.signs_of_uniform(
            self.directions, dimension, self.seed, step
        )

    def radius(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        return self.smoothing / ops.power(step + 1.0, self.exponent)

    def gradient(
        self, sampled: Any, losses: Any, step: Any, session: Any = None
    ) -> Any:
        slopes = ops.expand_dims(self.slopes(losses, step), 1)
        return ops.mean(slopes / sampled, axis=0)


def get(identifier: dict | GradientEstimator | None) -> GradientEstimator:
    """Returns an estimator from its config or itself."""
    return optional(
        "gradient_estimator",
        identifier,
        GradientEstimator,
        "an estimator of `keras_reprogram.black_box`, such as "
        "`OneSided()`, or `None`",
    )
