"""RVP: a border before an image-text model, and a residual map over attributes.

Title: RVP
Year: 2026
Link: https://arxiv.org/abs/2609.36680
Samples: images
Input: `Pad(192)`, `UniversalPattern("outside", activation="sigmoid")`
Output mapping: `ResidualAttributeMapper`
Loss: cross-entropy
Optimizer: SGD with momentum 0.9
Learning rate: 40 of the border and 0.001 of the map, by a cosine to 0
Epochs: 200 in batches of 64

    x' = pad(x) + M * sigmoid(theta)
    f[t] = sum_m softmax(P[t])[m] * source output of attribute m of class t
    outputs = f @ (I + E)

The source is a `keras_reprogram.sources.zero_shot_classifier` of attributes,
20 short texts for each class, whose outputs are similarities divided by CLIP's
temperature. `P` weighs a class's attributes, and `E` mixes classes; both start
at zero, so that training starts from the mean of a class's attributes. The map
is one matrix, `matrix`.

Differences: the rates are constant here; for the paper's pass a
`keras.optimizers.schedules.CosineDecay` of the border's rate, which the map's
rate then follows. That the border is a sigmoid and starts at zero, as AttrVR's
does, is ours, as is that the map has the border's momentum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.configurable import serializable
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import ResidualLabelMapper
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import gathered

MAP_RATE = 0.001 / 40  # in units of the border's
MAP_VARIABLES = ("attribute_weights", "residual")


def rvp(
    source: keras.Model,
    attributes: Sequence[Sequence[int]],
    target_shape: Shape | None = None,
    inner_size: int = 192,
    learning_rate: float | LearningRateSchedule = 40.0,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """RVP, 2026.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.rvp(
        source,
        attributes=[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]],
        target_shape=(8, 8, 1),
        inner_size=12,
        learning_rate=0.1,
    )
    images = np.random.randint(0, 256, size=(16, 8, 8, 1), dtype="uint8")
    labels = np.arange(16) % 3
    model.fit(images, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model, which is frozen: a
            `keras_reprogram.sources.zero_shot_classifier`.
        attributes: For every target class, the list of the source classes
            that are its attributes, as many for each class.
        target_shape: Tuple of integers. Shape of a sample without the batch
            axis. Defaults to `None`, for images of any size.
        inner_size: Integer. Height and width of the resized sample in pixels.
            Defaults to `192`.
        learning_rate: Float or schedule of the border. The map's is smaller
            by a factor of 40,000. Defaults to `40.0`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "placement": Pad(inner_size),
                "pattern": UniversalPattern("outside", activation="sigmoid"),
                **kwargs,
            },
        ),
        ResidualAttributeMapper(len(attributes), list(attributes)),
    )
    model.compile(
        optimizer or TwoRates(learning_rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model


@serializable
class ResidualAttributeMapper(ResidualLabelMapper):
    """Weighs the attributes of each class, then mixes the classes.

    Args:
        num_classes: Integer. Number of target classes, `T`.
        mapping: For every target class, the list of the source classes that
            are its attributes, `M` for each class.
        **kwargs: Arguments of `keras_reprogram.outputs.ResidualLabelMapper`.

    Raises:
        ValueError: If classes have different numbers of attributes.
    """

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.sources is None:
            raise ValueError(
                "Every target class needs as many attributes as the others: a "
                "list of lists of source classes. Received: mapping="
                f"{self.mapping}"
            )
        self.attribute_weights = self.add_weight(
            name=MAP_VARIABLES[0], shape=self.sources.shape, initializer="zeros"
        )

    def scores(self, outputs: Tensor) -> Tensor:
        outputs = self.reading.classes(ops.cast(outputs, self.full_dtype))
        weights = ops.softmax(ops.cast(self.attribute_weights, outputs.dtype))
        attributes = gathered(outputs, self.sources)
        return ops.sum(ops.multiply(attributes, weights), axis=-1)

    @property
    def matrix(self) -> Tensor:
        weights = ops.expand_dims(ops.softmax(self.attribute_weights), -1)
        chosen = ops.one_hot(self.sources, self.map_shape.num_sources)
        scores = ops.transpose(ops.sum(ops.multiply(chosen, weights), axis=1))
        return self.mixed(scores)

    @property
    def learned_variables(self) -> list[keras.Variable]:
        sources, residual = super().learned_variables
        return [sources, self.attribute_weights, residual]

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        sources, residual = super().expected_variables(
            specification, outputs_shape
        )
        return [sources, ExpectedVariable(sources.shape), residual]


@serializable
class TwoRates(keras.optimizers.SGD):
    """SGD with the paper's smaller rate for the label map's variables.

    Args:
        learning_rate: Float or schedule of the other variables.
        **kwargs: Arguments of `keras.optimizers.SGD`.
    """

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        # TensorFlow's own variables come as `scope/name:0`.
        name = variable.name.partition(":")[0].rpartition("/")[-1]
        if name in MAP_VARIABLES:
            learning_rate = ops.multiply(learning_rate, MAP_RATE)
        super().update_step(gradient, variable, learning_rate)
