"""Evolution of a program of few values."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.black_box.estimators import SMALLEST
from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.optional_packages import optional_package


@serializable
@dataclasses.dataclass(frozen=True)
class CMAES(GradientEstimator):
    """CMA-ES: a population of programs around a mean that follows the best.

    Each step asks for the losses of a generation on the batch and moves the
    program to the new mean `m`: the "gradient" is `w - m`, and
    `keras.optimizers.SGD(1.0)` goes there. The covariance is a matrix of the
    program's values: take a program of a few hundred at most (`Grid`,
    `Cosine`, `LowRank`), large batches, and a label map without trained
    weights. `keras_reprogram.callbacks.ResumeTraining` goes on with the same
    covariance; other checkpoints do not have it, and training begins with a
    new one there. It runs eagerly, and a source of Keras then holds every
    layer's output until it has answered: `points_per_batch=1` keeps that to one
    program's batch.

    Example:

    ```python
    estimator = keras_reprogram.black_box.CMAES(population_size=16)
    optimizer = keras.optimizers.SGD(1.0)
    ```

    Args:
        population_size: Programs of a generation, at least 3.
        sigma0: First standard deviation of the programs.
        points_per_batch: Programs whose inputs are one batch; `None` for all.
        seed: Seed of the populations.

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
            sigma0=number("sigma0", self.sigma0, SMALLEST),
        )
        if self.population_size < 3:
            raise ValueError(
                "A generation has at least 3 programs. Received: "
                f"population_size={self.population_size}"
            )

    @property
    def runs_eagerly(self) -> bool:
        return True

    def check(self, model: Any, optimizer: Any) -> None:
        plain = isinstance(optimizer, keras.optimizers.SGD)
        if not plain or optimizer.momentum:
            raise ValueError(
                "CMA-ES moves the program itself: pass "
                "`keras.optimizers.SGD(1.0)`. Received: "
                f"optimizer={optimizer!r}"
            )
        if model.label_mapper.trainable_variables:
            raise ValueError(
                "CMA-ES goes with a label map without trained weights, such "
                'as "bayesian_plus". Received: a label map with '
                f"{len(model.label_mapper.trainable_variables)} trained "
                "variables"
            )

    def session(self, dimension: int) -> "Generations":
        return Generations(self, dimension)

    def sample_directions(
        self, dimension: int, step: Any, session: "Generations"
    ) -> Any:
        return ops.convert_to_tensor(session.ask())

    @property
    def num_points(self) -> int:
        return self.population_size

    def points(self, sampled: Any, step: Any) -> Any:
        return sampled

    def gradient(
        self, sampled: Any, losses: Any, step: Any, session: "Generations"
    ) -> Any:
        return ops.convert_to_tensor(
            -session.tell(ops.convert_to_numpy(losses))
        )


class Generations:
    """The search of one model: `cma`, in offsets from where it started.

    Attributes:
        losses_told: Losses of all generations so far, a list of arrays
            `[population_size]`. With the seed they say where the search is.
    """

    def __init__(self, estimator: CMAES, dimension: int) -> None:
        cma = optional_package("cma", "evolution", "CMA-ES")
        self.strategy_class = cma.CMAEvolutionStrategy
        self.estimator, self.dimension = estimator, dimension
        self.begin()

    def begin(self) -> None:
        generator = np.random.default_rng(self.estimator.seed)
        options = {
            "popsize": self.estimator.population_size,
            "randn": lambda *shape: generator.standard_normal(shape),
            "seed": np.nan,  # leaves the generator of NumPy alone
            "verbose": -9,
        }
        self.strategy = self.strategy_class(
            np.zeros(self.dimension), self.estimator.sigma0, options
        )
        self.losses_told: list[np.ndarray] = []
        self.generation: list[np.ndarray] | None = None

    def ask(self) -> np.ndarray:
        """A generation, as offsets from the mean: the same until it is told."""
        if self.generation is None:
            self.generation = self.strategy.ask()
        offsets = np.stack(self.generation) - self.strategy.mean
        return offsets.astype("float32")

    def tell(self, losses: np.ndarray) -> np.ndarray:
        """How far the mean moves."""
        mean = self.strategy.mean.copy()
        self.strategy.tell(self.generation, losses.astype("float64").tolist())
        self.generation = None
        self.losses_told.append(losses)
        return (self.strategy.mean - mean).astype("float32")

    def replay(self, losses_told: np.ndarray) -> None:
        """Goes where a search was that had been told these losses."""
        self.begin()
        for losses in losses_told:
            self.ask()
            self.tell(losses)
