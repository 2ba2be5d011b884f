import keras
import numpy as np
import pytest
from keras import ops
from tiny import Sequence
from tiny import reprogrammed

import keras_reprogram
from keras_reprogram.callbacks import RestoreBest
from keras_reprogram.callbacks import restore_best

RISING = (
    "AUC Accuracy BinaryAccuracy BinaryIoU CategoricalAccuracy "
    "ConcordanceCorrelation CosineSimilarity F1Score FBetaScore IoU MeanIoU "
    "OneHotIoU OneHotMeanIoU PearsonCorrelation Precision PrecisionAtRecall "
    "R2Score Recall RecallAtPrecision SensitivityAtSpecificity "
    "SparseCategoricalAccuracy SparseTopKCategoricalAccuracy "
    "SpecificityAtSensitivity TopKCategoricalAccuracy TrueNegatives "
    "TruePositives binary_accuracy categorical_accuracy "
    "concordance_correlation pearson_correlation sparse_categorical_accuracy "
    "sparse_top_k_categorical_accuracy top_k_categorical_accuracy"
).split()
FALLING = (
    "BinaryCrossentropy CategoricalCrossentropy CategoricalHinge "
    "FalseNegatives FalsePositives Hinge KLDivergence LogCoshError "
    "MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError "
    "MeanSquaredLogarithmicError Poisson RootMeanSquaredError "
    "SparseCategoricalCrossentropy SquaredHinge binary_crossentropy "
    "binary_focal_crossentropy categorical_crossentropy "
    "categorical_focal_crossentropy categorical_hinge hinge huber "
    "kl_divergence log_cosh mean_absolute_error "
    "mean_absolute_percentage_error mean_squared_error "
    "mean_squared_logarithmic_error poisson sparse_categorical_crossentropy "
    "squared_hinge"
).split()
UNKNOWN = ["Mean", "Sum", "MeanMetricWrapper"]
NO_METRICS = ["Metric", "deserialize", "get", "serialize"]
SETTINGS = {
    "BinaryIoU": ([0],),
    "IoU": (3, [0]),
    "OneHotIoU": (3, [0]),
    "MeanIoU": (3,),
    "OneHotMeanIoU": (3,),
    "MeanMetricWrapper": (lambda y_true, y_pred: y_pred,),
    "PrecisionAtRecall": (0.5,),
    "RecallAtPrecision": (0.5,),
    "SensitivityAtSpecificity": (0.5,),
    "SpecificityAtSensitivity": (0.5,),
}


def fitted(model, images, labels, best, **kwargs):
    return model.fit(
        images,
        labels,
        validation_data=(images, labels),
        callbacks=[best],
        batch_size=8,
        verbose=0,
        **kwargs,
    ).history


@pytest.mark.parametrize("mapping", ["linear", "iterative"])
def test_training_ends_with_the_best_epoch(source, images, labels, mapping):
    model = reprogrammed(source, mapping)
    best = RestoreBest((images, labels))
    history = fitted(model, images, labels, best, epochs=4)
    losses = history["val_loss"]
    if best.best_epoch:
        assert best.best == min(losses) == losses[best.best_epoch - 1]
    loss, _ = model.evaluate(images, labels, verbose=0)
    np.testing.assert_allclose(loss, best.best, rtol=1e-5)


def test_the_start_is_restored_with_a_warning(source, images, labels):
    model = reprogrammed(source)
    model.adapt(images, labels, verbose=0)
    model.optimizer.learning_rate = 1e3
    expected = model.predict(images, verbose=0)
    best = RestoreBest((images, labels))
    with pytest.warns(UserWarning, match="before training"):
        fitted(model, images, labels, best, epochs=2)
    assert best.best_epoch == 0
    np.testing.assert_allclose(model.predict(images, verbose=0), expected)


def test_a_metric_that_rises_and_a_data_set(source, images, labels):
    model = reprogrammed(source)
    data = Sequence(images, labels)
    best = RestoreBest(data, monitor="val_accuracy")
    history = model.fit(
        data, validation_data=data, epochs=3, callbacks=[best], verbose=0
    ).history
    assert best.best >= max(history["val_accuracy"])


def test_patience_ends_training(source, images, labels):
    model = reprogrammed(source)
    model.adapt(images, labels, verbose=0)
    model.optimizer.learning_rate = 0.0
    best = RestoreBest((images, labels), patience=2)
    with pytest.warns(UserWarning, match="before training"):
        history = fitted(model, images, labels, best, epochs=9)
    assert len(history["loss"]) == 2


