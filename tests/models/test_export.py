"""Exported files, run by what serves them, say what the model says."""

import importlib.util
import json

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.inputs import Affine
from keras_reprogram.inputs import AveragedViews
from keras_reprogram.inputs import ColorGain
from keras_reprogram.inputs import DifferenceMatrix
from keras_reprogram.inputs import JoinedTransformation
from keras_reprogram.inputs import LowRank
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import SlidingWindows
from keras_reprogram.inputs import Spectrogram
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.outputs import AttentiveProbe
from keras_reprogram.pretrained import LogMelSpectrogram
from keras_reprogram.sources import window_features

BACKEND = keras.config.backend()
FORMATS = {
    "tf_saved_model": ("tensorflow", "jax"),
    "onnx": ("tensorflow", "torch"),
    "litert": ("tensorflow",),
}


def adapted(source, data, mapping="linear"):
    model = ReprogrammedModel(
        source, InputReprogrammer((8, 8, 1)), LabelMapper(3, mapping)
    )
    theta = model.input_reprogrammer.pattern.theta
    theta.assign(np.random.default_rng(0).normal(size=theta.shape))
    model.adapt(*data, verbose=0)
    return model


@pytest.fixture
def model(twelve_classes, bright_quadrants):
    return adapted(twelve_classes, bright_quadrants)


def run_saved_model(path, inputs):
    tensorflow = pytest.importorskip("tensorflow")
    loaded = tensorflow.saved_model.load(path)
    return loaded.serve(inputs).numpy()


def run_onnx(path, inputs):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path)
    if not isinstance(inputs, dict):
        inputs = {session.get_inputs()[0].name: inputs}
    return session.run(None, inputs)[0]


def run_litert(path, inputs):
    tensorflow = pytest.importorskip("tensorflow")
    interpreter = tensorflow.lite.Interpreter(path)
    details = interpreter.get_input_details()
    if not isinstance(inputs, dict):
        inputs = {"samples": inputs}
    values = {
        detail["index"]: next(
            value for name, value in inputs.items() if name in detail["name"]
        )
        for detail in details
    }
    for index, value in values.items():
        interpreter.resize_tensor_input(index, value.shape)
    interpreter.allocate_tensors()
    for index, value in values.items():
        interpreter.set_tensor(index, value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


RUN = {
    "tf_saved_model": run_saved_model,
    "onnx": run_onnx,
    "litert": run_litert,
}
ENDINGS = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite"}


@pytest.mark.parametrize(
    "kind", ["model", "model of lookups", "bank", "bank of lookups"]
)
@pytest.mark.parametrize("format", FORMATS)
def test_an_exported_file_says_what_the_model_says(
    model, bright_quadrants, twelve_classes, tmp_path, format, kind
):
    if BACKEND not in FORMATS[format]:
        pytest.skip(f"Keras does not export {format} from {BACKEND}")
    if format == "onnx":
        needed = "tf2onnx" if BACKEND == "tensorflow" else "onnxscript"
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs the package {needed}")
    inputs = bright_quadrants[0][:5].astype("float32")
    sources_per_target = None
    if "lookups" in kind:
        model = adapted(twelve_classes, bright_quadrants, "frequency")
        sources_per_target = 1
    wanted = model.predict(inputs, verbose=0)
    exported = model
    if "bank" in kind:
        exported = ProgramBank(
            twelve_classes,
            (8, 8, 1),
            3,
            capacity=4,
            sources_per_target=sources_per_target,
        )
        exported.add({"quadrants": model})
        inputs = {
            "samples": np.repeat(inputs, 3, axis=-1),
            "programs": np.zeros(5, "int32"),
        }
    path = str(tmp_path / f"exported{ENDINGS[format]}")
    exported.export(path, format=format, verbose=False)
    found = RUN[format](path, inputs)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


FORMAT = "onnx" if BACKEND == "torch" else "tf_saved_model"


def test_an_affine_program_and_an_attentive_probe_are_exported(
    bright_quadrants, tmp_path
):
    if BACKEND == "jax":
        pytest.skip("TensorFlow writes the same format")
    pytest.importorskip("onnxscript" if FORMAT == "onnx" else "tensorflow")
    inputs = keras.Input((8, 8, 3))
    stages = [
        keras.layers.Flatten()(keras.layers.AveragePooling2D(size)(inputs))
        for size in (2, 4)
    ]
    model = ReprogrammedModel(
        keras.Model(inputs, keras.ops.concatenate(stages, axis=-1)),
        InputReprogrammer(
            (8, 8, 1),
            placement=ColorGain(Affine(outside=True)),
            pattern=UniversalPattern(basis=LowRank(2)),
        ),
        AttentiveProbe(3, width=4),
    )
    generator = np.random.default_rng(0)
    for variable in model.input_reprogrammer.trainable_weights:
        variable.assign(generator.normal(size=variable.shape))
    model.adapt(*bright_quadrants, verbose=0)
    samples = bright_quadrants[0][:5].astype("float32")
    wanted = model.predict(samples, verbose=0)
    path = str(tmp_path / f"exported{ENDINGS[FORMAT]}")
    model.export(path, format=FORMAT, verbose=False)
    np.testing.assert_allclose(RUN[FORMAT](path, samples), wanted, atol=1e-3)


def test_a_file_without_the_function_of_its_source_is_refused(tmp_path):
    source = QueriedSource(lambda x: x[:, 0, 0], (4, 4, 3), 3, True)
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 3)), LabelMapper(2, "random")
    )
    bank = ProgramBank(source, (4, 4, 3), 2)
    for refused in (model, source, bank):
        with pytest.raises(ValueError, match="not exported"):
            refused.export(str(tmp_path / "refused"), format=FORMAT)
    samples = keras.Input((4, 4, 3))
    around = keras.Model(samples, model(samples))
    around(np.ones((1, 4, 4, 3)))
    # Exporters make errors of their own of it.
    with pytest.raises(Exception, match="not exported"):
        around.export(str(tmp_path / "refused"), format=FORMAT, verbose=False)
    assert not list(tmp_path.glob("refused/saved_model.pb"))


