import keras
import numpy as np
import pytest
from tiny import reprogrammed

import keras_reprogram
from keras_reprogram.callbacks import ResumeTraining
from keras_reprogram.diagnostics import AlignmentLog
from keras_reprogram.diagnostics import alignment


@pytest.fixture
def own():
    generator = np.random.default_rng(1)
    return generator.uniform(0, 255, size=(12, 8, 8, 3)).astype("float32")


class Seen(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.logs = dict(logs)


def test_alignment_is_logged_before_training_and_after_every_epoch(
    source, images, labels, own
):
    model = reprogrammed(source)
    before = alignment(model, images, own)
    log, seen = AlignmentLog(images, own), Seen()
    history = model.fit(
        images,
        labels,
        validation_data=(images, labels),
        epochs=2,
        callbacks=[log, seen],
        verbose=0,
    ).history
    np.testing.assert_allclose(log.start, before, rtol=1e-5)
    assert len(history["alignment"]) == 2
    assert seen.logs["alignment"] == history["alignment"][-1] != log.start
    after = alignment(model, images, own)
    np.testing.assert_allclose(history["alignment"][-1], after, rtol=1e-5)


def test_training_is_the_same_with_the_log(source, images, labels, own):
    losses = []
    for callbacks in ([], [AlignmentLog(images, own)]):
        keras.utils.set_random_seed(0)
        model = reprogrammed(source)
        history = model.fit(
            images,
            labels,
            epochs=2,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_resumed_training_keeps_the_start(source, images, labels, tmp_path):
    pytest.importorskip("filelock")
    outputs = np.random.default_rng(0).normal(size=(9, 6))
    model = reprogrammed(source)
    starts = []
    for epochs in (1, 2):
        log = AlignmentLog(images, source_outputs=outputs)
        resume = ResumeTraining(tmp_path / "training.npz", keep=True)
        settings = {"shuffle": False, "verbose": 0, "epochs": epochs}
        model.fit(images, labels, callbacks=[log, resume], **settings)
        starts.append(log.start)
    assert starts[0] == starts[1]


def test_another_model_is_refused_when_training_starts(source, images, labels):
    log = AlignmentLog(images, source_outputs=np.zeros((9, 6)))
    model = reprogrammed(source, pattern=None)
    with pytest.raises(ValueError, match="fit_label_map.* Received: .* Head"):
        model.fit_label_map(images, labels, callbacks=[log], verbose=0)


@pytest.mark.numpy_alone
def test_settings_are_checked_at_once(images, own):
    for wrong in (
        {"source_samples": None},
        {"source_outputs": own},
        {"max_samples": 0},
        {"num_projections": 0.5},
        {"seed": -1},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}"):
            AlignmentLog(images, **{"source_samples": own, **wrong})


def test_a_queried_source_is_asked_for_each_sample_once(images, labels):
    asked = []

    def query(batch):
        asked.append(len(batch))
        return batch.reshape(len(batch), -1)[:, :6]

    source = keras_reprogram.black_box.QueriedSource(
        query, (8, 8, 3), 6, from_logits=True
    )
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((4, 4, 1), placement="pad"),
        keras_reprogram.LabelMapper(3),
    )
    own = np.arange(576, dtype="float32").reshape(3, 8, 8, 3)
    assert alignment(model, images, own) > 0
    assert sum(asked) == len(images) + len(own)
