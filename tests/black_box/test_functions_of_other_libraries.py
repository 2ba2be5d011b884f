"""One classifier of digits, asked by way of three libraries."""

import concurrent.futures
import importlib.util
import multiprocessing

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import TwoSided
from keras_reprogram.inputs import FeatureMosaic

BACKEND = keras.config.backend()
OTHER = next(
    (
        name
        for name in ("tensorflow", "torch", "jax")
        if name != BACKEND and importlib.util.find_spec(name)
    ),
    None,
)


@pytest.fixture(scope="module")
def classifier():
    """A perceptron of scikit-learn, trained on its digits."""
    datasets = pytest.importorskip("sklearn.datasets")
    networks = pytest.importorskip("sklearn.neural_network")
    images, labels = datasets.load_digits(return_X_y=True)
    classifier = networks.MLPClassifier((32,), random_state=0, max_iter=60)
    return classifier.fit(images[:1000] / 16, labels[:1000])


def flat(images):
    return images.reshape(len(images), -1)


@pytest.fixture
def scikit_learn(classifier):
    return lambda images: classifier.predict_proba(flat(images))


@pytest.fixture
def onnx(classifier):
    helper = pytest.importorskip("onnx").helper
    runtime = pytest.importorskip("onnxruntime")
    from onnx import TensorProto
    from onnx import numpy_helper

    weights = dict(zip("AB", classifier.coefs_))
    weights.update(zip("ab", classifier.intercepts_))
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["images", "A", "a"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["positive"]),
            helper.make_node("Gemm", ["positive", "B", "b"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"]),
        ],
        "perceptron",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 64])],
        [
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["n", 10]
            )
        ],
        [
            numpy_helper.from_array(value.astype("float32"), name)
            for name, value in weights.items()
        ],
    )
    model = helper.make_model(
        graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]
    )
    session = runtime.InferenceSession(model.SerializeToString())
    return lambda images: session.run(None, {"images": flat(images)})[0]


def answer_elsewhere(backend, weights, images):
    """Runs in a process of its own, with Keras on another backend."""
    if keras.config.backend() != backend:
        raise RuntimeError(f"This is {keras.config.backend()}.")
    network = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    network.set_weights(weights)
    return ops.convert_to_numpy(network(flat(images)))


@pytest.fixture
def other_backend(classifier, monkeypatch):
    if OTHER is None:
        pytest.skip("no other backend is installed")
    monkeypatch.setenv("KERAS_BACKEND", OTHER)
    pairs = zip(classifier.coefs_, classifier.intercepts_)
    weights = [each for pair in pairs for each in pair]
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn")
    ) as pool:
        yield lambda images: pool.submit(
            answer_elsewhere, OTHER, weights, images
        ).result()


@pytest.mark.parametrize("library", ["scikit_learn", "onnx", "other_backend"])
def test_a_program_learns_whatever_library_answers(
    classifier, library, request
):
    datasets = pytest.importorskip("sklearn.datasets")
    function = request.getfixturevalue(library)
    generator = np.random.default_rng(0)
    images = generator.random((5, 8, 8, 1), "float32")
    np.testing.assert_allclose(
        function(images), classifier.predict_proba(flat(images)), atol=1e-5
    )

    table, labels = datasets.load_breast_cancer(return_X_y=True)
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    x, y = table[:96].clip(-3, 3).astype("float32"), labels[:96]
    model = ReprogrammedModel(
        QueriedSource(function, (8, 8, 1), 10),
        InputReprogrammer(
            (30,),
            placement=FeatureMosaic(),
            value_range=(-3, 3),
            scale=1.0,
        ),
        LabelMapper(2, "frequency"),
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
        gradient_estimator=TwoSided(8),
    )
    model.adapt(x, y, verbose=0)
    before = model.evaluate(x, y, verbose=0, return_dict=True)
    model.fit(x, y, batch_size=48, epochs=8, shuffle=False, verbose=0)
    after = model.evaluate(x, y, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"] - 0.1
    assert after["accuracy"] >= 0.8
