"""A source that takes graphs: a message-passing network."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.sources.graph_arrays import as_graph
from keras_reprogram.sources.graph_arrays import check_graphs
from keras_reprogram.sources.graph_layers import AGGREGATORS
from keras_reprogram.sources.graph_layers import GraphPooling
from keras_reprogram.sources.graph_layers import NeighborAggregation
from keras_reprogram.sources.specification import GraphSpecification
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Tensor


@serializable
class GraphNetwork(keras.Model):
    """A message-passing network on batches of padded graphs.

    ```
    h_i = W x_i
    m_i = aggregate_l(a_ij h_j of all neighbors j)
    h_i <- normalized(h_i + relu(U_l [h_i, m_i]))
    outputs = V relu(V' [mean_i h_i, sum_i h_i])
    ```

    with biases and layer normalization. Which aggregator each convolution `l`
    uses is an input of the model, so that a program can choose others: see
    `keras_reprogram.inputs.AggregatorChoice`. The outputs do not depend on the
    order of nodes or on how many missing ones pad a graph.

    Example:

    ```python
    water = {"nodes": [[8.0], [1.0], [1.0]],
             "adjacency": [[0, 1, 1], [1, 0, 0], [1, 0, 0]]}
    hydrogen = {"nodes": [[1.0], [1.0]], "adjacency": [[0, 1], [1, 0]]}
    graphs = keras_reprogram.inputs.padded_graphs([water, hydrogen])

    source = keras_reprogram.sources.GraphNetwork(num_features=1)
    source.compile("adam", "mse")
    inputs = source.inputs_of(graphs)
    source.fit(inputs, np.array([[18.0], [2.0]]), verbose=0)
    source.predict(inputs, verbose=0).shape  # (2, 1)
    source.features().predict(inputs, verbose=0).shape  # (2, 64)
    ```

    Args:
        num_features: Integer. Number of features of a node.
        num_outputs: Integer. Number of outputs for a graph, or `None` for
            features, the inputs of the last layer. Defaults to `1`.
        units: Integer. Width of the hidden layers. Defaults to `64`.
        num_convolutions: Integer. Number of convolutions. Defaults to `3`.
        aggregators: Sequence of strings. The aggregators that a convolution
            can use: `"sum"`, `"mean"`, `"max"` and `"min"` of the neighbors,
            weighted by their edges. Defaults to `("sum", "mean", "max")`.
        aggregator: String. The one of them that the model is trained with.
            Defaults to `"sum"`.
        dtype: A dtype or a `keras.DTypePolicy` of all layers. Defaults to
            `None`, for `keras.config.dtype_policy()`.
        **kwargs: `name` and `trainable`, as of `keras.Model`.

    Call arguments:
        inputs: A dictionary, as `inputs_of` returns it, of `"nodes"`, `(batch,
            nodes, features)`, `"adjacency"`, `(batch, nodes, nodes)`, with the
            weights of edges, `"mask"`, `(batch, nodes)`, 1 for a node and 0
            for padding, and `"aggregators"`, `(batch, convolutions,
            aggregators)`, one-hot.

    Returns:
        A tensor `(batch, num_outputs)` or `(batch, units)`.

    Raises:
        ValueError: If `aggregator` is none of `aggregators`, or one of them is
            not known.

    References:
        - [How powerful are graph neural networks?](https://arxiv.org/abs/1810.00826)
    """

    def __init__(
        self,
        num_features: int,
        num_outputs: int | None = 1,
        units: int = 64,
        num_convolutions: int = 3,
        aggregators: Sequence[str] = ("sum", "mean", "max"),
        aggregator: str = "sum",
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        num_features = positive_integer("num_features", num_features)
        units = positive_integer("units", units)
        num_convolutions = positive_integer(
            "num_convolutions", num_convolutions
        )
        if num_outputs is not None:
            num_outputs = positive_integer("num_outputs", num_outputs)
        aggregators = check_aggregators(aggregators, aggregator)
        policy = keras.dtype_policies.get(dtype)

        # === Functional Model ===
        inputs = {
            "nodes": keras.Input((None, num_features), name="nodes"),
            "adjacency": keras.Input((None, None), name="adjacency"),
            "mask": keras.Input((None,), name="mask"),
            "aggregators": keras.Input(
                (num_convolutions, len(aggregators)), name="aggregators"
            ),
        }
        hidden = keras.layers.Dense(units, name="embedding", dtype=policy)(
            inputs["nodes"]
        )
        for index in range(num_convolutions):
            neighbors = NeighborAggregation(
                aggregators, index, name=f"aggregation_{index}", dtype=policy
            )(hidden, inputs["adjacency"], inputs["aggregators"])
            update = keras.layers.Dense(
                units, "relu", name=f"convolution_{index}", dtype=policy
            )(keras.layers.Concatenate(dtype=policy)([hidden, neighbors]))
            hidden = keras.layers.LayerNormalization(
                name=f"normalization_{index}", dtype=policy
            )(keras.layers.Add(dtype=policy)([hidden, update]))
        pooled = GraphPooling(name="pooling", dtype=policy)(
            hidden, inputs["mask"]
        )
        outputs = keras.layers.Dense(
            units, "relu", name="features", dtype=policy
        )(pooled)
        if num_outputs is not None:
            outputs = keras.layers.Dense(
                num_outputs, name="outputs", dtype=policy
            )(outputs)
        super().__init__(inputs, outputs, **kwargs)

        # === Config ===
        self.num_features = num_features
        self.num_outputs = num_outputs
        self.units = units
        self.num_convolutions = num_convolutions
        self.aggregators = aggregators
        self.aggregator = aggregator
        self.layers_policy = policy

    @property
    def specification(self) -> SourceSpecification:
        """What `inspect_source` returns."""
        return SourceSpecification(
            accepted_shape=(),
            preferred_shape=(),
            num_classes=self.outputs[0].shape[-1],
            activation="linear",
            graph=self._graph_specification,
        )

    @property
    def _graph_specification(self) -> GraphSpecification:
        """What the model does with graphs."""
        return GraphSpecification(
            self.num_features,
            self.num_convolutions,
            self.aggregators,
            self.aggregator,
        )

    def inputs_of(self, graphs: dict[str, Tensor]) -> dict[str, np.ndarray]:
        """Returns inputs of the model, with its own aggregator everywhere.

        Args:
            graphs: Dictionary of `"nodes"` and `"adjacency"`, as
                `keras_reprogram.inputs.padded_graphs` returns it, with NaN for
                missing nodes.

        Raises:
            ValueError: If the graphs are not valid, or their nodes have
                another number of features.
        """
        try:
            nodes, adjacency = (
                np.asarray(graphs[name], "float32")
                for name in ("nodes", "adjacency")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                'Graphs must be a dictionary of `"nodes"` and `"adjacency"`, '
                "arrays of numbers, as `keras_reprogram.inputs.padded_graphs` "
                f"returns it. Received: graphs of type {type(graphs).__name__}"
            ) from error
        expected = (*nodes.shape[:2], self.num_features)
        if nodes.ndim != 3 or nodes.shape != expected:
            raise ValueError(
                f"Nodes must have {self.num_features} features, in an array "
                "(graphs, nodes, features): for others, put a program in "
                "front, with `keras_reprogram.inputs.GraphReprogrammer`. "
                f"Received: nodes of shape {nodes.shape}"
            )
        if adjacency.shape != (*nodes.shape[:2], nodes.shape[1]):
            raise ValueError(
                "Adjacency matrices must have the shape (graphs, nodes, "
                f"nodes). Received: adjacency of shape {adjacency.shape}, "
                f"nodes of shape {nodes.shape}"
            )
        check_graphs(nodes, adjacency, self.layers_policy.compute_dtype)
        graph = {
            name: ops.convert_to_numpy(value)
            for name, value in as_graph(nodes, adjacency).items()
        }
        graph["aggregators"] = np.repeat(
            self._graph_specification.own_choices[None], len(nodes), axis=0
        )
        return graph

    def features(self) -> "GraphNetwork":
        """Returns a copy without the last layer, whose outputs are features.

        All its layers are trainable.
        """
        config = {
            **self.get_config(),
            "num_outputs": None,
            "trainable": True,
            "frozen_layers": (),
            "name": f"features_of_{self.name}",
        }
        network = type(self).from_config(config)
        count = len(network.weights)
        network.set_weights(self.get_weights()[:count])
        return network

    def get_config(self) -> dict[str, Any]:
        return {
            "num_features": self.num_features,
            "num_outputs": self.num_outputs,
            "units": self.units,
            "num_convolutions": self.num_convolutions,
            "aggregators": self.aggregators,
            "aggregator": self.aggregator,
            "dtype": keras.dtype_policies.serialize(self.layers_policy),
            "name": self.name,
            "trainable": self.trainable,
            "frozen_layers": [
                layer.name
                for layer in self.layers
                if layer.weights and not layer.trainable
            ],
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
    ) -> "GraphNetwork":
        arguments = dict(config)
        frozen_layers = arguments.pop("frozen_layers", ())
        network = cls(**arguments)
        for name in frozen_layers:
            network.get_layer(name).trainable = False
        return network


def check_aggregators(
    aggregators: Sequence[str], aggregator: str
) -> tuple[str, ...]:
    """Returns the names of aggregators given by the user."""
    names = tuple(aggregators) if isinstance(aggregators, (list, tuple)) else ()
    if not names or any(
        not isinstance(name, str)
        or name not in AGGREGATORS
        or names.count(name) > 1
        for name in names
    ):
        raise ValueError(
            f"`aggregators` must be a list of some of {list(AGGREGATORS)}. "
            f"Received: aggregators={aggregators!r}"
        )
    if aggregator not in names:
        raise ValueError(
            f"`aggregator` must be one of the `aggregators`, {list(names)}. "
            f"Received: aggregator={aggregator!r}"
        )
    return names
