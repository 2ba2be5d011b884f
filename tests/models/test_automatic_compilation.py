"""The loss, metrics and optimizer that follow from a model and its data."""

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.black_box import CMAES
from keras_reprogram.black_box import OneSided
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.losses import MaskedBinaryCrossentropy
from keras_reprogram.models import automatic_compilation
from keras_reprogram.outputs import ForecastHead
from keras_reprogram.outputs import RegressionHead


def built_mapper(mapping="identity", shape=(None, 6), **settings):
    mapper = keras_reprogram.LabelMapper(3, mapping, **settings)
    mapper.build(shape)
    return mapper


def source(activation=None):
    inputs = keras.Input((4, 4, 3))
    features = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(6, activation)(features))


def model(source, mapping="identity", **settings):
    return keras_reprogram.ReprogrammedModel(
        source,
        InputReprogrammer((2, 2, 1)),
        keras_reprogram.LabelMapper(3, mapping),
        **settings,
    )


def queried(function=lambda images: np.full((len(images), 6), 1 / 6)):
    return QueriedSource(function, (4, 4, 3), 6)


# === Loss and metrics ===


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("shape", [(8,), (8, 1), (None,)])
def test_integers_have_the_sparse_loss(shape, from_logits):
    mapper = built_mapper(from_logits=from_logits)
    loss = automatic_compilation.automatic_loss(mapper, shape)
    assert type(loss) is keras.losses.SparseCategoricalCrossentropy
    assert loss.from_logits is from_logits
    assert loss.ignore_class is None


def test_a_linear_mapping_of_probabilities_has_the_loss_of_logits():
    mapper = built_mapper("linear", from_logits=False)
    loss = automatic_compilation.automatic_loss(mapper, (8,))
    assert loss.from_logits


@pytest.mark.parametrize("from_logits", [True, False])
def test_one_hot_labels_have_the_categorical_loss(from_logits):
    mapper = built_mapper(from_logits=from_logits)
    loss = automatic_compilation.automatic_loss(mapper, (8, 3))
    assert type(loss) is keras.losses.CategoricalCrossentropy
    assert loss.from_logits is from_logits


def test_a_missing_label_at_a_position_is_ignored():
    mapper = built_mapper(shape=(None, 5, 6))
    loss = automatic_compilation.automatic_loss(mapper, (2, 5))
    logits = np.random.default_rng(0).normal(size=(2, 5, 3))
    labels = np.array([[0, 1, 2, -1, -1], [2, -1, 0, 0, 1]])
    known = labels >= 0
    log_sums = np.log(np.exp(logits).sum(axis=-1))
    chosen = np.take_along_axis(logits, labels[..., None] % 3, -1)[..., 0]
    expected = (log_sums - chosen)[known].mean()
    np.testing.assert_allclose(loss(labels, logits), expected, rtol=1e-5)


def test_as_many_positions_as_classes_are_no_one_hot_labels():
    mapper = built_mapper(shape=(None, 3, 6))
    losses = [
        automatic_compilation.automatic_loss(mapper, shape)
        for shape in [(2, 3), (2, 3, 1), (2, 3, 3)]
    ]
    assert [type(loss) for loss in losses] == [
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.CategoricalCrossentropy,
    ]


@pytest.mark.parametrize("from_logits", [True, False])
def test_binary_targets_may_lack_labels(from_logits):
    mapper = built_mapper(multi_label=True, from_logits=from_logits)
    loss = automatic_compilation.automatic_loss(mapper, (8, 3))
    assert type(loss) is MaskedBinaryCrossentropy
    assert loss.from_logits is from_logits


@pytest.mark.parametrize("kind", [RegressionHead, ForecastHead])
def test_numbers_have_the_squared_and_the_absolute_error(kind):
    head = kind(2)
    if kind is RegressionHead:
        head.build((None, 6))
    else:
        head.build((None, 5, 6), (None, 8, 5))
    loss = automatic_compilation.automatic_loss(head, (8, 2))
    assert type(loss) is keras.losses.MeanSquaredError
    metrics = automatic_compilation.automatic_metrics(head)
    assert metrics == ["mean_absolute_error"]


