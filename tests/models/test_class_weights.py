"""Class weights and sample weights where a label map is found from data."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.outputs import logistic_regression
from keras_reprogram.outputs import ridge_regression

SAMPLES = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
LABELS = np.repeat([0, 1, 2], [15, 6, 3])
COUNTS = np.arange(24) % 3
BALANCED = np.repeat([24 / 45, 24 / 18, 24 / 9], [15, 6, 3])


def model_of(mapping="linear", sizes=(4,), **kwargs):
    """A model whose source returns its samples."""
    inputs = keras.Input(sizes)
    dense = keras.layers.Dense(4, kernel_initializer="identity")
    mapper = mapping
    if not isinstance(mapping, RegressionHead):
        mapper = LabelMapper(3, mapping, **kwargs)
    return ReprogrammedModel(
        keras.Model(inputs, dense(inputs)),
        InputReprogrammer(sizes, value_range=None, pattern=None),
        mapper,
    )


def compiled(mapping="linear", loss=None, **kwargs):
    model = model_of(mapping, **kwargs)
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=[])
    return model


class Weighted(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return tuple(array[index::3] for array in self.arrays)


def found(model):
    mapper = model.label_mapper
    parts = [getattr(mapper, "kernel", None), mapper.bias]
    parts[0] = mapper.matrix if parts[0] is None else parts[0]
    return [ops.convert_to_numpy(part) for part in parts]


def assert_is_regression(model, weights, atol=2e-3):
    expected = logistic_regression(SAMPLES, LABELS, 3, sample_weight=weights)
    for one, other in zip(found(model), expected):
        np.testing.assert_allclose(one, other, atol=atol)


def test_adapt_weights_its_regression():
    model = model_of()
    model.adapt(SAMPLES, LABELS, sample_weight=COUNTS, verbose=0)
    assert_is_regression(model, COUNTS)
    model.adapt(Weighted(SAMPLES, LABELS, COUNTS), verbose=0)
    assert_is_regression(model, COUNTS)
    model.adapt(SAMPLES, LABELS, class_weight={0: 1.0, 2: 5.0}, verbose=0)
    assert_is_regression(model, np.repeat([1, 1, 5], [15, 6, 3]))


@pytest.mark.numpy_alone
def test_adapt_balances_classes_of_any_data():
    model = model_of()
    balanced = dict(class_weight="balanced", verbose=0)
    model.adapt(SAMPLES, LABELS, batch_size=7, **balanced)
    assert_is_regression(model, BALANCED)
    model.adapt(Weighted(SAMPLES, LABELS), **balanced)
    assert_is_regression(model, BALANCED)
    model.adapt(SAMPLES, LABELS, sample_weight=COUNTS, **balanced)
    sums = np.bincount(LABELS, COUNTS)
    assert_is_regression(model, COUNTS / sums[LABELS])


@pytest.mark.parametrize("method", ["fit", "fit_label_map"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_training_passes_weights_to_its_adaptation(method, one_hot):
    loss = None
    labels = LABELS
    if one_hot:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        labels = np.eye(3)[LABELS]
    model = compiled(loss=loss)
    history = getattr(model, method)(
        SAMPLES,
        labels,
        class_weight="balanced",
        sample_weight=COUNTS,
        batch_size=24,
        verbose=0,
    ).history
    sums = np.bincount(LABELS, COUNTS)
    weights = COUNTS / sums[LABELS] * COUNTS.sum() / 3
    assert_is_regression(model, weights)
    losses = model_losses(model)
    assert history["loss"][0] == pytest.approx(
        np.mean(weights * losses), rel=1e-4
    )


def model_losses(model):
    logits = model.predict(SAMPLES, verbose=0).astype("float64")
    normalizers = np.log(np.exp(logits).sum(axis=1))
    return normalizers - logits[np.arange(24), LABELS]


def test_fit_weights_a_data_set_and_no_validation_samples():
    model = compiled()
    history = model.fit(
        Weighted(SAMPLES, LABELS),
        class_weight="balanced",
        validation_data=(SAMPLES, LABELS),
        verbose=0,
    ).history
    assert_is_regression(model, BALANCED)
    losses = model_losses(model)
    assert history["loss"][0] == pytest.approx(
        np.mean(BALANCED * losses), rel=1e-4
    )
    assert history["val_loss"][0] == pytest.approx(np.mean(losses), rel=1e-4)


def test_samples_of_a_validation_split_are_not_counted_or_weighted():
    model = compiled()
    order = np.random.default_rng(1).permutation(24)
    history = model.fit(
        SAMPLES[order],
        LABELS[order],
        class_weight="balanced",
        validation_split=0.25,
        batch_size=24,
        verbose=0,
    ).history
    losses = model_losses(model)[order]
    counts = np.bincount(LABELS[order[:18]])
    weights = 18 / 3 / counts[LABELS[order]]
    assert history["loss"][0] == pytest.approx(
        np.mean((weights * losses)[:18]), rel=1e-4
    )
    assert history["val_loss"][0] == pytest.approx(
        np.mean(losses[18:]), rel=1e-4
    )


def test_train_on_batch_takes_both_weights():
    model = compiled()
    model.adapt(SAMPLES, LABELS, verbose=0)
    loss = model.train_on_batch(SAMPLES, LABELS, COUNTS, {2: 4.0})
    weights = COUNTS * np.where(LABELS == 2, 4, 1)
    expected = np.mean(weights * model_losses(model))
    assert float(ops.convert_to_numpy(loss)) == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("mapping", ["frequency", "bayesian", "bayesian_plus"])
def test_statistics_count_samples_by_their_weights(mapping):
    model, repeated = model_of(mapping), model_of(mapping)
    model.adapt(SAMPLES, LABELS, sample_weight=COUNTS, verbose=0)
    repeated.adapt(
        np.repeat(SAMPLES, COUNTS, axis=0), np.repeat(LABELS, COUNTS), verbose=0
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.label_mapper.matrix),
        ops.convert_to_numpy(repeated.label_mapper.matrix),
        rtol=1e-5,
    )


def test_statistics_of_training_are_weighted_as_those_of_adapt():
    adapted, trained = model_of("bayesian"), compiled("bayesian")
    weights = dict(class_weight={1: 3.0}, sample_weight=COUNTS, verbose=0)
    adapted.adapt(SAMPLES, LABELS, **weights)
    trained.adapt(SAMPLES, LABELS, verbose=0)
    trained.fit(SAMPLES, LABELS, batch_size=9, **weights)
    np.testing.assert_allclose(
        ops.convert_to_numpy(trained.label_mapper.matrix),
        ops.convert_to_numpy(adapted.label_mapper.matrix),
        rtol=1e-5,
    )


def test_positions_have_weights_of_samples_and_classes():
    samples = SAMPLES.reshape(4, 6, 4)
    labels = LABELS.reshape(4, 6)
    model = compiled(sizes=(6, 4))
    model.fit(
        samples,
        labels,
        class_weight="balanced",
        sample_weight=np.arange(4),
        verbose=0,
    )
    weights = np.repeat(np.arange(4), 6)
    sums = np.bincount(LABELS, weights)
    assert_is_regression(model, weights / sums[LABELS])
    with pytest.raises(ValueError, match="bring their weights themselves"):
        compiled(sizes=(6, 4)).fit(
            Weighted(np.tile(samples, (3, 1, 1)), np.tile(labels, (3, 1))),
            class_weight={0: 2.0},
        )


@pytest.mark.numpy_alone
def test_binary_targets_are_balanced_by_target():
    labels = np.eye(3)[LABELS]
    labels[::7] = np.nan
    model = model_of(multi_label=True)
    model.adapt(SAMPLES, labels, class_weight="balanced", verbose=0)
    known = ~np.isnan(labels[:, 0])
    ones = np.nansum(labels, axis=0)
    weights = np.where(labels == 1, 1 / ones, 1 / (known.sum() - ones))
    weights = np.where(known[:, None], weights * known.sum() / 2, 1.0)
    expected = logistic_regression(SAMPLES, labels, 3, sample_weight=weights)
    for one, other in zip(found(model), expected):
        np.testing.assert_allclose(one, other, atol=2e-3)
    ratio = (known.sum() - ones[0]) / ones[0]
    for method in (model.fit, model.fit_label_map):
        with pytest.raises(ValueError, match=rf"positive_weight=\[{ratio:.3g}"):
            method(SAMPLES, labels, class_weight="balanced", verbose=0)


def test_a_regression_head_weights_its_statistics():
    targets = SAMPLES @ np.array([[1.0], [2], [0], [-1]]) + LABELS[:, None]
    model = model_of(RegressionHead(1, regularization=0.1))
    model.adapt(SAMPLES, targets, sample_weight=COUNTS, verbose=0)
    expected = ridge_regression(SAMPLES, targets, 0.1, COUNTS)
    predictions = model.predict(SAMPLES, verbose=0)
    np.testing.assert_allclose(
        predictions, SAMPLES @ expected[0] + expected[1], atol=1e-4
    )
    mean = np.average(targets[:, 0], weights=COUNTS)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.label_mapper.mean), [mean], rtol=1e-5
    )
    with pytest.raises(ValueError, match="Numbers have no classes"):
        model.adapt(SAMPLES, targets, class_weight="balanced")


@pytest.mark.numpy_alone
@pytest.mark.parametrize("verbose", [0, 1, 2])
@pytest.mark.parametrize("method", ["adapt", "fit", "fit_label_map"])
def test_cross_validated_scores_are_shown_and_kept(method, verbose, capsys):
    model = compiled(LinearMapping(regularization="cross_validation"))
    assert model.label_mapper.cross_validation is None
    getattr(model, method)(SAMPLES, LABELS, verbose=verbose)
    table = model.label_mapper.cross_validation.table()
    assert table.count("\n") == 8 and "accuracy" in table
    assert (table in capsys.readouterr().out) == (verbose > 0)


@pytest.mark.numpy_alone
def test_scores_of_generalized_cross_validation_are_shown(capsys):
    model = model_of(RegressionHead(1))
    model.adapt(SAMPLES, SAMPLES.sum(axis=1))
    found = model.label_mapper.cross_validation
    assert found.table() in capsys.readouterr().out
    assert found.scores.shape == (8, 1)
    fixed = model_of(RegressionHead(1, regularization=0.1))
    fixed.adapt(SAMPLES, SAMPLES.sum(axis=1), verbose=0)
    assert fixed.label_mapper.cross_validation is None


class Endless(keras.utils.PyDataset):
    num_batches = None

    def __getitem__(self, index):
        return SAMPLES, LABELS


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "data, settings, message",
    [
        ((SAMPLES, LABELS), {"class_weight": "even"}, 'or "balanced"'),
        ((SAMPLES, LABELS), {"class_weight": {3: 1.0}}, "the class 3"),
        ((SAMPLES, LABELS), {"sample_weight": np.ones(3)}, "3 weights"),
        ((SAMPLES, LABELS), {"sample_weight": -COUNTS}, "at least 0"),
        ((SAMPLES, LABELS), {"sample_weight": [*COUNTS]}, "must be an array"),
        ((SAMPLES, LABELS), {"sample_weight": "balanced"}, "must be an array"),
        ((SAMPLES, LABELS), {"sample_weight": COUNTS * np.nan}, "finite"),
        ((SAMPLES, LABELS), {"sample_weight": 0 * COUNTS}, "above 0"),
        (
            (Weighted(SAMPLES, LABELS),),
            {"sample_weight": COUNTS},
            "beside a data set",
        ),
        ((Endless(),), {"class_weight": "balanced"}, "as a dictionary"),
    ],
)
@pytest.mark.parametrize("method", ["adapt", "fit"])
def test_weights_that_are_none_are_value_errors(
    method, data, settings, message
):
    with pytest.raises(ValueError, match=message) as error:
        getattr(compiled(), method)(*data, verbose=0, **settings)
    assert "Received: " in str(error.value)


@pytest.mark.numpy_alone
def test_a_generator_is_not_counted():
    with pytest.raises(ValueError, match="`class_weight` as a dictionary"):
        compiled().adapt(iter([(SAMPLES, LABELS)]), class_weight="balanced")


@pytest.mark.numpy_alone
@pytest.mark.parametrize("data", [[(SAMPLES, LABELS)], "generator", "loader"])
def test_data_sets_that_take_no_class_weights_are_refused_at_once(data):
    if data == "generator":
        data = iter([(SAMPLES, LABELS)])
    if data == "loader":
        torch = pytest.importorskip("torch")
        arrays = map(torch.from_numpy, (SAMPLES, LABELS))
        data = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(*arrays)
        )
    model = compiled()
    with pytest.raises(ValueError, match="bring their weights themselves"):
        model.fit(data, class_weight={0: 1.0}, verbose=0)
    assert not model.label_mapper.solved


@pytest.mark.parametrize("method", ["fit", "fit_label_map"])
def test_a_loss_at_positions_has_the_weights_of_samples(method):
    model = compiled(sizes=(4, 4))  # as many positions as samples
    samples = SAMPLES[:16].reshape(4, 4, 4)
    labels = LABELS[8:].reshape(4, 4)
    weights = np.arange(4.0)
    history = getattr(model, method)(
        samples, labels, sample_weight=weights, verbose=0
    ).history
    logits = model.predict(samples, verbose=0).astype("float64")
    losses = np.log(np.exp(logits).sum(axis=-1)) - np.take_along_axis(
        logits, labels[..., None], axis=-1
    ).squeeze(-1)
    expected = np.mean(weights[:, None] * losses)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-4)
