"""Gradient estimators from finite differences along random directions."""

import dataclasses

from keras import ops

from keras_reprogram.black_box import directions as random_directions
from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.black_box.search_session import SearchSession
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor

SMALLEST_RADIUS = 1e-12


@dataclasses.dataclass(frozen=True)
class FiniteDifferences(GradientEstimator):
    """Base class: differences of losses along random directions.

    Args:
        directions: Integer. The number of random directions in a step, `q`.
            Defaults to `10`.
        smoothing: Float. The distance from the program at which losses are
            evaluated. Defaults to `0.1`, which on average over three tasks
            and three estimators learned most from 10,000 queries (against
            0.01, 0.03, 0.3 and 1.0), with `keras.optimizers.Adam(0.01)` and a
            label map without trained weights, such as `"bayesian_plus"`.
        points_per_batch: Integer. The number of programs whose inputs are
            sent to the source as one batch. Defaults to `None`, for all of a
            step.
        seed: Integer. The random seed of the directions. Defaults to `0`.
    """

    directions: int = 10
    smoothing: float = 0.1
    points_per_batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_fields(
            directions=positive_integer("directions", self.directions),
            smoothing=number("smoothing", self.smoothing, SMALLEST_RADIUS),
        )

    def radius(self, step: Tensor) -> Tensor:
        """Returns the distance at which losses are evaluated in a step."""
        return self.smoothing


@dataclasses.dataclass(frozen=True)
class DirectionalDifferences(FiniteDifferences):
    """Base class: the average of slopes along directions of length 1.

    ```
    g = d / q * sum_i u_i * slope_i
    ```
    """

    orthogonal: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_fields(orthogonal=boolean("orthogonal", self.orthogonal))

    def sample_directions(
        self, dimension: int, step: Tensor, session: SearchSession | None = None
    ) -> Tensor:
        draw = random_directions.unit_sphere
        if self.orthogonal:
            draw = random_directions.orthonormal
        return draw(self.directions, dimension, self.seed, step)

    def slopes(self, losses: Tensor, step: Tensor) -> Tensor:
        """Returns the slopes along the directions, `(directions,)`."""
        raise NotImplementedError

    def gradient(
        self,
        directions: Tensor,
        losses: Tensor,
        step: Tensor,
        session: SearchSession | None = None,
    ) -> Tensor:
        slopes = self.slopes(losses, step)
        return ops.matmul(slopes, directions) * (
            directions.shape[1] / self.directions
        )


class TwoSidedDifferences(FiniteDifferences):
    """Base class: points on both sides of the program, at equal distances."""

    @property
    def num_points(self) -> int:
        return 2 * self.directions

    def points(self, directions: Tensor, step: Tensor) -> Tensor:
        offsets = self.radius(step) * directions
        return ops.concatenate([offsets, -offsets])

    def slopes(self, losses: Tensor, step: Tensor) -> Tensor:
        forward, backward = losses[: self.directions], losses[self.directions :]
        return (forward - backward) / (2.0 * self.radius(step))


@serializable
@dataclasses.dataclass(frozen=True)
class OneSided(DirectionalDifferences):
    """Averaged one-sided differences along random directions (BAR).

    ```
    g = d / q * sum_i u_i * (loss(w + beta * u_i) - loss(w)) / beta
    ```

    with `u_i` on the unit sphere of `d` values. A step needs `q + 1` queries
    for each sample.

    Example:

    ```python
    estimator = keras_reprogram.black_box.OneSided(directions=20)
    ```

    Args:
        directions: Integer. The number of directions, `q`. Defaults to `10`.
        smoothing: Float. `beta`, in units of the program's values. Defaults
            to `0.1`.
        points_per_batch: Integer. The number of programs whose inputs are
            sent to the source as one batch. Defaults to `None`, for all of a
            step.
        seed: Integer. The random seed of the directions. Defaults to `0`.
        orthogonal: Boolean. Whether the directions are orthogonal, which
            requires `q <= d`. Defaults to `False`.

    References:
        - [Black-box Adversarial Reprogramming](https://arxiv.org/abs/2007.08714)
    """

    @property
    def num_points(self) -> int:
        return self.directions + 1

    def points(self, directions: Tensor, step: Tensor) -> Tensor:
        return ops.concatenate(
            [ops.zeros_like(directions[:1]), self.radius(step) * directions]
        )

    def center(self, outputs: list[Tensor]) -> Tensor:
        return outputs[0]

    def slopes(self, losses: Tensor, step: Tensor) -> Tensor:
        return (losses[1:] - losses[0]) / self.radius(step)


