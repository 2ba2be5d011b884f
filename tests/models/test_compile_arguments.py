"""What `ReprogrammedModel.compile` takes, before it waits for data."""

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import TwoSided


@pytest.fixture
def model():
    source = QueriedSource(
        lambda images: np.full((len(images), 3), 1 / 3, "float32"),
        input_shape=(4, 4, 3),
        num_classes=3,
    )
    return keras_reprogram.ReprogrammedModel(
        source, label_mapper=keras_reprogram.LabelMapper(3, "identity")
    )


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "arguments, settings, received",
    [
        ((), {"optimiser": "adam"}, "unknown=.'optimiser'."),
        (("adam",), {"optimizer": "sgd"}, "given twice=.'optimizer'."),
        (("adam", *[None] * 9), {}, "10 positional arguments"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_at_once(
    model, arguments, settings, received
):
    with pytest.raises(ValueError, match=received):
        model.compile(*arguments, **settings)


@pytest.mark.numpy_alone
def test_an_estimator_that_was_found_is_shown(model, capsys):
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
    assert isinstance(model.gradient_estimator, TwoSided)
    shown = capsys.readouterr().out
    assert "gradient_estimator=TwoSided(" in shown
    assert "metrics=['accuracy']" in shown
    assert shown.strip() == model.automatic_compilation.summary


@pytest.mark.numpy_alone
def test_an_estimator_that_was_passed_is_not_shown(model, capsys):
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=None,
        gradient_estimator=TwoSided(),
    )
    assert not capsys.readouterr().out
