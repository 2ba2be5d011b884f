import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram.outputs import BayesianMapping
from keras_reprogram.outputs import BayesianPlusMapping
from keras_reprogram.outputs import FrequencyMapping
from keras_reprogram.outputs import IterativeMapping
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.outputs import RandomMapping
from keras_reprogram.outputs.targets import LabelFormat

NAMES = [
    "identity",
    "random",
    "frequency",
    "iterative",
    "bayesian",
    "bayesian_plus",
    "linear",
]


def mapped(mapper, inputs, **kwargs):
    return ops.convert_to_numpy(mapper(inputs, **kwargs))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_inputs_times_matrix(name, golden_logits, golden_labels):
    mapper = LabelMapper(3, name)
    mapper.build((None, 6))
    mapper.adapt([(golden_logits, golden_labels)])
    expected = golden_logits @ ops.convert_to_numpy(mapper.matrix)
    if mapper.bias is not None:
        expected = expected + ops.convert_to_numpy(mapper.bias)
    np.testing.assert_allclose(
        mapped(mapper, golden_logits), expected, rtol=1e-5, atol=1e-5
    )
    assert bool(mapper.trainable_weights) == (name == "linear")


@pytest.mark.parametrize(
    "mapping", [*NAMES[2:6], BayesianPlusMapping(top_k=3), FrequencyMapping()]
)
def test_adapt_equals_the_pure_functions(mapping, golden_logits, golden_labels):
    mapper = LabelMapper(3, mapping)
    mapper.build((None, 6))
    halves = [(golden_logits[i::2], golden_labels[i::2]) for i in range(2)]
    mapper.adapt(halves)
    statistics = mapper.mapping.statistics(golden_logits, golden_labels, 3)
    np.testing.assert_allclose(
        ops.convert_to_numpy(mapper.matrix),
        mapper.mapping.matrix(statistics, 1),
        atol=1e-6,
    )