@serializable
@dataclasses.dataclass(frozen=True)
class TwoSided(TwoSidedDifferences, DirectionalDifferences):
    """Averaged two-sided differences along random directions.

    ```
    g = d / q * sum_i u_i * (loss(w + beta u_i) - loss(w - beta u_i)) / (2 beta)
    ```

    with `u_i` on the unit sphere of `d` values. The error is of second order
    in `beta`; that of one-sided differences is of first order. A step needs
    `2 q` queries for each sample: the outputs at the program itself are
    approximated by the mean of those at `w + beta u_i` and `w - beta u_i`.

    Example:

    ```python
    estimator = keras_reprogram.black_box.TwoSided(5, orthogonal=True)
    ```

    Args:
        directions: Integer. The number of directions, `q`. Defaults to `10`.
        smoothing: Float. `beta`, in units of the program's values. Defaults
            to `0.1`.
        points_per_batch: Integer. The number of programs whose inputs are
            sent to the source as one batch. Defaults to `None`, for all of a
            step.
        seed: Integer. The random seed of the directions. Defaults to `0`.
        orthogonal: Boolean. Whether the directions are orthogonal, which
            requires `q <= d`. Defaults to `False`.

    References:
        - [Random gradient-free minimization](https://doi.org/10.1007/s10208-015-9296-2)
    """


@serializable
@dataclasses.dataclass(frozen=True)
class SPSA(TwoSidedDifferences):
    """Simultaneous perturbation stochastic approximation (SPSA).

    All values of the program are perturbed at once, by random amounts:

    ```
    g = mean_i (loss(w + c_k D_i) - loss(w - c_k D_i)) / (2 c_k D_i)
    c_k = c / (k + 1) ** gamma              # k counts the steps from 0
    ```

    where the values of `D_i` have a random sign and a magnitude uniform from
    0.5 to 1. A step needs as few as two queries for each sample. BlackVIP's
    SPSA-GC adds a look-ahead momentum, which is Keras's Nesterov momentum:

    ```python
    optimizer = keras.optimizers.SGD(
        keras_reprogram.black_box.PowerDecay(0.01, exponent=0.4),
        momentum=0.9,
        nesterov=True,
    )
    ```

    The paper's momentum accumulates gradients and Keras's accumulates updates.
    The two differ only in how much the learning rate falls from one step to
    the next.

    Args:
        directions: Integer. The number of directions. Defaults to `1`, as in
            the papers.
        smoothing: Float. `c`, in units of the program's values. Defaults to
            `0.1`.
        points_per_batch: Integer. The number of programs whose inputs are
            sent to the source as one batch. Defaults to `None`, for all of a
            step.
        seed: Integer. The random seed of the directions. Defaults to `0`.
        exponent: Float. `gamma`, at least 0. Defaults to `0.1`.

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
        self, dimension: int, step: Tensor, session: SearchSession | None = None
    ) -> Tensor:
        return random_directions.segmented_uniform(
            self.directions, dimension, self.seed, step
        )

    def radius(self, step: Tensor) -> Tensor:
        step = ops.cast(step, "float32")
        return self.smoothing / ops.power(step + 1.0, self.exponent)

    def gradient(
        self,
        directions: Tensor,
        losses: Tensor,
        step: Tensor,
        session: SearchSession | None = None,
    ) -> Tensor:
        slopes = ops.expand_dims(self.slopes(losses, step), 1)
        return ops.mean(slopes / directions, axis=0)
