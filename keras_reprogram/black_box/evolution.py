"""Evolution of a program of few values."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.configurable import serializable


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
    layer's output until it has answered: `at_once=1` keeps that to one
    program's batch.

    Example:

    ```python
    estimator = keras_reprogram.black_box.CMAES(directions=16)
    optimizer = keras.optimizers.SGD(1.0)
    ```

    Args:
        directions: Programs of a generation, at least 3.
        smoothing: First standard deviation of the programs, `sigma`.
        at_once: Programs whose inputs are one batch; `None` for all.
        seed: Seed of the populations.

    References:
        - [The CMA evolution strategy](https://arxiv.org/abs/1604.00772)
    """

    directions: int = 16
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.directions < 3:
            raise ValueError(
                "A generation has at least 3 programs. Received: "
                f"directions={self.directions}"
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

    def drawn(self, dimension: int, step: Any, session: "Generations") -> Any:
        return ops.convert_to_tensor(session.ask())

    @property
    def num_points(self) -> int:
        return self.directions

    def points(self, drawn: Any, step: Any) -> Any:
        return drawn

    def gradient(
        self, drawn: Any, losses: Any, step: Any, session: "Generations"
    ) -> Any:
        return ops.convert_to_tensor(
            -session.tell(ops.convert_to_numpy(losses))
        )


class Generations:
    """The search of one model: `cma`, in offsets from where it started.

    Attributes:
        told: Losses of all generations so far, a list of arrays
            `[directions]`. With the seed they say where the search is.
    """

    def __init__(self, estimator: CMAES, dimension: int) -> None:
        try:
            import cma
        except ImportError as error:
            raise ImportError(
                "CMA-ES needs the `cma` package: pip install "
                "keras-reprogram[evolution]"
            ) from error
        self.strategy_class = cma.CMAEvolutionStrategy
        self.estimator, self.dimension = estimator, dimension
        self.begin()

    def begin(self) -> None:
        generator = np.random.default_rng(self.estimator.seed)
        options = {
            "popsize": self.estimator.directions,
            "randn": lambda *shape: generator.standard_normal(shape),
            "seed": np.nan,  # leaves the generator of NumPy alone
            "verbose": -9,
        }
        self.strategy = self.strategy_class(
            np.zeros(self.dimension), self.estimator.smoothing, options
        )
        self.told: list[np.ndarray] = []
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
        self.told.append(losses)
        return (self.strategy.mean - mean).astype("float32")

    def retell(self, told: np.ndarray) -> None:
        """Goes where a search was that had been told these losses."""
        self.begin()
        for losses in told:
            self.ask()
            self.tell(losses)
