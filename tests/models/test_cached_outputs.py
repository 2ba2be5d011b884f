import ml_dtypes
import numpy as np
import pytest
from tiny import probe

from keras_reprogram.inputs import RandomShift
from keras_reprogram.models.cached_outputs import Rows


def count_calls(model, monkeypatch):
    samples = []
    predict = model.source_model.predict_on_batch
    monkeypatch.setattr(
        model.source_model,
        "predict_on_batch",
        lambda x: samples.append(len(x)) or predict(x),
    )
    return samples


def test_each_sample_goes_through_the_source_once(
    twelve_classes, bright_quadrants, monkeypatch
):
    model = probe(twelve_classes)
    samples = count_calls(model, monkeypatch)
    model.fit_label_map(*bright_quadrants, batch_size=16, epochs=5, verbose=0)
    assert sum(samples) == len(bright_quadrants[0])


@pytest.mark.parametrize("dtype", ["bool", "float32", ml_dtypes.bfloat16])
def test_rows_beyond_the_limit_are_in_a_file(dtype):
    rows = np.random.default_rng(0).normal(size=(50, 3, 2)).astype(dtype)
    for limit in (0, 100, 10**6):
        cached = Rows(limit)
        cached.append(rows[:20])
        cached.append(rows[20:])
        chosen = np.array([49, 0, 20, 20, 19])
        read = cached.read(chosen)
        np.testing.assert_array_equal(read, rows[chosen])
        assert read.dtype == rows.dtype and read.flags.writeable
        assert type(read) is np.ndarray
        assert isinstance(cached.array, np.memmap) == (limit <= 100)


def test_rows_of_no_values_are_rows():
    cached = Rows(100)
    cached.append(np.zeros((3, 0), "float32"))
    assert cached.read(np.array([2, 0])).shape == (2, 0)


def test_what_is_not_the_same_in_every_epoch_is_a_value_error(
    twelve_classes, bright_quadrants
):
    for model, message in (
        (probe(twelve_classes, pattern="everywhere"), "all that is trained"),
        (probe(twelve_classes, "random"), "found by `adapt`"),
        (
            probe(twelve_classes, augmentation=RandomShift(0.1)),
            "others in every epoch",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit_label_map(*bright_quadrants)
    with pytest.raises(ValueError, match="labels"):
        probe(twelve_classes).fit_label_map(bright_quadrants[0], verbose=0)
