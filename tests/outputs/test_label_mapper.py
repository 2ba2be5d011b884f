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


def top_k_statistics(logits, labels, counted):
    """Counts of predictions, or sums of the two largest probabilities."""
    sums = np.zeros((6, 3))
    for row, label in zip(logits.astype("float64"), labels):
        probabilities = np.exp(row) / np.exp(row).sum()
        if counted:
            sums[row.argmax(), label] += 1
            continue
        for source in np.argsort(row)[-2:]:
            sums[source, label] += probabilities[source]
    return sums


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize(
    "mapping", ["iterative", "bayesian", BayesianPlusMapping(top_k=2)]
)
def test_step_statistics_equal_the_pure_functions(
    mapping, from_logits, golden_logits, golden_labels
):
    outputs = golden_logits
    if not from_logits:
        outputs = ops.convert_to_numpy(ops.softmax(golden_logits))
    mapper = LabelMapper(3, mapping, from_logits=from_logits)
    mapper.build((None, 6))
    for rows in (slice(8), slice(8, None)):
        mapper.update_statistics(
            ops.convert_to_tensor(outputs[rows]),
            ops.convert_to_tensor(golden_labels[rows]),
        )
    expected = top_k_statistics(
        golden_logits, golden_labels, isinstance(mapping, str)
    )
    gathered = ops.convert_to_numpy(mapper.statistics)
    np.testing.assert_allclose(gathered, expected, atol=1e-5)
    mapper.update()
    np.testing.assert_allclose(
        ops.convert_to_numpy(mapper.matrix),
        mapper.mapping.matrix(expected, 1),
        atol=1e-5,
    )
    assert not ops.convert_to_numpy(mapper.statistics).any()


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
    matrix, _ = mapper.mapping.solve(
        [(golden_logits, golden_labels)], mapper.map_shape
    )
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


def test_invalid_labels_are_not_counted(golden_logits):
    mapper = LabelMapper(3, "iterative")
    labels = np.array([0, 1, 2, 3, -1, 99, 0, 1, 2, 0, 1, 2])
    mapper.build((None, 6))
    mapper.update_statistics(
        ops.convert_to_tensor(golden_logits),
        ops.convert_to_tensor(labels[:, None]),
    )
    valid = (labels >= 0) & (labels < 3)
    expected = top_k_statistics(golden_logits[valid], labels[valid], True)
    gathered = ops.convert_to_numpy(mapper.statistics)
    np.testing.assert_array_equal(gathered, expected)


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


def test_many_to_one_averages_probabilities_as_voice2series():
    mapper = LabelMapper(3, "identity", sources_per_target=2, from_logits=False)
    probabilities = np.array([[0.05, 0.1, 0.15, 0.2, 0.25, 0.25]], "float32")
    np.testing.assert_allclose(
        mapped(mapper, probabilities), [[0.075, 0.175, 0.25]], rtol=1e-6
    )


def test_linear_map_starts_from_logistic_regression(
    golden_logits, golden_labels
):
    mapper = LabelMapper(3, LinearMapping(regularization=1e-3))
    mapper.build((None, 6))
    mapper.adapt([(golden_logits, golden_labels)])
    accuracy = (
        mapped(mapper, golden_logits).argmax(axis=1) == golden_labels
    ).mean()
    assert accuracy > 0.8


@pytest.mark.parametrize("start", ["frequency", "bayesian", "random"])
def test_linear_map_starts_from_other_maps(start, golden_logits, golden_labels):
    fixed, linear = LabelMapper(3, start), LabelMapper(3, LinearMapping(start))
    for mapper in (fixed, linear):
        mapper.build((None, 6))
        mapper.adapt([(golden_logits, golden_labels)])
    np.testing.assert_allclose(
        mapped(linear, golden_logits), mapped(fixed, golden_logits), rtol=1e-5
    )


def test_linear_map_of_probabilities_equals_that_of_logits(
    golden_logits, golden_labels
):
    log_probabilities = np.asarray(
        ops.convert_to_numpy(ops.log_softmax(golden_logits))
    )
    probabilities = np.exp(log_probabilities)
    ones = LabelMapper(3), LabelMapper(3, from_logits=False)
    for mapper, outputs in zip(ones, (log_probabilities, probabilities)):
        mapper.build((None, 6))
        mapper.adapt([(outputs, golden_labels)])
    np.testing.assert_allclose(
        mapped(ones[0], log_probabilities),
        mapped(ones[1], probabilities),
        atol=1e-3,
    )


def test_more_targets_than_sources_works_for_linear_only():
    LabelMapper(9, "linear").build((None, 6))
    for name in ("identity", "random", "frequency", "iterative"):
        with pytest.raises(ValueError, match='mapping="linear"'):
            LabelMapper(9, name).build((None, 6))


def test_hand_written_maps_are_a_matrix_or_groups(golden_logits):
    matrix = np.zeros((6, 2))
    matrix[[0, 3], 0] = 0.5
    matrix[4, 1] = 1.0
    expected = golden_logits @ matrix.astype("float32")
    for mapping in (matrix, [[0, 3], [4]]):
        mapper = LabelMapper(2, mapping)
        np.testing.assert_allclose(
            mapped(mapper, golden_logits), expected, rtol=1e-5
        )
        assert mapper.solved


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
    with pytest.raises(ValueError, match="has seen none"):
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