def test_joined_sources_and_views_are_exported(tmp_path):
    if FORMAT == "onnx" and importlib.util.find_spec("onnxscript") is None:
        pytest.skip("needs the package onnxscript")
    inputs = keras.Input((4, 4, 3))
    sources = [
        keras.Model(inputs, keras.layers.Dense(3, activation)(flat))
        for activation, flat in [
            (None, keras.layers.Flatten()(inputs)),
            ("softmax", keras.layers.GlobalAveragePooling2D()(inputs)),
        ]
    ]
    joined = [InputReprogrammer((4, 4, 1)) for _ in sources]
    model = ReprogrammedModel(
        sources,
        AveragedViews(
            JoinedTransformation(joined), ["identity", "turn_90", (0.25, -0.25)]
        ),
        LabelMapper(2, np.arange(12.0).reshape(6, 2)),
    )
    samples = np.random.default_rng(0).random((5, 4, 4, 1)).astype("float32")
    wanted = model.predict_on_batch(255 * samples)
    path = str(tmp_path / f"exported{ENDINGS[FORMAT]}")
    model.export(path, format=FORMAT, verbose=False)
    found = RUN[FORMAT](path, 255 * samples)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


def test_shifts_of_images_of_any_size_are_exported(tmp_path):
    if FORMAT == "onnx" and importlib.util.find_spec("onnxscript") is None:
        pytest.skip("needs the package onnxscript")
    inputs = keras.Input((4, 4, 3))
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
    model = ReprogrammedModel(
        keras.Model(inputs, outputs),
        AveragedViews(
            InputReprogrammer((None, None, 1), pattern=None),
            ["identity", (0.25, -0.25)],
        ),
        LabelMapper(2, np.arange(6.0).reshape(3, 2)),
    )
    path = str(tmp_path / f"exported{ENDINGS[FORMAT]}")
    # Before its first call.
    model.export(path, format=FORMAT, verbose=False)
    samples = np.random.default_rng(0).random((5, 6, 8, 1)).astype("float32")
    found = RUN[FORMAT](path, 255 * samples)
    wanted = model.predict_on_batch(255 * samples)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