CHOSEN = {
    "identity": ("identity", 2),
    "random": (RandomMapping(1), 2),
    "frequency": ("frequency", 2),
    "iterative": ("iterative", 1),
    "groups": ([[5, 0], [1, 3], [2, 5]], 2),
    "one_to_one": (np.eye(6)[:, [4, 0, 2]], 1),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_source_classes_of_a_target_are_looked_up(
    name, golden_logits, golden_labels
):
    mapping, num_selected = CHOSEN[name]
    mapper = LabelMapper(3, mapping, sources_per_target=num_selected)
    mapper.build((None, 6))
    mapper.adapt([(golden_logits, golden_labels)])
    assert mapper.sources.shape == (3, num_selected)
    assert sum(np.prod(each.shape) for each in mapper.learned_variables) < 18
    solution = mapper.mapping.solve(
        [(golden_logits, golden_labels)], mapper.map_shape
    )
    matrix = solution.matrix
    np.testing.assert_allclose(
        ops.convert_to_numpy(mapper.matrix), matrix, atol=1e-6
    )
    np.testing.assert_allclose(
        mapped(mapper, golden_logits), golden_logits @ matrix, atol=1e-5
    )


@pytest.mark.parametrize(
    "mapping",
    [
        "bayesian",
        LinearMapping(initial="random"),
        [[0, 1], [2, 3], [4]],
        np.eye(6)[:, :3] * 2.0,
    ],
)
def test_what_is_more_than_a_choice_is_a_matrix(mapping):
    mapper = LabelMapper(3, mapping)
    mapper.build((None, 6))
    assert mapper.sources is None and mapper.matrix.shape == (6, 3)


@pytest.mark.parametrize("mapping", [[[0], [1], [2]], [[0], [1], [2, 3]]])
def test_a_source_that_is_certain_of_another_class_has_a_loss(mapping):
    mapper = LabelMapper(3, mapping, from_logits=False)
    outputs = mapped(mapper, np.eye(6, dtype="float32")[[5, 5, 5]])
    losses = keras.losses.SparseCategoricalCrossentropy(reduction=None)(
        np.arange(3), outputs
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(losses), np.log(3.0), rtol=1e-5
    )


def test_updating_without_statistics_is_an_error():
    mapper = LabelMapper(3, "iterative")
    mapper.build((None, 6))
    with pytest.raises(ValueError, match="statistics of 0 samples"):
        mapper.update()


@pytest.mark.parametrize("training", [True, False])
def test_a_call_changes_nothing(golden_logits, training):
    mapper = LabelMapper(3, "iterative")
    mapper.build((None, 6))
    mapper.adapt([(golden_logits, np.arange(12) % 3)])
    variables = [ops.convert_to_numpy(weight) for weight in mapper.weights]
    mapper(golden_logits)  # Keras notes that a layer was called
    attributes = dict(vars(mapper))
    mapper(golden_logits, training=training)
    assert vars(mapper).keys() == attributes.keys()
    for name, value in vars(mapper).items():
        assert value is attributes[name], name
    for before, weight in zip(variables, mapper.weights):
        np.testing.assert_array_equal(before, ops.convert_to_numpy(weight))


def test_more_targets_than_sources_works_for_linear_only():
    LabelMapper(9, "linear").build((None, 6))
    for name in ("identity", "random", "frequency", "iterative"):
        with pytest.raises(ValueError, match='mapping="linear"'):
            LabelMapper(9, name).build((None, 6))


@pytest.mark.parametrize(
    "mapping",
    [
        *NAMES,
        np.ones((6, 3)),
        [[0], [1, 2], [5]],
        LinearMapping(initial="bayesian", regularization=2.0),
        IterativeMapping(update_every=5, update_unit="step"),
        BayesianPlusMapping(smoothing=0.5, top_k=2),
        RandomMapping(seed=7),
    ],
)
def test_config_round_trip(mapping):
    mapper = LabelMapper(3, mapping, sources_per_target=2, name="ends")
    copy = LabelMapper.from_config(mapper.get_config())
    assert copy.mapping == mapper.mapping
    assert copy.get_config() == mapper.get_config()


@pytest.mark.parametrize(
    "make",
    [
        lambda: LabelMapper(0),
        lambda: LabelMapper(2.5),
        lambda: LabelMapper(3, "iteratif"),
        lambda: LabelMapper(3, None),
        lambda: LabelMapper(3, sources_per_target=0),
        lambda: LabelMapper(3, IterativeMapping(update_every=0)),
        lambda: LabelMapper(3, IterativeMapping(update_unit="year")),
        lambda: LabelMapper(3, IterativeMapping(update_every=(1, 2))),
        lambda: LabelMapper(3, from_logits="no"),
        lambda: LabelMapper(3, BayesianMapping(smoothing=-1)),
        lambda: LabelMapper(3, LinearMapping(regularization="x")),
        lambda: LabelMapper(3, LinearMapping(regularization=-1)),
        lambda: LabelMapper(3, RandomMapping(seed=-1)),
        lambda: LabelMapper(3, np.array([["a"]])),
        lambda: LabelMapper(3, [[1, 0, 0]] * 3),
        lambda: LabelMapper(3, np.ones((5, 3))).build((None, 6)),
        lambda: LabelMapper(3, np.full((6, 3), np.nan)).build((None, 6)),
        lambda: LabelMapper(3, [[0.0, 1.0], [1.0, 0.0]]),
        lambda: LabelMapper(3, [[0], [1]]).build((None, 6)),
        lambda: LabelMapper(3).build((None,)),
        lambda: LabelMapper(3).build((None, None)),
    ],
)
def test_bad_input_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_adapting_to_nothing_is_an_error():
    mapper = LabelMapper(3)
    mapper.build((None, 6))
    with pytest.raises(ValueError, match="no batches"):
        mapper.adapt([])
    with pytest.raises(ValueError, match="is solved from data"):
        mapper.check_solved()


def test_gradients_reach_the_inputs_but_not_a_solved_matrix(golden_logits):
    mapper = LabelMapper(3, "random")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6), mapper])
    model.compile("sgd", "mse")
    before = ops.convert_to_numpy(mapper.matrix)
    dense = ops.convert_to_numpy(model.layers[0].kernel)
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(mapper.matrix), before)
    assert (ops.convert_to_numpy(model.layers[0].kernel) != dense).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: LabelMapper(1),
        lambda: LabelMapper(3, multi_label="yes"),
    ],
)
def test_bad_settings_of_binary_targets_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.fixture
def outputs():
    return np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")


