"""Deep graph reprogramming: graphs of a new task for a frozen graph network.

Title: Deep Graph Reprogramming
Authors: Jing, Yuan, Ju, Yang, Wang and Tao
Year: 2023
Link: https://arxiv.org/abs/2304.14593
Samples: graphs
Input: `GraphReprogrammer` with padded features, fewer edges, added nodes and
    chosen aggregators
Output mapping: `RegressionHead`, or `"linear"` for classes
Loss: mean squared error, or cross-entropy for classes
Optimizer: Adam
Learning rate: 0.001 (ours)
Epochs: ours

    x'_i = [x_i, p],    a'_ij = a_ij [s_ij > 0],    graph' = graph + added nodes
    c_l = one_hot(argmax_k(logits_lk + g_lk))

Learned features pad those of the nodes, learned scores remove edges, a small
learned graph is joined to each graph, and each convolution of the frozen
network uses one of several aggregators, chosen by Gumbel-max with a
straight-through gradient.

Differences: the paper removes edges of one known graph, by the gradient of
each; the score here depends on the two nodes, so that it applies to new graphs
as well, and is one number for each edge where nodes have one-hot features. The
paper uses one kind of padding for each kind of task, where this page has all
of them by default: pass `steps` for others. The output mapping starts from a
ridge or logistic regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import AggregatorChoice
from keras_reprogram.inputs import EdgeSlimming
from keras_reprogram.inputs import FeaturePadding
from keras_reprogram.inputs import GraphPadding
from keras_reprogram.inputs import GraphReprogrammer
from keras_reprogram.inputs import GraphTransformation
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.sources import GraphNetwork


def deep_graph(
    source: GraphNetwork,
    target_shape: tuple[int, int],
    num_classes: int | None = None,
    num_added_nodes: int = 4,
    steps: Sequence[GraphTransformation] | None = None,
    seed: int = 0,
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Deep graph reprogramming, Jing et al. 2023.

    Example:

    ```python
    source = keras_reprogram.sources.GraphNetwork(
        num_features=5
    )  # stands for a pretrained one
    water = {"nodes": [[8.0], [1.0], [1.0]],
             "adjacency": [[0, 1, 1], [1, 0, 0], [1, 0, 0]]}
    hydrogen = {"nodes": [[1.0], [1.0]], "adjacency": [[0, 1], [1, 0]]}
    graphs = keras_reprogram.inputs.padded_graphs([water, hydrogen])

    model = keras_reprogram.methods.deep_graph(
        source.features(), target_shape=(3, 1)
    )
    model.fit(graphs, np.array([18.0, 2.0]), verbose=0)
    ```

    Args:
        source: `keras_reprogram.sources.GraphNetwork`. The pretrained model,
            which is frozen.
        target_shape: Tuple of two integers. Number of nodes of a padded graph
            and number of features of a node.
        num_classes: Integer. Number of target classes. Defaults to `None`, for
            one number for each graph.
        num_added_nodes: Integer. Number of nodes of the added graph. Defaults
            to `4`.
        steps: Sequence of `keras_reprogram.inputs.GraphTransformation`s to be
            used instead. Defaults to `None`, for the four of the paper.
        seed: Integer. Seed of the steps. Defaults to `0`.
        learning_rate: Float or schedule of Adam. Defaults to `0.001`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.inputs.GraphReprogrammer`.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    if steps is None:
        steps = [
            EdgeSlimming(),
            FeaturePadding(seed),
            GraphPadding(num_added_nodes, seed),
            AggregatorChoice(seed=seed),
        ]
    model = ReprogrammedModel(
        source,
        GraphReprogrammer(target_shape, steps, **kwargs),
        RegressionHead()
        if num_classes is None
        else LabelMapper(num_classes, "linear"),
    )
    optimizer = optimizer or keras.optimizers.Adam(learning_rate)
    if num_classes is None:
        model.compile(
            optimizer, keras.losses.MeanSquaredError(), metrics=["mae"]
        )
    else:
        model.compile(
            optimizer,
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=model.label_mapper.returns_logits
            ),
            metrics=["accuracy"],
        )
    return model