def test_classes_have_the_accuracy():
    metrics = automatic_compilation.automatic_metrics(built_mapper())
    assert metrics == ["accuracy"]


# === Learning rates ===


def test_each_output_mapping_has_a_rate_of_its_own():
    rates = [
        automatic_compilation.automatic_learning_rate(built_mapper(mapping))
        for mapping in ("linear", "iterative", "bayesian_plus", "identity")
    ]
    assert rates == [2e-3, 2e-2, 2e-2, 2e-2]


@pytest.mark.parametrize(
    ("sources", "expected"), [(6, 2e-3), (1000, 2e-3), (4000, 5e-4)]
)
def test_a_linear_map_of_many_features_has_a_lower_rate(sources, expected):
    mapper = built_mapper("linear", (None, sources))
    rate = automatic_compilation.automatic_learning_rate(mapper)
    assert np.isclose(rate, expected)


def test_layers_of_the_source_lower_the_rate():
    mapper = built_mapper("bayesian_plus")
    rate = automatic_compilation.automatic_learning_rate(mapper, True)
    assert rate == automatic_compilation.LEARNING_RATE_OF_SOURCE_LAYERS


# === Numbers of steps ===


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        return np.zeros((2, 3)), np.zeros(2)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "x, settings, steps",
    [
        (np.zeros((65, 2)), {}, 3),
        (np.zeros((65, 2)), {"batch_size": 10}, 7),
        (np.zeros((65, 2)), {"batch_size": 10, "validation_split": 0.2}, 6),
        (np.zeros((65, 2)), {"batch_size": 10, "steps_per_epoch": 4}, 4),
        ({"samples": np.zeros((64, 2))}, {}, 2),
        ({"a": np.zeros((64, 2)), "b": np.zeros((64, 3))}, {}, 2),
        ([np.zeros((64, 2))], {}, 2),
        ([(np.zeros((4, 2)), np.zeros(4))] * 5, {}, 5),
        (Batches(), {}, 7),
        (iter(Batches()), {}, None),
        (iter(Batches()), {"steps_per_epoch": 9}, 9),
    ],
)
def test_steps_of_an_epoch(x, settings, steps):
    defaults = dict(batch_size=None, steps_per_epoch=None, validation_split=0.0)
    found = automatic_compilation.steps_per_epoch_of(
        x, **{**defaults, **settings}
    )
    assert found == steps


def test_steps_of_an_epoch_of_tensorflow():
    data = pytest.importorskip("tensorflow").data
    batches = data.Dataset.range(10).batch(4)
    settings = (None, None, 0.0)
    count = automatic_compilation.steps_per_epoch_of
    assert count(batches, *settings) == 3
    assert count(batches.repeat(), *settings) is None
    assert count(batches.filter(lambda i: i[0] > 2), *settings) is None


# === Gradients from queries ===


@pytest.mark.numpy_alone
def test_a_source_without_gradients_has_an_estimator():
    estimator = automatic_compilation.automatic_estimator(model(queried()))
    assert estimator == automatic_compilation.ESTIMATOR


@pytest.mark.numpy_alone
def test_a_source_with_gradients_and_a_program_that_is_fixed_have_none():
    assert automatic_compilation.automatic_estimator(model(source())) is None
    fixed = model(queried(), "linear")
    fixed.input_reprogrammer.trainable = False
    assert automatic_compilation.automatic_estimator(fixed) is None


@pytest.mark.numpy_alone
def test_the_optimizer_goes_with_the_estimator():
    reprogrammed = model(queried())
    of = automatic_compilation.automatic_optimizer
    adam = of(reprogrammed, OneSided(), 10)
    assert isinstance(adam, keras.optimizers.Adam)
    np.testing.assert_allclose(
        adam.learning_rate, automatic_compilation.LEARNING_RATE_OF_QUERIES
    )
    assert isinstance(of(reprogrammed, CMAES(), 10), keras.optimizers.SGD)
