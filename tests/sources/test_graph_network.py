import keras
import numpy as np
import pytest
from graphs import aggregated
from graphs import expected_outputs
from graphs import network
from graphs import some_graphs
from keras import ops

from keras_reprogram.inputs import padded_graphs
from keras_reprogram.sources import GraphNetwork
from keras_reprogram.sources import inspect_source

NAMES = ("sum", "mean", "max", "min")


def outputs_of(model, inputs):
    return ops.convert_to_numpy(model(inputs))


def test_outputs_are_those_of_a_loop_over_nodes_in_numpy():
    model = network(aggregators=NAMES, num_convolutions=4)
    graphs = some_graphs(4)
    inputs = model.inputs_of(padded_graphs(graphs))
    for names in (NAMES, 4 * ["sum"]):
        choices = [np.array(NAMES) == name for name in names]
        inputs["aggregators"][:] = choices
        expected = [
            expected_outputs(model, **graph, names=names) for graph in graphs
        ]
        np.testing.assert_allclose(
            outputs_of(model, inputs), expected, rtol=1e-3, atol=1e-4
        )


def test_outputs_depend_neither_on_the_order_of_nodes_nor_on_padding():
    model = network(aggregator="max")
    graphs = some_graphs(4)
    order = np.random.default_rng(3).permutation(5)
    last = {
        "nodes": graphs[2]["nodes"][order],
        "adjacency": graphs[2]["adjacency"][order][:, order],
    }
    plain = model.inputs_of(padded_graphs(graphs))
    changed = model.inputs_of(padded_graphs([*graphs[:2], last], num_nodes=9))
    np.testing.assert_allclose(
        outputs_of(model, changed), outputs_of(model, plain), rtol=1e-4
    )


@pytest.mark.numpy_alone
def test_a_node_without_neighbors_aggregates_zeros():
    values = np.ones((2, 3))
    for name in NAMES:
        assert not aggregated(name, values, np.zeros((2, 2))).any()
    model = network(aggregators=NAMES, aggregator="min")
    inputs = model.inputs_of(padded_graphs(some_graphs(4)[:1]))
    assert np.isfinite(outputs_of(model, inputs)).all()


def test_features_are_the_inputs_of_the_last_layer():
    model = network()
    inputs = model.inputs_of(padded_graphs(some_graphs(4)))
    kernel, bias = model.get_weights()[-2:]
    features = outputs_of(model.features(), inputs)
    assert features.shape == (3, 6)
    np.testing.assert_allclose(
        features @ kernel + bias, outputs_of(model, inputs), rtol=1e-4
    )


@pytest.mark.numpy_alone
def test_a_saved_network_returns_the_same(tmp_path):
    model = network(
        num_outputs=2, aggregators=("mean", "max"), aggregator="max"
    )
    model.save(tmp_path / "network.keras")
    copy = keras.models.load_model(tmp_path / "network.keras")
    inputs = model.inputs_of(padded_graphs(some_graphs(4)))
    np.testing.assert_array_equal(
        outputs_of(copy, inputs), outputs_of(model, inputs)
    )
    assert copy.get_config() == model.get_config()


@pytest.mark.numpy_alone
def test_its_specification_is_that_of_graphs():
    specification = inspect_source(network())
    assert specification.graph.num_features == 4
    assert specification.graph.own_choices.tolist() == 2 * [[1, 0, 0]]
    assert specification.num_classes == 1
    assert specification.from_logits


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_features": 0}, "num_features"),
        ({"num_features": 2.5}, "num_features"),
        ({"num_outputs": 0}, "num_outputs"),
        ({"units": -1}, "units"),
        ({"num_convolutions": 0}, "num_convolutions"),
        ({"aggregators": ()}, "aggregators"),
        ({"aggregators": "sum"}, "aggregators"),
        ({"aggregators": ("sum", "median")}, "aggregators"),
        ({"aggregators": ("sum", "sum")}, "aggregators"),
        ({"aggregator": "min"}, "`aggregator` must be one of"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GraphNetwork(**{"num_features": 4, **arguments})


@pytest.mark.numpy_alone
def test_nodes_of_another_width_are_refused():
    with pytest.raises(ValueError, match="must have 4 features"):
        network().inputs_of(padded_graphs(some_graphs(3)))


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda graphs: graphs["adjacency"][:1], "must have the shape"),
        (lambda graphs: graphs["adjacency"][0], "must have the shape"),
        (lambda graphs: graphs["adjacency"][..., :1], "must have the shape"),
        (lambda graphs: 0, "must have the shape"),
        (lambda graphs: "edges", "padded_graphs"),
    ],
)
def test_adjacency_matrices_of_another_shape_are_refused(change, message):
    model = network()
    graphs = padded_graphs(some_graphs(model.num_features))
    with pytest.raises(ValueError, match=message):
        model.inputs_of({**graphs, "adjacency": change(graphs)})
    with pytest.raises(ValueError, match="padded_graphs"):
        model.inputs_of(some_graphs(model.num_features))


@pytest.mark.numpy_alone
def test_a_file_keeps_what_is_frozen_and_the_dtype(tmp_path):
    model = network(dtype="mixed_bfloat16")
    model.get_layer("embedding").trainable = False
    model.save(tmp_path / "network.keras")
    copy = keras.models.load_model(tmp_path / "network.keras")
    trained = [each.path for each in model.trainable_weights]
    assert len(trained) == len(model.weights) - 2
    assert [each.path for each in copy.trainable_weights] == trained
    assert copy.outputs[0].dtype == model.outputs[0].dtype == "bfloat16"
    assert all(each.dtype == "float32" for each in copy.weights)
    frozen = GraphNetwork.from_config(network(trainable=False).get_config())
    assert not frozen.trainable
    assert not frozen.trainable_weights
    assert len(frozen.features().trainable_weights) == len(frozen.weights) - 2
