"""Graphs of different sizes as arrays of one size."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_reprogram.configurable import positive_integer
from keras_reprogram.sources.graph_arrays import check_graphs


def padded_graphs(
    graphs: Sequence[Mapping[str, Any]], num_nodes: int | None = None
) -> dict[str, np.ndarray]:
    """Returns graphs of different sizes as arrays, padded with NaN.

    Example:

    ```python
    water = {"nodes": [[8.0], [1.0], [1.0]],
             "adjacency": [[0, 1, 1], [1, 0, 0], [1, 0, 0]]}
    hydrogen = {"nodes": [[1.0], [1.0]], "adjacency": [[0, 1], [1, 0]]}
    graphs = keras_reprogram.inputs.padded_graphs([water, hydrogen])
    graphs["nodes"][1]  # [[1], [1], [nan]]
    ```

    Args:
        graphs: Sequence of dictionaries of `"nodes"`, an array `(nodes,
            features)`, and `"adjacency"`, an array `(nodes, nodes)` with the
            weights of edges, 0 where there is none. It is symmetric, and its
            diagonal is 0.
        num_nodes: Integer. Number of nodes of the result. Defaults to `None`,
            for that of the largest graph.

    Returns:
        A dictionary of float32 arrays: `"nodes"`, `(graphs, num_nodes,
        features)`, with NaN for missing nodes, and `"adjacency"`, `(graphs,
        num_nodes, num_nodes)`.

    Raises:
        ValueError: If there is no graph, one of them is not valid or has more
            than `num_nodes` nodes, or they differ in their features.
    """
    if not isinstance(graphs, (list, tuple)) or not graphs:
        raise ValueError(
            "`graphs` must be a list of dictionaries, one for each graph. "
            f"Received: graphs of type {type(graphs).__name__}"
        )
    pairs = [arrays_of(index, graph) for index, graph in enumerate(graphs)]
    widths = sorted({nodes.shape[1] for nodes, _ in pairs})
    if len(widths) > 1:
        raise ValueError(
            "All graphs must have the same features. Received: nodes with "
            f"{widths} features"
        )
    sizes = [len(nodes) for nodes, _ in pairs]
    if num_nodes is None:
        num_nodes = max(sizes)
    num_nodes = positive_integer("num_nodes", num_nodes)
    if max(sizes) > num_nodes:
        raise ValueError(
            f"A graph must have at most `num_nodes` nodes: pass {max(sizes)}, "
            f"or leave out larger graphs. Received: num_nodes={num_nodes}, "
            f"graphs[{int(np.argmax(sizes))}] of {max(sizes)} nodes"
        )
    nodes = np.full((len(pairs), num_nodes, widths[0]), np.nan, "float32")
    adjacency = np.zeros((len(pairs), num_nodes, num_nodes), "float32")
    for index, (size, pair) in enumerate(zip(sizes, pairs)):
        nodes[index, :size], adjacency[index, :size, :size] = pair
    check_graphs(nodes, adjacency)
    return {"nodes": nodes, "adjacency": adjacency}


def arrays_of(
    index: int, graph: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nodes and the adjacency matrix of a graph."""
    try:
        nodes = np.asarray(graph["nodes"], "float32")
        adjacency = np.asarray(graph["adjacency"], "float32")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            'A graph must be a dictionary of `"nodes"` and `"adjacency"`, '
            f"arrays of numbers. Received: graphs[{index}] of type "
            f"{type(graph).__name__}"
        ) from error
    count = len(nodes) if nodes.ndim else 0
    if nodes.ndim != 2 or not nodes.size or adjacency.shape != (count, count):
        raise ValueError(
            "A graph has nodes of shape (nodes, features), at least one, and "
            "an adjacency matrix of shape (nodes, nodes). Received: "
            f"graphs[{index}] with nodes of shape {nodes.shape} and an "
            f"adjacency matrix of shape {adjacency.shape}"
        )
    return nodes, adjacency
