"""Small graphs, a network on them, and the network again in NumPy."""

import numpy as np
from keras import ops

from keras_reprogram.inputs import GraphReprogrammer
from keras_reprogram.sources import GraphNetwork


def random_graph(generator, num_nodes, num_features=3):
    nodes = generator.normal(size=(num_nodes, num_features))
    weights = generator.choice(
        [0.0, 1.0, 1.5, 2.0], size=(num_nodes, num_nodes)
    )
    weights = np.triu(weights, 1)
    return {"nodes": nodes, "adjacency": weights + weights.T}


def some_graphs(num_features=3):
    """Graphs of several sizes: the first has a single node."""
    generator = np.random.default_rng(0)
    return [random_graph(generator, size, num_features) for size in (1, 3, 5)]


def network(**kwargs):
    arguments = {"num_features": 4, "units": 6, "num_convolutions": 2}
    model = GraphNetwork(**{**arguments, **kwargs})
    generator = np.random.default_rng(1)
    model.set_weights(
        [generator.normal(size=each.shape) for each in model.get_weights()]
    )
    return model


def aggregated(name, hidden, adjacency):
    """The neighbors of each node, one by one."""
    found = np.zeros_like(hidden)
    for index, weights in enumerate(adjacency):
        neighbors = np.flatnonzero(weights)
        if not len(neighbors):
            continue
        values = weights[neighbors, None] * hidden[neighbors]
        found[index] = {
            "sum": values.sum(axis=0),
            "mean": values.sum(axis=0) / weights[neighbors].sum(),
            "max": values.max(axis=0),
            "min": values.min(axis=0),
        }[name]
    return found


def expected_outputs(model, nodes, adjacency, names):
    """The outputs of a `GraphNetwork` for one graph without padding."""
    weights = [np.asarray(each, "float64") for each in model.get_weights()]
    layers = [weights[:2]]
    rest = weights[2:]
    hidden = nodes @ layers[0][0] + layers[0][1]
    for name in names:
        kernel, bias, gamma, beta, *rest = rest
        both = np.concatenate(
            [hidden, aggregated(name, hidden, adjacency)], axis=1
        )
        hidden = hidden + np.maximum(both @ kernel + bias, 0)
        mean = hidden.mean(axis=1, keepdims=True)
        deviation = np.sqrt(hidden.var(axis=1, keepdims=True) + 1e-3)
        hidden = (hidden - mean) / deviation * gamma + beta
    kernel, bias, *rest = rest
    pooled = np.concatenate([hidden.mean(axis=0), hidden.sum(axis=0)])
    features = np.maximum(pooled @ kernel + bias, 0)
    return features @ rest[0] + rest[1] if rest else features


def resolved(steps, target_shape=(5, 3), **kwargs):
    """A `GraphReprogrammer` in front of a `network`."""
    layer = GraphReprogrammer(target_shape, steps)
    layer.resolve(network(**kwargs).specification, None)
    return layer


def as_arrays(graph):
    return {name: ops.convert_to_numpy(each) for name, each in graph.items()}


def graph_of(num_nodes=5, num_features=3, batch=2):
    """The tensors that a step takes: the second graph has a node less."""
    generator = np.random.default_rng(2)
    graphs = [
        random_graph(generator, num_nodes, num_features) for _ in range(batch)
    ]
    found = {
        name: np.stack([graph[name] for graph in graphs]).astype("float32")
        for name in ("nodes", "adjacency")
    }
    mask = np.ones((batch, num_nodes), "float32")
    mask[1, -1] = 0
    found["nodes"] *= mask[..., None]
    found["adjacency"] *= mask[:, None] * mask[:, :, None]
    found["mask"] = mask
    found["aggregators"] = np.zeros((batch, 2, 3), "float32")
    return {name: ops.convert_to_tensor(each) for name, each in found.items()}
