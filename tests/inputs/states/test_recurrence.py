import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import SPSA
from keras_reprogram.inputs import InjectedCells
from keras_reprogram.inputs import Recurrence
from keras_reprogram.inputs import StateMatrix
from keras_reprogram.optimizers import NormalizedAdam
from keras_reprogram.outputs import StateChannels
from keras_reprogram.sources import CellRule
from keras_reprogram.sources import LivingCells
from keras_reprogram.sources import cellular_automaton

LIVING = LivingCells()
STATES = np.random.default_rng(0).random((2, 6, 5, 5)).astype("float32")
KINDS = {
    "matrix": lambda: StateMatrix(living=LIVING),
    "injected": lambda: InjectedCells(0.3, 4, living=LIVING),
}


@pytest.fixture
def automaton():
    step = cellular_automaton((6, 5, 5), CellRule(hidden_units=6))
    generator = np.random.default_rng(1)
    for weight in step.weights:
        weight.assign(0.1 * generator.normal(size=weight.shape))
    return step


def reprogrammed(source, transformation=None, num_steps=4, **kwargs):
    return ReprogrammedModel(
        source,
        Recurrence(num_steps, transformation),
        StateChannels(4),
        compile=False,
        **kwargs,
    )


def changed(layer):
    for index, weight in enumerate(layer.trainable_weights):
        values = np.random.default_rng(index).normal(size=weight.shape)
        weight.assign(0.1 * values)


def test_the_source_alone_is_applied_to_its_own_outputs(automaton):
    expected = STATES
    for _ in range(4):
        expected = automaton(expected)
    model = reprogrammed(automaton)
    assert model.trainable_variables == []
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(STATES)),
        ops.convert_to_numpy(expected)[..., :4],
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_starts_as_the_source_and_acts_at_every_step(automaton, kind):
    transformation = KINDS[kind]()
    model = reprogrammed(automaton, transformation)
    alone = ops.convert_to_numpy(reprogrammed(automaton)(STATES))
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(STATES)), alone, rtol=1e-5, atol=1e-6
    )
    changed(transformation)
    expected = STATES
    for _ in range(4):
        expected = automaton(transformation(expected))
    expected = ops.convert_to_numpy(expected)
    assert abs(expected[..., :4] - alone).max() > 0.01
    found = ops.convert_to_numpy(model(STATES))
    np.testing.assert_allclose(found, expected[..., :4], rtol=1e-5, atol=1e-6)
    path = list(model.input_reprogrammer.trajectory(STATES))
    assert len(path) == 5
    np.testing.assert_array_equal(path[0], STATES)
    np.testing.assert_allclose(path[-1], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_is_trained_and_saved_and_its_source_is_not(
    automaton, kind, tmp_path
):
    model = reprogrammed(automaton, KINDS[kind](), num_steps=3)
    model.compile(NormalizedAdam(0.05), "mse")
    frozen = [ops.convert_to_numpy(weight) for weight in automaton.weights]
    wanted = np.ones((2, 6, 5, 4), "float32")
    losses = model.fit(STATES, wanted, epochs=8, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    for weight, before in zip(automaton.weights, frozen):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), before)
    if kind == "matrix":
        matrix = ops.convert_to_numpy(
            model.input_reprogrammer.transformation.matrix
        )
        assert abs(matrix - np.eye(5)).max() > 0.01
        np.testing.assert_array_equal(matrix, matrix.T)

    expected = ops.convert_to_numpy(model(STATES))
    np.testing.assert_array_equal(ops.convert_to_numpy(model(STATES)), expected)
    model.save_program(tmp_path / "a.program")
    model.save(tmp_path / "a.keras")
    for copy in (
        ReprogrammedModel.load_program(tmp_path / "a.program", automaton),
        keras.saving.load_model(tmp_path / "a.keras", compile=False),
    ):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(copy(STATES)), expected
        )


def test_a_single_step_is_the_source_behind_the_program(automaton):
    matrix = StateMatrix()
    model = reprogrammed(automaton, matrix, num_steps=1)
    changed(matrix)
    expected = automaton(matrix(STATES))
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(STATES)),
        ops.convert_to_numpy(expected)[..., :4],
        rtol=1e-5,
        atol=1e-6,
    )


