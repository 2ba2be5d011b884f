import keras
import numpy as np
import pytest
from graphs import expected_outputs
from graphs import network
from graphs import resolved
from graphs import some_graphs
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import ReprogrammedModel
from keras_reprogram.bank import ProgramBank
from keras_reprogram.inputs import AggregatorChoice
from keras_reprogram.inputs import EdgeSlimming
from keras_reprogram.inputs import FeaturePadding
from keras_reprogram.inputs import FeatureProjection
from keras_reprogram.inputs import GraphPadding
from keras_reprogram.inputs import GraphReprogrammer
from keras_reprogram.inputs import SeriesCorrection
from keras_reprogram.inputs import padded_graphs
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.outputs import SourceNumbers


def all_steps():
    return [
        EdgeSlimming(),
        FeaturePadding(),
        GraphPadding(2),
        AggregatorChoice(),
    ]


def model_of(steps=None, nodes=5, output=None, source=None, **kwargs):
    return ReprogrammedModel(
        source or network(),
        GraphReprogrammer(
            (nodes, 3), all_steps() if steps is None else steps, **kwargs
        ),
        output or SourceNumbers(),
        compile=False,
    )


def outputs_of(model, graphs):
    merged = model.input_reprogrammer.merge(graphs)
    return ops.convert_to_numpy(model(ops.convert_to_tensor(merged)))


def test_predictions_are_those_of_the_source_on_the_changed_graphs():
    model = model_of([FeaturePadding(), GraphPadding(1)])
    padding, added = model.input_reprogrammer.steps
    padding.padding.assign([0.5])
    added.nodes.assign([[1.0, -1.0, 2.0, 0.0]])
    added.links.assign([0.0])
    found = outputs_of(model, padded_graphs(some_graphs()))
    expected = []
    for graph in some_graphs():
        nodes = np.pad(graph["nodes"], ((0, 0), (0, 1)), constant_values=0.5)
        nodes = np.concatenate([nodes, [[1.0, -1.0, 2.0, 0.0]]])
        edges = np.pad(graph["adjacency"], (0, 1), constant_values=0.5)
        edges[-1, -1] = 0.0
        expected.append(
            expected_outputs(model.source, nodes, edges, ["sum", "sum"])
        )
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.numpy_alone
def test_predictions_depend_neither_on_order_nor_on_padding():
    graphs = some_graphs()
    order = np.random.default_rng(3).permutation(5)
    graphs[2] = {
        "nodes": graphs[2]["nodes"][order],
        "adjacency": graphs[2]["adjacency"][order][:, order],
    }
    source = network()
    plain, larger = (model_of(nodes=size, source=source) for size in (5, 8))
    plain.input_reprogrammer.steps[0].kernel.assign(-np.eye(3))
    larger.set_weights(plain.get_weights())
    np.testing.assert_allclose(
        outputs_of(larger, padded_graphs(graphs, 8)),
        outputs_of(plain, padded_graphs(some_graphs())),
        rtol=1e-3,
    )


@pytest.mark.parametrize(
    "policy",
    [
        "float32",
        pytest.param("mixed_float16", marks=pytest.mark.numpy_alone),
    ],
)
def test_all_steps_learn_in_training(policy):
    model = model_of(dtype=keras.DTypePolicy(policy))
    model.compile(keras.optimizers.Adam(0.1), "mse")
    before = [np.array(each) for each in model.input_reprogrammer.get_weights()]
    graphs, numbers = padded_graphs(some_graphs()), np.array([0.0, 1.0, 2.0])
    frozen = [np.array(each) for each in model.source.get_weights()]
    model.train_on_batch(model.input_reprogrammer.merge(graphs), numbers)
    after = model.input_reprogrammer.get_weights()
    changed = [(new != old).any() for new, old in zip(after, before)]
    assert all(changed) and len(changed) == 7
    for new, old in zip(model.source.get_weights(), frozen):
        np.testing.assert_array_equal(new, old)