def test_a_spectrogram_is_exported(tmp_path):
    if BACKEND == "jax":
        pytest.skip("TensorFlow writes the same format")
    pytest.importorskip("onnxscript" if FORMAT == "onnx" else "tensorflow")
    waves = keras.Input((400,))
    features = LogMelSpectrogram(8000, 64, 32, num_bands=8)(waves)
    model = ReprogrammedModel(
        keras.Model(waves, keras.layers.Flatten()(features)),
        InputReprogrammer((400,), value_range=None),
        LabelMapper(3, "linear"),
    )
    x = np.random.default_rng(0).uniform(-1, 1, (6, 400)).astype("float32")
    model.adapt(x, np.arange(6) % 3, verbose=0)
    path = str(tmp_path / f"exported{ENDINGS[FORMAT]}")
    model.export(path, format=FORMAT, verbose=False)
    found = RUN[FORMAT](path, x)
    np.testing.assert_allclose(found, model.predict_on_batch(x), atol=1e-4)


@pytest.mark.skipif(BACKEND == "jax", reason="writes no ONNX")
@pytest.mark.parametrize("drawing", [DifferenceMatrix(), Spectrogram()])
def test_series_that_are_drawn_are_exported(drawing, tmp_path):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
    model = ReprogrammedModel(
        keras.Model(inputs, outputs),
        InputReprogrammer(
            (20, 2), placement=SeriesPicture(drawing), pattern=None
        ),
        LabelMapper(2, "random"),
    )
    series = np.random.default_rng(0).normal(size=(3, 20, 2)).astype("float32")
    path = str(tmp_path / "model.onnx")
    model.export(path, format="onnx", verbose=False)
    np.testing.assert_allclose(
        run_onnx(path, series), model.predict(series, verbose=0), atol=1e-2
    )


def test_windows_are_exported(tmp_path):
    if FORMAT == "onnx":
        pytest.importorskip("onnxscript")
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
    model = ReprogrammedModel(
        window_features(keras.Model(inputs, outputs), 3),
        InputReprogrammer(
            (20, 2), placement=SlidingWindows(8), value_range=None
        ),
        LabelMapper(2),
    )
    series = np.random.default_rng(0).normal(size=(5, 20, 2)).astype("float32")
    model.adapt(series, np.arange(5) % 2, verbose=0)
    path = str(tmp_path / f"exported{ENDINGS[FORMAT]}")
    model.export(path, format=FORMAT, verbose=False)
    found = RUN[FORMAT](path, series)
    wanted = model.predict_on_batch(series)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_names_of_classes_are_exported(tmp_path):
    if FORMAT == "onnx":
        pytest.importorskip("onnxscript")
    inputs = keras.Input((4, 4, 3))
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
    model = ReprogrammedModel(
        keras.Model(inputs, outputs),
        InputReprogrammer((4, 4, 3), pattern=None),
        LabelMapper(2, [[0], [2]], class_names=["Katze", "犬"]),
    )
    path = tmp_path / f"exported{ENDINGS[FORMAT]}"
    model.export(str(path), format=FORMAT, verbose=False)
    if FORMAT == "onnx":
        import onnx

        [entry] = [
            each
            for each in onnx.load(path).metadata_props
            if each.key == "class_names"
        ]
        text = entry.value
    else:
        text = (path / "assets.extra" / "class_names.json").read_text("utf-8")
    assert json.loads(text) == ["Katze", "犬"]
    samples = np.random.default_rng(0).random((2, 4, 4, 3)).astype("float32")
    wanted = model.predict_on_batch(samples)
    found = RUN[FORMAT](str(path), samples)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
