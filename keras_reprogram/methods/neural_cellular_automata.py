"""Neural cellular automata: a matrix on all cells, or a few injected cells.

Title: Adversarial Reprogramming of Neural Cellular Automata
Authors: Randazzo, Mordvintsev, Niklasson and Levin
Year: 2021
Link: https://doi.org/10.23915/distill.00027.004
Samples: states of a cellular automaton
Input: `Recurrence`, with a `StateMatrix` or `InjectedCells` at every step
Output mapping: `StateChannels`, colors, or `CellClasses`, the votes of cells
Loss: squared error of colors, cross-entropy of classes (ours)
Optimizer: Adam on normalized gradients, `NormalizedAdam`
Learning rate: 0.002, a tenth of it after 2,000 steps
Epochs: 8,000 steps

    x <- clip(x M, -3, 3) in living cells,    x <- f(x)
    x <- x + mask * rule(x),                  x <- f(x)

The source `f` is one step of an automaton; the program acts at every one of
`num_steps` steps. `M` is symmetric and starts as the identity. The second form
trains a rule for a fixed random share of the cells.

Differences: every sample has the same number of steps, where the paper draws
64 to 96, and comes from no pool of earlier results: pass states of several
ages and damaged ones as samples instead. The sources that this package makes
change all cells at once, without chance. Dead cells keep their state, where
the paper sets them to zero; its automaton does so itself. The rule of injected
cells is a correction of the source's rule, from which it starts, where the
paper's is a network of its own.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import Recurrence
from keras_reprogram.inputs import StateMatrix
from keras_reprogram.inputs import StateTransformation
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.optimizers import NormalizedAdam
from keras_reprogram.outputs import CellClasses
from keras_reprogram.outputs import StateChannels
from keras_reprogram.sources import LivingCells


def neural_cellular_automata(
    source: keras.Model,
    num_classes: int | None = None,
    num_steps: int = 64,
    transformation: StateTransformation | None = None,
    living: LivingCells | None = None,
    learning_rate: float | LearningRateSchedule | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Neural cellular automata, Randazzo et al. 2021.

    Example:

    ```python
    # Stands for a trained automaton.
    source = keras_reprogram.sources.cellular_automaton((12, 12, 8))
    states = np.zeros((4, 12, 12, 8), "float32")
    states[:, 6, 6, 3:] = 1.0

    model = keras_reprogram.methods.neural_cellular_automata(
        source, num_steps=8
    )
    model.fit(states, np.ones((4, 12, 12, 4)), verbose=0)

    # Two classes, of images whose ink is the first channel of a state.
    living = keras_reprogram.sources.LivingCells(channel=0, neighborhood=1)
    source = keras_reprogram.sources.cellular_automaton(
        (12, 12, 8), keras_reprogram.sources.CellRule(64, 1), living
    )
    images = np.zeros((4, 12, 12, 8), "float32")
    images[:, 3:9, 3:9, 0] = 1.0
    model = keras_reprogram.methods.neural_cellular_automata(
        source, num_classes=2, num_steps=8, living=living, fixed_channels=1
    )
    model.fit(images, np.array([0, 1, 0, 1]), verbose=0)
    ```

    Args:
        source: `keras.Model`. One step of the automaton, which is frozen: from
            states `(batch, height, width, channels)` to the next ones.
        num_classes: Integer. The number of classes of an automaton whose last
            channels are logits. Defaults to `None`: the first four channels
            are compared with pictures.
        num_steps: Integer. How often the source is applied. Defaults to `64`.
        transformation: A `StateTransformation`, for instance
            `keras_reprogram.inputs.InjectedCells()`. Defaults to `None`, for a
            `StateMatrix`, whose `limit` must exceed the states that the
            source reaches.
        living: A `LivingCells`, the cells that the matrix multiplies, and
            whose votes count: those of the source. Defaults to `None`, for
            `LivingCells()`, whose fourth channel tells them; with
            `num_classes` it must be passed.
        learning_rate: Float or schedule. Defaults to `None`, for `0.002` and a
            tenth of it after 2,000 steps.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.inputs.StateMatrix`.

    Returns:
        A compiled `ReprogrammedModel`.

    Raises:
        ValueError: If `living` is left out although `num_classes` is not.
    """
    if living is None and num_classes is not None:
        raise ValueError(
            "Which channel of a classifying automaton tells its living cells "
            "must be known: pass `living`, for instance "
            "`keras_reprogram.sources.LivingCells(channel=0, "
            "neighborhood=1)` for the ink of an image. Received: "
            f"num_classes={num_classes} and living=None"
        )
    living = living or LivingCells()
    if transformation is None:
        transformation = StateMatrix(living=living, **kwargs)
    elif kwargs:
        raise ValueError(
            "Further arguments are those of a `StateMatrix`: pass them to the "
            f"transformation. Received: transformation={transformation!r} "
            f"and {sorted(kwargs)}"
        )
    if learning_rate is None:
        learning_rate = keras.optimizers.schedules.PiecewiseConstantDecay(
            [2000], [0.002, 0.0002]
        )
    model = ReprogrammedModel(
        source,
        Recurrence(num_steps, transformation),
        StateChannels(4)
        if num_classes is None
        else CellClasses(num_classes, living),
    )
    model.compile(
        optimizer or NormalizedAdam(learning_rate),
        keras.losses.MeanSquaredError()
        if num_classes is None
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["mae" if num_classes is None else "accuracy"],
    )
    return model
