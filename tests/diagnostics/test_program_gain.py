import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram import sources
from keras_reprogram.diagnostics import ProgramGain
from keras_reprogram.diagnostics import logme
from keras_reprogram.diagnostics import program_gain
from keras_reprogram.diagnostics.program_gain import change_program
from keras_reprogram.diagnostics.program_gain import framed
from keras_reprogram.diagnostics.program_gain import model_with
from keras_reprogram.diagnostics.program_gain import without_pattern
from keras_reprogram.inputs import Pad

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 1), "uint8")
LABELS = np.arange(12) % 3


def evidence(source, transformation):
    outputs = source(transformation(IMAGES))
    return logme(outputs, LABELS)


def padded():
    layer = InputReprogrammer(
        (4, 4, 1), (8, 8, 3), placement="pad", pattern="outside"
    )
    layer(IMAGES)
    return layer


def theta_of(layer):
    return keras.ops.convert_to_numpy(layer.pattern.theta)


def test_the_gain_is_a_difference_of_two_evidences(source):
    transformation = padded()
    draw = np.random.default_rng(3).normal(0.0, 2.0, 144)
    found = program_gain(
        source, IMAGES, LABELS, "gaussian", transformation, scale=2.0, seed=3
    )
    np.testing.assert_array_equal(theta_of(transformation), np.zeros(144))
    transformation.pattern.theta.assign(draw)
    plain = InputReprogrammer((4, 4, 1), (8, 8, 3), pattern=None)
    expected = ProgramGain(
        "gaussian",
        evidence(source, transformation),
        evidence(sources.features(source), plain),
    )
    assert found.program_evidence == pytest.approx(
        expected.program_evidence, abs=1e-4
    )
    assert found.probe_evidence == pytest.approx(
        expected.probe_evidence, abs=1e-4
    )
    assert found.gain == found.program_evidence - found.probe_evidence
    assert found.pays == (found.gain > 0)


def test_the_program_of_a_model_is_evaluated_as_it_is(source):
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1), placement="pad"), LabelMapper(3)
    )
    model.input_reprogrammer.pattern.theta.assign(np.linspace(-1, 1, 192))
    found = program_gain(model, IMAGES, LABELS, "current")
    expected = logme(model.predict_source(IMAGES), LABELS)
    assert found.program_evidence == pytest.approx(expected, abs=1e-5)


def test_the_evidence_of_probabilities_is_that_of_their_logarithms(source):
    transformation = padded()
    softmax = keras.Model(source.input, keras.ops.softmax(source.output))
    found = program_gain(softmax, IMAGES, LABELS, "current", transformation)
    logits = keras.ops.log_softmax(source(transformation(IMAGES)))
    assert found.program_evidence == pytest.approx(
        logme(logits, LABELS), abs=1e-4
    )


def test_a_gradient_program_is_a_signed_step_down_the_loss_of_all_samples():
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, "tanh")(inputs)
    source = keras.Model(inputs, keras.layers.Dense(4)(hidden))
    generator = np.random.default_rng(0)
    x = generator.normal(size=(8, 3)).astype("float32")
    y = generator.normal(size=(8, 1)).astype("float32")
    layer = InputReprogrammer((3,), (3,), value_range=None)
    model = model_with(source, layer, y)
    change_program(model, x, y, "gradient", 0.5, 1, batch_size=3, seed=0)
    found = theta_of(model.input_reprogrammer)

    def loss(theta):
        model.input_reprogrammer.pattern.theta.assign(theta)
        return np.mean((model.predict(x, verbose=0) - y) ** 2)

    steps = 0.05 * np.eye(3)
    slopes = np.array([loss(step) - loss(-step) for step in steps])
    assert np.abs(slopes).min() > 1e-5
    np.testing.assert_allclose(found, -0.5 * np.sign(slopes), rtol=1e-5)


@pytest.mark.parametrize("program", ["gradient", "trained"])
def test_a_program_is_found_without_changing_the_model(source, program):
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1), placement="pad"), LabelMapper(3)
    )
    before = model.get_weights()
    found = program_gain(
        model, IMAGES, LABELS, program, batch_size=4, scale=1.0
    )
    assert np.isfinite(found.gain)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.numpy_alone
def test_the_default_program_is_around_the_sample():
    layer = framed((224, 224, 3), np.zeros((1, 28, 28, 1), "uint8"))
    assert layer.placement.inner_size == (192, 192)
    assert layer.pattern.activation is keras.activations.sigmoid
    with pytest.raises(ValueError, match="images alone"):
        framed((16000,), np.zeros((1, 100)))


@pytest.mark.numpy_alone
def test_the_probe_sees_whole_samples_without_a_pattern():
    plain = without_pattern(
        InputReprogrammer((4, 4, 1), (8, 8, 3), placement=Pad(6))
    )
    assert plain.pattern is None
    assert type(plain.placement).__name__ == "Resize"


@pytest.mark.parametrize(
    "arguments",
    [
        {"program": "random"},
        {"program": "current"},
        {"scale": -1.0},
        {"epochs": 0},
        {"seed": -1},
        {"x": iter([IMAGES])},
        {"input_transformation": InputReprogrammer(pattern=None)},
        {"y": LABELS[:3]},
    ],
)
def test_other_arguments_raise(source, arguments):
    arguments = {"x": IMAGES, "y": LABELS, **arguments}
    with pytest.raises(ValueError, match="Received: "):
        program_gain(source, **arguments)


def test_a_source_without_a_dense_layer_raises():
    inputs = keras.Input((8, 8, 3))
    source = keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(inputs))
    with pytest.raises(ValueError, match="dense"):
        program_gain(source, IMAGES, LABELS)
