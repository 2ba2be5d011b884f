import keras
import numpy as np
import pytest

from keras_reprogram.black_box import QueriedSource
from keras_reprogram.diagnostics import RankedReadout
from keras_reprogram.diagnostics import Ranking
from keras_reprogram.diagnostics import h_score
from keras_reprogram.diagnostics import logme
from keras_reprogram.diagnostics import rank_sources
from keras_reprogram.diagnostics.ranking import scores_of

LABELS = np.arange(24) % 2


def images():
    """Bright and dark images; their color is noise."""
    generator = np.random.default_rng(0)
    values = generator.integers(0, 100, (24, 4, 4, 3))
    return (values + 100 * LABELS[:, None, None, None]).astype("uint8")


def source_of(reduction, name):
    inputs = keras.Input((4, 4, 3), name=name)
    x = keras.layers.Rescaling(1 / 255)(inputs)
    return keras.Model(inputs, reduction(x), name=name)


def brightness():
    return source_of(keras.layers.GlobalAveragePooling2D(), "brightness")


def contrast():
    """Differences of neighbors, which do not depend on the brightness."""
    return source_of(
        lambda x: keras.ops.mean(x[:, 1:] - x[:, :-1], axis=(1, 2)), "contrast"
    )


@pytest.fixture(scope="module")
def ranking():
    return rank_sources([contrast(), brightness()], images(), LABELS, verbose=0)


def test_the_source_that_separates_the_classes_is_first(ranking):
    assert ranking.best.source == "brightness"
    for score in ("ridge", "logme", "h_score"):
        ordered = ranking.sorted_by(score)
        assert [row.source for row in ordered.rows] == [
            "brightness",
            "contrast",
        ]
        assert ordered.score == score
    assert ranking.best.ridge > 0.95


def test_the_table_has_a_line_for_every_row(ranking):
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in ranking.table().splitlines()
    ]
    assert len(cells) == 4
    assert cells[0][:5] == ["source", "canvas", "readout", "features", "ridge"]
    assert cells[2][:4] == ["brightness", "4x4x3", "logits", "3"]
    assert ranking.best.name == "brightness 4x4x3 logits"


@pytest.mark.numpy_alone
@pytest.mark.parametrize("size", [3, 40])
def test_scores_are_those_of_the_functions(size):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(24, size)) + LABELS[:, None]
    found = scores_of(features, LABELS, folds=3)
    assert found["logme"] == pytest.approx(logme(features, LABELS))
    assert found["h_score"] == pytest.approx(h_score(features, LABELS))


@pytest.mark.numpy_alone
def test_numbers_have_r_squared_and_no_h_score():
    features = np.random.default_rng(0).normal(size=(30, 3))
    found = scores_of(features, features @ [1.0, 2.0, 3.0], folds=5)
    assert found["ridge"] > 0.99
    assert np.isnan(found["h_score"])
    row = RankedReadout("a", "4", "logits", 3, seconds=1.0, **found)
    ranking = Ranking((row,), "ridge")
    assert ranking.table().splitlines()[-1].split("|")[-3].strip() == ""
    with pytest.raises(ValueError, match="classes only"):
        ranking.sorted_by("h_score")


@pytest.mark.parametrize(
    "arguments",
    [
        {"score": "accuracy"},
        {"readouts": ["output"]},
        {"readouts": []},
        {"readouts": ["stages"]},
        {"folds": 1},
        {"batch_size": 0},
        {"x": iter([(images(), LABELS)]), "y": None},
    ],
)
def test_other_arguments_raise(arguments):
    arguments = {"x": images(), "y": LABELS, **arguments}
    with pytest.raises(ValueError, match="Received: "):
        rank_sources([contrast(), brightness()], verbose=0, **arguments)


def test_a_queried_source_is_ranked():
    source = QueriedSource(lambda x: x[:, 0, 0], (4, 4, 3), 3, True)
    found = rank_sources(
        {"queried": source}, images(), LABELS, batch_size=24, verbose=0
    )
    assert found.best.ridge > 0.6
    assert source.num_queries == 24


def test_a_progress_bar_covers_all_passes(capsys):
    rank_sources(
        [contrast(), brightness()],
        images(),
        LABELS,
        ["logits"],
        batch_size=12,
        verbose=1,
    )
    assert "4/4" in capsys.readouterr().out