@pytest.mark.numpy_alone
def test_adapt_solves_the_ridge_regression_of_the_source_s_features():
    model = model_of(
        output=RegressionHead(regularization=0.1), source=network().features()
    )
    graphs = padded_graphs(6 * some_graphs())
    graphs["nodes"] += (
        np.random.default_rng(0)
        .normal(size=graphs["nodes"].shape)
        .astype("float32")
    )
    numbers = np.arange(18.0)
    model.compile("adam", "mse")
    model.adapt(graphs, numbers, verbose=0)
    features = model.predict_source(graphs).astype("float64")
    features -= features.mean(axis=0)
    products = features.T @ features / 18
    penalty = 0.1 * np.trace(products) / len(products)
    kernel = np.linalg.solve(
        products + penalty * np.eye(len(products)),
        features.T @ (numbers - 8.5) / 18,
    )
    np.testing.assert_allclose(
        model.predict(graphs, verbose=0)[:, 0],
        8.5 + features @ kernel,
        rtol=1e-3,
    )


def test_a_program_file_and_a_saved_model_predict_the_same(tmp_path):
    model = model_of()
    slimming, _, added, choice = model.input_reprogrammer.steps
    slimming.kernel.assign(np.eye(3))
    added.links.assign([1.0, -2.0])
    choice.logits.assign([[0.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    graphs = padded_graphs(some_graphs())
    expected = outputs_of(model, graphs)
    model.save_program(tmp_path / "graphs.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "graphs.program", model.source
    )
    np.testing.assert_allclose(outputs_of(copy, graphs), expected, rtol=1e-6)
    assert copy.input_reprogrammer.steps[-1].chosen == ["max", "mean"]
    model.save(tmp_path / "graphs.keras")
    whole = keras.models.load_model(tmp_path / "graphs.keras")
    np.testing.assert_allclose(outputs_of(whole, graphs), expected, rtol=1e-6)


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow",
    reason="of ONNX's exporters, PyTorch's does not know one-hot vectors",
)
def test_an_exported_model_predicts_the_same(tmp_path):
    import tensorflow as tf

    model = model_of()
    graphs = padded_graphs(some_graphs())
    merged = model.input_reprogrammer.merge(graphs)
    expected = outputs_of(model, graphs)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(exported.serve(merged), expected, rtol=1e-4)

    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    path = str(tmp_path / "graphs.onnx")
    model.export(path, format="onnx", verbose=False)
    session = runtime.InferenceSession(path)
    (found,) = session.run(None, {session.get_inputs()[0].name: merged})
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.numpy_alone
def test_a_program_of_another_source_is_refused(tmp_path):
    model = model_of()
    model.save_program(tmp_path / "graphs.program")
    other = network()
    other.set_weights([2 * each for each in other.get_weights()])
    with pytest.raises(ValueError, match="another source"):
        ReprogrammedModel.load_program(tmp_path / "graphs.program", other)


@pytest.mark.numpy_alone
def test_wrong_samples_are_refused_with_what_to_do():
    model = model_of()
    graphs = padded_graphs(some_graphs())
    cases = {
        "a list of graphs": (some_graphs(), "padded_graphs"),
        "too many nodes": (
            padded_graphs(some_graphs(), 6),
            "`num_nodes=5`",
        ),
        "other features": (padded_graphs(some_graphs(4)), "target_shape"),
        "no edges": ({"nodes": graphs["nodes"], "edges": 0}, '"adjacency"'),
        "one way": (
            {**graphs, "adjacency": np.triu(graphs["adjacency"])},
            "symmetric",
        ),
        "an array of nodes": (graphs["nodes"], "target_shape"),
        "infinity": (
            {**graphs, "nodes": np.where(graphs["nodes"] > 0, np.inf, 0)},
            "finite",
        ),
    }
    for name, (samples, message) in cases.items():
        with pytest.raises(ValueError, match=message):
            model.predict(samples, verbose=0)
            pytest.fail(name)


@pytest.mark.numpy_alone
def test_integers_are_graphs_without_missing_nodes():
    model = model_of(nodes=2)
    graphs = {
        "nodes": np.array([[[6, 1, 0], [8, 0, 1]]]),
        "adjacency": np.array([[[0, 1], [1, 0]]]),
    }
    floats = {name: each.astype("float32") for name, each in graphs.items()}
    np.testing.assert_allclose(
        model.predict(graphs, verbose=0), model.predict(floats, verbose=0)
    )


@pytest.mark.numpy_alone
def test_steps_that_do_not_fit_the_source_are_refused():
    with pytest.raises(ValueError, match="add a `FeaturePadding"):
        model_of([GraphPadding(2)])
    with pytest.raises(ValueError, match="up to the source's 4"):
        GraphReprogrammer((5, 9), [FeaturePadding()]).resolve(
            network().specification, None
        )
    inputs = keras.Input((5, 8))
    flat = keras.layers.Flatten()(inputs)
    with pytest.raises(ValueError, match="GraphNetwork"):
        model_of(source=keras.Model(inputs, keras.layers.Dense(2)(flat)))


@pytest.mark.numpy_alone
def test_a_graph_network_takes_graphs_alone():
    for layer in (
        InputReprogrammer((5, 4), (5, 4)),
        SeriesCorrection((5, 4)),
        None,
    ):
        with pytest.raises(ValueError, match="takes graphs|takes \\(\\)"):
            ReprogrammedModel(network(), layer, SourceNumbers())


@pytest.mark.numpy_alone
def test_a_bank_refuses_graphs():
    with pytest.raises(ValueError, match="embeddings or graphs"):
        ProgramBank(network(), sample_shape=(5, 8), num_classes=3)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    ("target_shape", "steps", "message"),
    [
        ((5,), [FeaturePadding()], "target_shape"),
        ((5, 0), [FeaturePadding()], "target_shape"),
        ((5, 3), ["padding"], "steps"),
        ((5, 3), [keras.layers.Dense(4)], "steps"),
        ((5, 3), 2 * [GraphPadding()], "a new one for each place"),
    ],
)
def test_arguments_that_are_not_valid_are_refused(target_shape, steps, message):
    with pytest.raises(ValueError, match=message):
        GraphReprogrammer(target_shape, steps)


@pytest.mark.numpy_alone
def test_a_config_makes_the_same_layer():
    layer = GraphReprogrammer((5, 3), [FeatureProjection(seed=2)])
    copy = GraphReprogrammer.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


@pytest.mark.numpy_alone
def test_graphs_in_lists_are_those_in_arrays():
    model = model_of()
    graphs = padded_graphs(some_graphs())
    lists = {name: each.tolist() for name, each in graphs.items()}
    tensors = {
        name: ops.convert_to_tensor(each) for name, each in lists.items()
    }
    mixed = {**tensors, "adjacency": graphs["adjacency"]}
    expected = model.predict(graphs, verbose=0)
    for samples in (lists, tensors, mixed):
        found = model.predict(samples, verbose=0)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        np.testing.assert_allclose(outputs_of(model, samples), expected, 1e-5)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "nodes, message",
    [
        ([[[1.0, 2.0, 3.0]], [[1.0, 2.0]]], "padded_graphs"),
        ([[["C", "N", "O"]] * 5] * 3, "padded_graphs"),
        (None, "padded_graphs"),
        (np.ones((3, 5, 3), "complex64"), "numbers"),
        (np.full((3, 5, 3), None), "numbers"),
        (np.ones((2, 5, 3)), "one adjacency matrix for each"),
    ],
)
def test_what_are_no_graphs_is_a_value_error_that_helps(nodes, message):
    model = model_of()
    graphs = {**padded_graphs(some_graphs()), "nodes": nodes}
    for call in (model.predict, model):
        with pytest.raises(ValueError, match=message) as error:
            call(graphs)
        assert "Received: " in str(error.value)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "make", [FeatureProjection, EdgeSlimming, GraphPadding, AggregatorChoice]
)
def test_a_step_belongs_to_one_layer_and_a_layer_to_one_kind_of_source(make):
    step = make()
    layer = resolved([step, FeatureProjection()])
    layer.resolve(network().specification, None)
    with pytest.raises(ValueError, match="one place.*new one"):
        resolved([step, FeatureProjection()])
    with pytest.raises(ValueError, match="another source.*new one"):
        layer.resolve(network(num_convolutions=1).specification, None)
