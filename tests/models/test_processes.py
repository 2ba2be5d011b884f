import keras
import pytest

import keras_reprogram
from keras_reprogram.models import processes


def test_gradients_from_queries_are_those_of_one_process(
    source, images, labels, monkeypatch
):
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((4, 4, 1)),
        keras_reprogram.LabelMapper(3, "random"),
    )
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=keras_reprogram.black_box.SPSA(),
    )
    monkeypatch.setattr(processes, "process_group", object)  # more than one
    with pytest.raises(ValueError, match="Received: gradient_estimator"):
        model.fit(images, labels, verbose=0)
