"""Graphs in one array each, with NaN where there is no node."""

import keras
import numpy as np
from keras import ops

from keras_reprogram.dtypes import is_float
from keras_reprogram.typing import Tensor

# A network squares them, in float32 even where it computes in another dtype.
LARGEST_FEATURE = 1e15
LARGEST_FLOAT16 = float(np.finfo("float16").max)


def nodes_and_adjacency(
    samples: Tensor, num_nodes: int
) -> tuple[Tensor, Tensor]:
    """Splits arrays `(batch, nodes, features + nodes)` of graphs."""
    return samples[..., :-num_nodes], samples[..., -num_nodes:]


def as_graph(nodes: Tensor, adjacency: Tensor) -> dict[str, Tensor]:
    """Returns graphs without NaN, and the mask of their nodes.

    Args:
        nodes: Tensor `(batch, nodes, features)`, NaN for missing nodes.
        adjacency: Tensor `(batch, nodes, nodes)`, 0 or NaN beside
            them.

    Returns:
        A dictionary of `"nodes"`, `"adjacency"` and `"mask"`, which is 1 for a
        node and 0 for a missing one.
    """
    mask = ops.cast(ops.all(known(nodes), axis=-1), nodes.dtype)
    pairs = ops.multiply(mask[:, :, None], mask[:, None, :])
    return {
        "nodes": ops.multiply(without_nan(nodes), mask[..., None]),
        "adjacency": ops.multiply(without_nan(adjacency), pairs),
        "mask": mask,
    }


def without_nan(values: Tensor) -> Tensor:
    """Returns values with 0 instead of NaN, and a gradient of 0 there."""
    if not is_float(values):
        return values
    # With any other condition, an export to ONNX would multiply NaN by 0.
    return ops.where(ops.isnan(values), ops.zeros_like(values), values)


def known(values: Tensor) -> Tensor:
    """Returns which values are not NaN."""
    if not is_float(values):
        return ops.ones_like(values, dtype="bool")
    return ops.logical_not(ops.isnan(values))


def largest_feature(dtype: object) -> float:
    """Returns the largest absolute value of a feature, also weighted."""
    name = keras.backend.standardize_dtype(dtype)
    return LARGEST_FLOAT16 if name == "float16" else LARGEST_FEATURE


def valid_graphs(nodes: Tensor, adjacency: Tensor) -> Tensor:
    """Returns which graphs `check_graphs` accepts, `(batch,)`.

    Args:
        nodes: As for `as_graph`.
        adjacency: As for `as_graph`.
    """
    is_known = known(nodes)
    present = ops.all(is_known, axis=-1)
    graph = as_graph(nodes, adjacency)
    edges = graph["adjacency"]
    whole = ops.equal(present, ops.any(is_known, axis=-1))
    # Divided, as a product would be infinite for features of zero, too.
    greatest = ops.divide(
        largest_feature(nodes.dtype),
        ops.maximum(ops.max(edges, axis=-1, keepdims=True), 1.0),
    )
    numbers = ops.all(ops.abs(graph["nodes"]) <= greatest, axis=-1)
    weights = ops.logical_and(ops.isfinite(edges), edges >= 0)
    symmetric = ops.equal(edges, ops.transpose(edges, (0, 2, 1)))
    diagonal = ops.equal(ops.diagonal(edges, axis1=1, axis2=2), 0)
    # A number between two nodes; beside missing ones nothing, 0 or NaN.
    pairs = ops.logical_and(present[:, :, None], present[:, None, :])
    is_weight = known(adjacency)
    nothing = ops.logical_or(
        ops.equal(adjacency, 0), ops.logical_not(is_weight)
    )
    placed = ops.where(pairs, is_weight, nothing)
    valid = ops.logical_and(
        ops.all(ops.logical_and(weights, symmetric), axis=(1, 2)),
        ops.all(placed, axis=(1, 2)),
    )
    for of_nodes in (whole, numbers, diagonal):
        valid = ops.logical_and(valid, ops.all(of_nodes, axis=1))
    return ops.logical_and(valid, ops.any(present, axis=1))


def check_graphs(
    nodes: np.ndarray, adjacency: np.ndarray, dtype: str = "float32"
) -> None:
    """Raises a `ValueError` for graphs that are not valid.

    Args:
        nodes: Array `(batch, nodes, features)`, NaN for missing nodes.
        adjacency: Array `(batch, nodes, nodes)`.
        dtype: String. What is computed in. Defaults to `"float32"`.
    """
    largest = largest_feature(dtype)
    is_known = ~np.isnan(nodes)
    present = is_known.all(axis=-1)
    pairs = present[:, :, None] & present[:, None, :]
    edges = np.where(pairs, adjacency, 0)
    features = np.where(present[..., None], nodes, 0)
    with np.errstate(invalid="ignore"):
        checks = {
            "Every graph has at least one node: leave out the sample": (
                present.any(axis=1)
            ),
            "A node is missing, with NaN for all its features, or has a "
            "number for each of them: fill in missing features": (
                (present == is_known.any(axis=-1)).all(axis=1)
            ),
            "Features must be finite": (np.isfinite(features).all(axis=(1, 2))),
            "An adjacency matrix holds finite weights of edges, of at least "
            "0: use 0 where there is no edge": (
                (edges >= 0) & (edges < np.inf)
            ).all(axis=(1, 2)),
            "Edges have no direction: make the adjacency matrix symmetric, "
            "with `np.maximum(a, a.T)` for instance": (
                edges == edges.swapaxes(1, 2)
            ).all(axis=(1, 2)),
            "A node is no neighbor of itself: set the diagonal of the "
            "adjacency matrix to 0": (
                np.diagonal(edges, axis1=1, axis2=2) == 0
            ).all(axis=1),
            "An edge joins two nodes: use 0 or NaN in the adjacency matrix "
            "beside missing nodes, whose features are NaN": (
                pairs | (adjacency == 0) | np.isnan(adjacency)
            ).all(axis=(1, 2)),
            f"Features, multiplied by weights of edges, must be at most "
            f"{largest:g} in {dtype}: scale them": (
                np.abs(features)
                <= largest / np.maximum(edges.max(axis=-1, keepdims=True), 1)
            ).all(axis=(1, 2)),
        }
    for advice, valid in checks.items():
        if not valid.all():
            raise ValueError(
                f"{advice}. Received: {np.count_nonzero(~valid)} graphs of "
                f"{len(valid)} that are not so, the first in sample "
                f"{valid.argmin()}"
            )
