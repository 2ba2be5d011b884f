import pytest

from keras_reprogram.diagnostics import RankedReadout
from keras_reprogram.diagnostics import Ranking
from keras_reprogram.visualization import plot_ranking

pytest.importorskip("matplotlib")

pytestmark = pytest.mark.numpy_alone


def row(source, ridge, logme):
    canvas, spread, seconds = "8x8x3", 0.1, 1.0
    return RankedReadout(
        source, canvas, "logits", 6, ridge, spread, logme, 1.0, seconds
    )


RANKING = Ranking(
    (row("wide", 0.9, -1.0), row("narrow", 0.8, 2.0)), score="ridge"
)


def bars(figure):
    axis = figure.axes[0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in axis.patches]))


def test_the_best_bar_is_at_the_top():
    found = bars(plot_ranking(RANKING))
    assert list(found.items()) == [
        ("narrow 8x8x3 logits", 0.8),
        ("wide 8x8x3 logits", 0.9),
    ]


def test_another_score_is_sorted_anew():
    figure = plot_ranking(RANKING, "logme")
    assert list(bars(figure).values()) == [-1.0, 2.0]
    assert figure.axes[0].get_xlabel() == "logme"


def test_an_unknown_score_raises():
    with pytest.raises(ValueError, match="Received: score"):
        plot_ranking(RANKING, "accuracy")
