"""ALF: attention over all layers of the source, in front of a classifier.

Title: Beyond the Final Layer: Attentive Multi-Layer Fusion for Vision Transformers
Authors: Ciernik, Morik, Thede, Eyring, Nakajima, Akata and Muttenthaler
Year: 2026
Link: https://arxiv.org/abs/2601.09322
Samples: images, series
Input: `pattern=None`
Output mapping: `AttentiveProbe`
Loss: cross-entropy, weighted by class
Optimizer: AdamW, gradients of norm 5 at most
Learning rate: 0.001 to 0.1, by a cosine to 0
Epochs: 40, or 1000 steps, in batches of 2048

    z_l = layer_norm(layer l)
    outputs = classifier(sum_h (sum_l softmax_l(query_h . z_l) z_l) @ V_h @ O_h)

The source returns all layers, as `keras_reprogram.sources.stage_features` does.
There are as many heads as layers, noise of deviation 0.05 on half of the
samples, and dropout of attention.

Differences: stages have different widths, so each is projected on its first 64
principal components, which are found from the samples, and aligned by a matrix
of its own; the paper's layers of one vision transformer are taken as they are.
Heads have a bias for each stage. The features are standardized as at the start,
where the paper has batch normalization, and the classifier starts from a
logistic regression. The rate is constant here, one of three that the paper
chooses from on validation data. For weights of classes, pass `class_weight` to
`fit` or `fit_label_map`.
"""  # noqa: E501

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import AttentiveProbe
from keras_reprogram.typing import Shape


def alf(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    width: int = 64,
    dropout: float = 0.1,
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """ALF, Ciernik et al. 2026.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    edges = keras.layers.Conv2D(4, 3, 2, "same", name="edges")(inputs)
    shapes = keras.layers.Conv2D(8, 3, 2, "same", name="shapes")(edges)
    source = keras_reprogram.sources.stage_features(  # of a pretrained model
        keras.Model(inputs, shapes), layers=["edges", "shapes"]
    )
    model = keras_reprogram.methods.alf(
        source, num_classes=3, target_shape=(8, 8, 1)
    )
    images = np.random.randint(0, 256, size=(16, 8, 8, 1), dtype="uint8")
    labels = np.arange(16) % 3
    model.fit_label_map(images, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model, which is frozen. Its
            output is the concatenation of several layers.
        num_classes: Integer. Number of target classes.
        target_shape: Tuple of integers. Shape of a sample without the batch
            axis. Defaults to `None`, for images of any size.
        width: Integer. Number of principal components of a layer. Defaults to
            `64`.
        dropout: Float. Share of the weights of attention that are set to zero
            in training. Defaults to `0.1`.
        learning_rate: Float or schedule of AdamW. Defaults to `0.001`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    model = ReprogrammedModel(
        source,
        InputReprogrammer(target_shape, **{"pattern": None, **kwargs}),
        AttentiveProbe(num_classes, width, dropout=dropout),
    )
    model.compile(
        optimizer
        or keras.optimizers.AdamW(
            learning_rate, weight_decay=0.01, global_clipnorm=5.0
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
