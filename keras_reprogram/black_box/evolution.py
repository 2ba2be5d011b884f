"""CMA-ES, an evolution strategy for programs with few values."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.black_box.finite_differences import SMALLEST_RADIUS
from keras_reprogram.black_box.search_session import SearchSession
from keras_reprogram.black_box.trained_model import TrainedModel
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.optional_packages import optional_package
from keras_reprogram.typing import Tensor


@serializable
@dataclasses.dataclass(frozen=True)
class CMAES(GradientEstimator):
    """CMA-ES: a population of programs, sampled from an adapted Gaussian.

    Each step evaluates the losses of a population on the batch and moves the
    program to the new mean `m`: the "gradient" is `w - m`, and
    `keras.optimizers.SGD(1.0)` makes that step. The covariance matrix has one
    row for each value of the program, so use a program with at most a few
    hundred values (`Grid`, `Cosine`, `LowRank`), large batches, and a label
    map without trained weights.

    `keras_reprogram.callbacks.ResumeTraining` restores the covariance matrix;
    after other checkpoints, training starts with a new one. Steps run
    eagerly, and a Keras source then keeps the outputs of all layers until its
    call returns: `points_per_batch=1` limits that to one program's batch.

    Example:

    ```python
    estimator = keras_reprogram.black_box.CMAES(population_size=16)
    optimizer = keras.optimizers.SGD(1.0)
    ```

    Args:
        population_size: Integer. The number of programs in a population, at
            least 3. Defaults to `16`.
        sigma0: Float. The initial standard deviation of the programs.
            Defaults to `0.1`.
        points_per_batch: Integer. The number of programs whose inputs are
            sent to the source as one batch. Defaults to `None`, for all of a
            step.
        seed: Integer. The random seed of the populations. Defaults to `0`.

    References:
        - [The CMA evolution strategy](https://arxiv.org/abs/1604.00772)
    """

    population_size: int = 16
    sigma0: float = 0.1
    points_per_batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_fields(
            population_size=positive_integer(
                "population_size", self.population_size
            ),
            sigma0=number("sigma0", self.sigma0, SMALLEST_RADIUS),
        )
        if self.population_size < 3:
            raise ValueError(
                "A population has at least 3 programs. Received: "
                f"population_size={self.population_size}"
            )

    @property
    def runs_eagerly(self) -> bool:
        return True

    def check(
        self, model: TrainedModel, optimizer: keras.optimizers.Optimizer
    ) -> None:
        is_sgd = isinstance(optimizer, keras.optimizers.SGD)
        if not is_sgd or optimizer.momentum:
            raise ValueError(
                "CMA-ES moves the program itself: pass "
                "`keras.optimizers.SGD(1.0)`. Received: "
                f"optimizer={optimizer!r}"
            )
        if model.label_mapper.trainable_variables:
            raise ValueError(
                "CMA-ES requires a label map without trained weights, such "
                'as "bayesian_plus". Received: a label map with '
                f"{len(model.label_mapper.trainable_variables)} trained "
                "variables"
            )

    def session(self, dimension: int) -> "EvolutionSession":
        return EvolutionSession(self, dimension)

    def sample_directions(
        self,
        dimension: int,
        step: Tensor,
        session: SearchSession | None = None,
    ) -> Tensor:
        return ops.convert_to_tensor(evolution_session(session).ask())

    @property
    def num_points(self) -> int:
        return self.population_size

    def points(self, directions: Tensor, step: Tensor) -> Tensor:
        return directions

    def gradient(
        self,
        directions: Tensor,
        losses: Tensor,
        step: Tensor,
        session: SearchSession | None = None,
    ) -> Tensor:
        movement = evolution_session(session).tell(ops.convert_to_numpy(losses))
        return ops.convert_to_tensor(-movement)


class EvolutionSession(SearchSession):
    """The search of one model, in offsets from its initial program.

    Args:
        estimator: The `CMAES` with the settings of the search.
        dimension: Integer. The number of values of the program.
    """

    def __init__(self, estimator: CMAES, dimension: int) -> None:
        super().__init__()
        cma = optional_package("cma", "evolution", "CMA-ES")
        self.strategy_class = cma.CMAEvolutionStrategy
        self.estimator, self.dimension = estimator, dimension
        self.reset()

    def reset(self) -> None:
        generator = np.random.default_rng(self.estimator.seed)
        options = {
            "popsize": self.estimator.population_size,
            "randn": lambda *shape: generator.standard_normal(shape),
            "seed": np.nan,  # does not seed NumPy's global generator
            "verbose": -9,
        }
        self.strategy = self.strategy_class(
            np.zeros(self.dimension), self.estimator.sigma0, options
        )
        self.losses_told = []
        self.population: list[np.ndarray] | None = None

    def ask(self) -> np.ndarray:
        """Returns the current population, as offsets from the mean.

        The population stays the same until `tell` is called.
        """
        if self.population is None:
            self.population = self.strategy.ask()
        offsets = np.stack(self.population) - self.strategy.mean
        return np.asarray(offsets, "float32")

    def tell(self, losses: np.ndarray) -> np.ndarray:
        """Updates the search and returns how far the mean moves.

        Args:
            losses: Array `(population_size,)`. The losses of the population.
        """
        mean = self.strategy.mean.copy()
        self.strategy.tell(self.population, losses.astype("float64").tolist())
        self.population = None
        self.losses_told.append(losses)
        return np.asarray(self.strategy.mean - mean, "float32")

    def replay(self, losses_told: np.ndarray) -> None:
        self.reset()
        for losses in losses_told:
            self.ask()
            self.tell(losses)


def evolution_session(session: SearchSession | None) -> EvolutionSession:
    if not isinstance(session, EvolutionSession):
        raise ValueError(
            "CMA-ES keeps its state between steps: pass what "
            f"`CMAES.session` returned. Received: session={session!r}"
        )
    return session