def test_states_of_lower_precision_stay_so(automaton):
    layer = Recurrence(3, StateMatrix(), dtype="mixed_bfloat16")
    model = ReprogrammedModel(automaton, layer, StateChannels(), compile=False)
    assert keras.backend.standardize_dtype(layer(STATES).dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(model(STATES).dtype) == "float32"


def test_the_source_is_trained_by_its_layer(automaton):
    model = reprogrammed(automaton, trainable_source_layers=["cells"])
    model.compile(NormalizedAdam(0.01), "mse")
    wanted = np.ones((2, 6, 5, 4), "float32")
    losses = model.fit(STATES, wanted, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.numpy_alone
def test_a_program_of_another_source_is_a_value_error(automaton, tmp_path):
    model = reprogrammed(automaton, StateMatrix())
    model.save_program(tmp_path / "a.program")
    wider = cellular_automaton((6, 5, 7), CellRule(hidden_units=6))
    for check in (True, False):
        with pytest.raises(ValueError, match="Received: |another|maps"):
            ReprogrammedModel.load_program(
                tmp_path / "a.program", wider, check_source=check
            )
    with pytest.raises(ValueError, match="built for another source"):
        ReprogrammedModel(wider, model.input_reprogrammer, StateChannels(4))


@pytest.mark.numpy_alone
def test_a_source_that_returns_no_states_is_a_value_error():
    inputs = keras.Input((6, 6, 4))
    layer = keras.layers.Conv2D
    for outputs in (
        layer(3, 3, padding="same")(inputs),
        layer(4, 3)(inputs),
        keras.layers.GlobalAveragePooling2D()(inputs),
    ):
        with pytest.raises(ValueError, match="shape of its inputs"):
            reprogrammed(keras.Model(inputs, outputs))


@pytest.mark.numpy_alone
def test_bad_input_is_a_value_error(automaton):
    for num_steps in (0, -1, 1.5, "ten", None):
        with pytest.raises(ValueError, match="num_steps"):
            Recurrence(num_steps)
    with pytest.raises(ValueError, match="StateTransformation"):
        Recurrence(3, keras.layers.Dense(5))
    with pytest.raises(ValueError, match="without a source"):
        Recurrence(3)(STATES)
    model = reprogrammed(automaton, StateMatrix())
    with pytest.raises(ValueError, match="Received: "):
        model.predict(STATES[..., :4], verbose=0)
    with pytest.raises(ValueError, match="Received: "):
        next(model.input_reprogrammer.trajectory(STATES[..., :4]))
    with pytest.raises(ValueError, match="finite"):
        model.predict(np.full_like(STATES, np.nan), verbose=0)
    with pytest.raises(ValueError, match="num_channels"):
        ReprogrammedModel(automaton, Recurrence(2), StateChannels(6))


@pytest.mark.numpy_alone
@pytest.mark.parametrize("kind", KINDS)
def test_a_transformation_belongs_to_one_recurrence(automaton, kind):
    transformation = KINDS[kind]()
    transformation(STATES)  # built by the user
    model = reprogrammed(automaton, transformation)
    assert model.trainable_variables == transformation.trainable_variables
    with pytest.raises(ValueError, match="one place.*new one"):
        reprogrammed(automaton, transformation)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("kind", KINDS)
def test_a_transformation_of_other_states_is_refused(automaton, kind):
    transformation = KINDS[kind]()
    transformation(np.zeros((1, 6, 5, 7)))
    with pytest.raises(ValueError, match="other states.*new one.*Received: "):
        reprogrammed(automaton, transformation)


@pytest.mark.numpy_alone
def test_an_output_mapping_of_states_of_one_size_is_refused_for_another():
    mapping = StateChannels(4)
    for size in (4, 4, 5):
        source = cellular_automaton((size, size, 5))
        if size == 5:
            with pytest.raises(ValueError, match="new one.*Received: "):
                ReprogrammedModel(source, Recurrence(1), mapping)
        else:
            ReprogrammedModel(source, Recurrence(1), mapping)


@pytest.mark.numpy_alone
def test_states_in_another_unit_are_warned_of_once(automaton):
    model = reprogrammed(automaton, StateMatrix())
    model.predict(4 * STATES, verbose=0)
    for samples in ((200 * STATES).astype("uint8"), 200 * STATES):
        model.input_reprogrammer.has_warned = False
        with pytest.warns(UserWarning, match="divide pixels.*Received: "):
            model.predict(samples, verbose=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            model.predict(samples, verbose=0)


@pytest.mark.numpy_alone
def test_a_trajectory_begins_with_finite_states(automaton):
    model = reprogrammed(automaton)
    with pytest.raises(ValueError, match="finite.*Received: "):
        next(model.input_reprogrammer.trajectory(np.nan * STATES))


@pytest.mark.skipif(
    keras.config.backend() != "torch", reason="Keras exports to ONNX elsewhere"
)
def test_a_model_is_exported_to_onnx(automaton, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    model = reprogrammed(automaton, StateMatrix(living=LIVING), num_steps=2)
    changed(model)
    path = str(tmp_path / "states.onnx")
    model.export(path, format="onnx", verbose=False)
    session = runtime.InferenceSession(path)
    (found,) = session.run(None, {session.get_inputs()[0].name: STATES})
    expected = model.predict(STATES, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_steps", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_xla_trains_on_batches_of_any_size(automaton, kind, num_steps):
    if keras.config.backend() == "torch":
        pytest.skip("PyTorch has no XLA")
    model = reprogrammed(automaton, KINDS[kind](), num_steps)
    model.compile("adam", "mse", jit_compile=True)
    states = np.repeat(STATES, 3, axis=0)
    history = model.fit(
        states, np.ones((6, 6, 5, 4)), batch_size=4, epochs=2, verbose=0
    )
    first, last = history.history["loss"]
    assert last < first


def test_a_trajectory_needs_a_source():
    with pytest.raises(ValueError, match="applies a source"):
        next(Recurrence(3).trajectory(STATES))


def test_a_recurrence_is_not_trained_by_queries(automaton):
    model = reprogrammed(automaton, StateMatrix(living=LIVING))
    with pytest.raises(ValueError, match="`Recurrence` without a"):
        model.compile("adam", "mse", gradient_estimator=SPSA(2))
        model.fit(STATES, np.ones((2, 6, 5, 4)), verbose=0)


def test_classes_for_states_as_numbers_name_the_other_mapping(automaton):
    model = reprogrammed(automaton, StateMatrix(living=LIVING))
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="use `CellClasses`"):
        model.fit(STATES, np.array([0, 1]), verbose=0)
