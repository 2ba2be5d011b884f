"""A plot of a ranking of sources."""

from typing import TYPE_CHECKING

import numpy as np

from keras_reprogram.optional_packages import optional_package

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_reprogram.diagnostics import Ranking


def plot_ranking(ranking: "Ranking", score: str | None = None) -> "Figure":
    """Plots the scores of sources as bars, the best one at the top.

    Bars of one source have one color. A line at the end of a bar is the
    standard error of the ridge score over the folds.

    Example:

    ```python
    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model
    images = np.random.randint(0, 256, size=(30, 8, 8, 1), dtype="uint8")
    ranking = keras_reprogram.diagnostics.rank_sources(
        {"small": source}, images, np.arange(30) % 3, verbose=0
    )
    keras_reprogram.visualization.plot_ranking(ranking)
    ```

    Args:
        ranking: `keras_reprogram.diagnostics.Ranking`.
        score: String. The score to plot and to sort by: `"ridge"`, `"logme"`
            or `"h_score"`. Defaults to `None`, the one that the ranking is
            sorted by.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If `score` is not one of the ranking's scores.
    """
    if score is not None:
        ranking = ranking.sorted_by(score)
    figures = optional_package("matplotlib.figure", "pictures", "A plot")
    rows = ranking.rows[::-1]
    size = 6.0, 0.8 + 0.25 * len(rows)
    figure: Figure = figures.Figure(size, layout="constrained")
    axis = figure.subplots()
    names = sorted({row.source for row in rows})
    values = np.array([getattr(row, ranking.score) for row in rows])
    spread = None
    if ranking.score == "ridge":
        spread = [row.ridge_spread for row in rows]
    axis.barh(
        range(len(rows)),
        values,
        xerr=spread,
        color=[f"C{names.index(row.source) % 10}" for row in rows],
    )
    axis.set_yticks(range(len(rows)), [row.name for row in rows])
    axis.set_xlabel(ranking.score)
    # Differences are small compared to the values.
    low, high = values.min(), values.max()
    margin = 0.5 * (high - low) or 1.0
    axis.set_xlim(low - margin, high + margin / 2)
    return figure