def test_the_optimizer_goes_on_from_the_restored_program(
    source, images, labels
):
    model = reprogrammed(source)
    best = RestoreBest((images, labels))
    fitted(model, images, labels, best)
    fitted(model, images, labels, best)
    pattern = model.input_reprogrammer.pattern
    assert np.isfinite(ops.convert_to_numpy(pattern.theta.value)).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: RestoreBest((1, 2), monitor="loss"),
        lambda: RestoreBest((1, 2), mode="best"),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_an_unknown_metric_is_a_value_error(source, images, labels):
    model = reprogrammed(source, "random")
    best = RestoreBest((images, labels), monitor="val_auc")
    with pytest.raises(ValueError, match="known: "):
        fitted(model, images, labels, best)


def test_it_is_a_keras_callback():
    assert isinstance(RestoreBest((1, 2)), keras.callbacks.Callback)


@pytest.mark.parametrize(
    "name", [name for name in dir(keras.metrics) if name[0] != "_"]
)
@pytest.mark.parametrize("declared", [True, False])
def test_every_metric_of_keras_has_its_direction(name, declared, monkeypatch):
    if name in NO_METRICS:
        return
    made = getattr(keras.metrics, name)
    if isinstance(made, type):
        metric = made(*SETTINGS.get(name, ()))
    else:
        metric = keras.metrics.MeanMetricWrapper(made)
    if not declared:
        monkeypatch.setattr(
            restore_best, "metric_direction", lambda metric: None
        )
    assert name in RISING + FALLING + UNKNOWN, "new in Keras"
    expected = 1 if name in RISING else -1 if name in FALLING else None
    assert restore_best.direction(metric) == expected


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.CosineSimilarity(),
        keras.losses.cosine_similarity,
        keras.losses.Dice(),
        keras_reprogram.losses.MaskedBinaryCrossentropy(),
    ],
)
def test_a_loss_that_is_a_metric_is_minimized(loss):
    metric = keras.metrics.MeanMetricWrapper(loss)
    assert restore_best.direction(metric) == -1


def own_measure(y_true, y_pred):
    return ops.mean(y_pred, axis=-1)


def test_a_metric_is_found_under_any_name(source, images, labels):
    model = reprogrammed(source, "random")
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[
            "accuracy",
            keras.metrics.SparseCategoricalCrossentropy(name="score"),
            keras.metrics.SparseTopKCategoricalAccuracy(2, name="error"),
            own_measure,
        ],
        weighted_metrics=[
            "sparse_categorical_crossentropy",
            keras.metrics.SparseCategoricalAccuracy(name="score"),
            keras.metrics.SparseCategoricalCrossentropy(name="score"),
        ],
    )
    found = model.evaluate(images, labels, verbose=0, return_dict=True)
    expected = {
        "accuracy": 1,
        "error": 1,
        "sparse_categorical_crossentropy": -1,
        "score": -1,
        "weighted_score": 1,
        "weighted_score_1": -1,
    }
    assert set(found) == {*expected, "loss", "own_measure"}
    for name, sign in expected.items():
        assert restore_best.better(model, f"val_{name}") == sign
    with pytest.raises(ValueError, match='pass `mode="max"`.*Received: '):
        restore_best.better(model, "val_own_measure")
    assert RestoreBest((1, 2), monitor="val_own_measure", mode="max")


class Recorded:
    """A model whose validation returns what is recorded."""

    metrics = [keras.metrics.MeanIoU(2, name="recorded")]

    def __init__(self, values):
        self.variable = keras.Variable(0.0)
        self.learned_variables = [self.variable]
        self.values = iter(values)
        self.arguments = []

    def evaluate(self, *args, **kwargs):
        self.arguments.append((args, kwargs))
        return {"recorded": next(self.values)}


def restored(values, data=(1, 2), **kwargs):
    """Epoch that training ends with, of those with recorded values."""
    model = Recorded(values)
    best = RestoreBest(data, monitor="val_recorded", **kwargs)
    best.set_model(model)
    best.on_train_begin()
    for epoch, value in enumerate(model.values):
        model.variable.assign(epoch + 1)
        best.on_epoch_end(epoch, {"val_recorded": value})
    best.on_train_end()
    assert best.best_epoch == float(ops.convert_to_numpy(model.variable.value))
    return best.best_epoch, model


def test_the_best_mean_iou_is_the_largest():
    assert restored([0.1, 0.4, 0.2])[0] == 1
    assert restored([0.3, 0.2, 0.1, 0.4], mode="min")[0] == 2


@pytest.mark.parametrize(
    "values, expected",
    [([np.nan, 0.1, np.nan], 1), ([0.2, np.nan, 0.3], 2)],
)
def test_what_is_not_a_number_is_never_the_best(values, expected):
    assert restored(values)[0] == expected


def test_a_value_for_each_class_is_a_value_error():
    with pytest.raises(ValueError, match=r'"macro".*Received: .*\(3,\)'):
        restored([np.zeros(3)])


def test_validation_data_may_have_sample_weights():
    _, model = restored([0.1, 0.2], data=("x", "y", "weights"))
    args, kwargs = model.arguments[0]
    assert args == ("x", "y")
    assert kwargs["sample_weight"] == "weights"