@pytest.mark.parametrize(
    "mapping", ["linear", "frequency", "bayesian_plus", "identity"]
)
def test_every_position_is_mapped_as_a_sample_would_be(outputs, mapping):
    labels = np.arange(20).reshape(4, 5) % 3
    by_position, by_sample = LabelMapper(3, mapping), LabelMapper(3, mapping)
    by_position.build((None, 5, 6))
    by_sample.build((None, 6))
    by_position.adapt([(outputs, labels)])
    by_sample.adapt([(outputs.reshape(20, 6), labels.reshape(20))])
    np.testing.assert_allclose(
        ops.convert_to_numpy(by_position(outputs)).reshape(20, 3),
        ops.convert_to_numpy(by_sample(outputs.reshape(20, 6))),
        rtol=1e-5,
    )
    assert by_position.compute_output_shape((None, 5, 6)) == (None, 5, 3)


def test_a_position_without_a_label_does_not_count(outputs):
    labels = np.arange(20).reshape(4, 5) % 3
    masked = np.where(np.arange(5) < 3, labels, -1)
    whole, part = LabelMapper(3, "iterative"), LabelMapper(3, "iterative")
    for mapper in (whole, part):
        mapper.build((None, None, 6))
    whole.adapt([(outputs[:, :3], labels[:, :3])])
    part.adapt([(outputs, masked)])
    part.update_statistics(outputs, masked)
    assert ops.convert_to_numpy(part.statistics.value).sum() == 12
    np.testing.assert_array_equal(
        ops.convert_to_numpy(part.matrix),
        ops.convert_to_numpy(whole.matrix),
    )


def test_binary_targets_at_every_position(outputs):
    labels = (np.arange(40).reshape(4, 5, 2) % 3 == 0).astype("float32")
    mapper = LabelMapper(2, "frequency", multi_label=True)
    mapper.build((None, 5, 6))
    mapper.targets.check(labels, LabelFormat())
    mapper.adapt([(outputs, labels)])
    assert ops.convert_to_numpy(mapper(outputs)).shape == (4, 5, 2)


@pytest.mark.numpy_alone
def test_classes_without_a_weight_are_named(golden_logits, golden_labels):
    mapper = LabelMapper(3, "bayesian")
    mapper.build((None, 6))
    weights = (golden_labels != 1).astype("float64")
    with pytest.warns(UserWarning, match=r"1 of 3 target classes.*\[1\]"):
        mapper.adapt([(golden_logits, golden_labels, weights)])
    with pytest.raises(ValueError, match="weights above 0"):
        mapper.adapt([(golden_logits, golden_labels, 0 * weights)])
    with pytest.raises(ValueError, match="one weight for each"):
        mapper.adapt([(golden_logits, golden_labels, np.ones(5))])


@pytest.mark.numpy_alone
def test_balanced_classes_have_a_uniform_prior(golden_logits, golden_labels):
    # Bayes' rule with smoothing 0: shares of classes, not numbers.
    mapper = LabelMapper(3, BayesianMapping(smoothing=0.0))
    mapper.build((None, 6))
    counts = np.bincount(golden_labels)
    mapper.adapt([(golden_logits, golden_labels, 1 / counts[golden_labels])])
    likelihood = mapper.mapping.statistics(golden_logits, golden_labels, 3)
    likelihood /= likelihood.sum(axis=0)
    totals = likelihood.sum(axis=1, keepdims=True)
    posterior = likelihood / np.where(totals > 0, totals, 1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(mapper.matrix),
        posterior / posterior.sum(axis=0),
        rtol=1e-5,
    )
