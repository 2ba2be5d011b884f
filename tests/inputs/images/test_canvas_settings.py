import dataclasses
import json

import numpy as np
import pytest

from keras_reprogram.inputs.images.canvas_settings import CanvasSettings
from keras_reprogram.inputs.images.canvas_settings import check_shape
from keras_reprogram.sources.specification import GraphSpecification
from keras_reprogram.sources.specification import SourceSpecification

pytestmark = pytest.mark.numpy_alone
GIVEN = CanvasSettings(None, None, None, None)


def source(accepted, preferred=None, scale=None, offset=0.0):
    return SourceSpecification(
        accepted,
        preferred or accepted,
        5,
        "linear",
        pixel_scale=scale,
        pixel_offset=offset,
    )


def test_what_is_missing_is_taken_from_the_source():
    known = GIVEN.completed(
        source((None, None, 3), (8, 8, 3), [0.1, 0.2, 0.3], -1.0), (0.0, 1.0)
    )
    assert known.sample_shape == (None, None, None)
    assert known.known_canvas_shape == (8, 8, 3)
    np.testing.assert_allclose(known.scale, [25.5, 51.0, 76.5])
    np.testing.assert_allclose(known.offset, [-1.0, -1.0, -1.0])


@pytest.mark.parametrize(
    ("specified", "advice"),
    [
        ({"embeddings": np.ones((5, 3))}, "TokenReprogrammer"),
        ({"graph": GraphSpecification(3, 1, ("sum",), "sum")}, "takes graphs"),
    ],
)
def test_a_source_that_takes_no_canvas_is_refused_whatever_the_shape(
    specified, advice
):
    specification = dataclasses.replace(source((None, 3)), **specified)
    given = CanvasSettings(None, (4, 3), None, None)
    for settings in (GIVEN, given):
        with pytest.raises(ValueError, match=advice):
            settings.completed(specification, None)


@pytest.mark.parametrize(
    "given, value_range",
    [
        (CanvasSettings(None, None, 2.0, None), (0.0, 1.0)),
        (CanvasSettings(None, None, None, 2.0), (0.0, 1.0)),
        (GIVEN, None),
    ],
)
def test_what_is_given_is_kept(given, value_range):
    found = source((None, None, 3), (8, 8, 3), 0.1)
    known = given.completed(found, value_range)
    assert (known.scale, known.offset) == (given.scale, given.offset)
    sizes = dataclasses.replace(
        given, sample_shape=(4, 4, 1), canvas_shape=(16, 16, 3)
    )
    known = sizes.completed(found, value_range)
    assert known.sample_shape == (4, 4, 1)
    assert known.canvas_shape == (16, 16, 3)


def test_settings_survive_a_file():
    known = CanvasSettings((None, 1), (8, 3), [1.0, 2.0], 0.5)
    config = json.loads(json.dumps(dataclasses.asdict(known)))
    assert CanvasSettings.from_config(config) == known
    config = json.loads(json.dumps(dataclasses.asdict(GIVEN)))
    assert CanvasSettings.from_config(config) == GIVEN


@pytest.mark.parametrize(
    "make",
    [
        lambda: GIVEN.completed(source((None, None, 3)), None),
        lambda: CanvasSettings(None, (8, 9, 3), None, None).completed(
            source((8, 8, 3)), None
        ),
        lambda: CanvasSettings(None, (8, 8), None, None).completed(
            source((8, 8, 3)), None
        ),
        lambda: GIVEN.known_canvas_shape,
        lambda: CanvasSettings(None, (None, 3), None, None).known_canvas_shape,
        lambda: check_shape("target_shape", ()),
        lambda: check_shape("target_shape", (True, 3)),
        lambda: check_shape("target_shape", 8),
    ],
)
def test_what_is_not_known_or_does_not_fit_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
