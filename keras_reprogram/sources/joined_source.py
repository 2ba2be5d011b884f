"""Several frozen sources as one."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import serializable
from keras_reprogram.keras_internals import graph_of
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.sources.output_blocks import block_sizes
from keras_reprogram.sources.output_features import OutputFeatures
from keras_reprogram.sources.shared_layers import SharedLayer
from keras_reprogram.sources.shared_layers import find_shared_layers
from keras_reprogram.sources.shared_layers import inputs_like
from keras_reprogram.sources.shared_layers import layers_of
from keras_reprogram.sources.shared_layers import with_shared_layers
from keras_reprogram.sources.shared_layers import without_references
from keras_reprogram.sources.specification import SourceSpecification


@serializable
class JoinedSource(keras.Model):
    """Several sources as one, whose output is all of their features.

    With `f_k` the sources, and `x_k` an input for each,

    ```
    features = [r_1(f_1(x_1)), ..., r_K(f_K(x_K))]
    ```

    where `r_k` keeps logits and features as they are, and turns the
    probabilities of a softmax into their logarithms, those of a sigmoid into
    their logits.

    Networks of several sizes or kinds, or one network with inputs of several
    sizes, see different properties of a sample. A trained map of all features
    can be more accurate than one of each. Memory and time are the sum of
    those of the parts; layers that parts share are in memory once.

    A `ReprogrammedModel` takes a list of sources for a `JoinedSource`.

    Example:

    ```python
    def classifier(size):  # stands for a pretrained model
        inputs = keras.Input((size, size, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(inputs)
        return keras.Model(inputs, keras.layers.Dense(6)(pooled))

    source = keras_reprogram.sources.JoinedSource(
        [classifier(8), classifier(16)]
    )
    source.output_shape  # (None, 12)
    model = keras_reprogram.ReprogrammedModel(source)
    ```

    Args:
        sources: List of two or more `keras.Model`s, each as for
            `ReprogrammedModel`, with one output for a sample. A model may
            occur twice, for two inputs.
        name: String. The name of the model. Defaults to `None`.
        trainable: Boolean. As of `keras.Model`. Defaults to `True`.

    Call arguments:
        inputs: List of the inputs of the sources.

    Returns:
        A tensor `(batch, features)`, of float32 at least.

    Raises:
        ValueError: If there are less than two sources, or one has several
            outputs for a sample.
    """

    def __init__(
        self,
        sources: Sequence[keras.Model],
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        specifications = [inspect_source(each) for each in checked(sources)]
        inputs, features = [], []
        for index, (source, specification) in enumerate(
            zip(sources, specifications)
        ):
            check_one_output(source, specification)
            part = named_part(source, f"part_{index}")
            tensors = inputs_like(part.input, f"_of_{part.name}")
            outputs = part(tensors)
            if (
                not specification.from_logits
                or full_dtype(outputs.dtype) != outputs.dtype
            ):
                outputs = OutputFeatures(specification.activation)(outputs)
            inputs.append(tensors)
            features.append(outputs)
        super().__init__(
            inputs,
            ops.concatenate(features, axis=-1),
            name=name,
            trainable=boolean("trainable", trainable),
        )
        self.sources = list(sources)

    @property
    def specification(self) -> SourceSpecification:
        """What `inspect_source` returns."""
        return SourceSpecification(
            accepted_shape=(),
            preferred_shape=(),
            num_classes=self.outputs[0].shape[-1],
            activation="linear",
            block_sizes=block_sizes(self),
            parts=tuple(map(inspect_source, self.sources)),
        )

    def get_config(self) -> dict[str, Any]:
        distinct = list({id(each): each for each in self.sources}.values())
        shared = find_shared_layers(distinct)
        several = {
            id(layer)
            for each in shared
            for layer, _ in layers_of(distinct[each.source])
        }
        positions = {id(each): index for index, each in enumerate(distinct)}
        configs = [keras.saving.serialize_keras_object(it) for it in distinct]
        return {
            "sources": without_references(configs, several),
            "order": [positions[id(each)] for each in self.sources],
            "shared": [list(each) for each in shared],
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
    ) -> "JoinedSource":
        distinct = [
            keras.saving.deserialize_keras_object(
                each, custom_objects=custom_objects
            )
            for each in config["sources"]
        ]
        shared = [
            SharedLayer(source, as_path(path), owner, as_path(owner_path))
            for source, path, owner, owner_path in config["shared"]
        ]
        distinct = with_shared_layers(distinct, shared)
        sources = [distinct[index] for index in config["order"]]
        trainable = config.get("trainable", True)
        return cls(sources, config["name"], trainable)


def as_path(items: Sequence[Sequence[Any]]) -> tuple[tuple[str, int], ...]:
    """Returns a path that JSON holds as lists."""
    return tuple((name, number) for name, number in items)


def joined_source(
    source: keras.Model | Sequence[keras.Model],
) -> keras.Model:
    """Returns the source that a list stands for, or it itself."""
    if not isinstance(source, (list, tuple)):
        return source
    return source[0] if len(source) == 1 else JoinedSource(source)


def parts_of(source: keras.Model) -> list[keras.Model]:
    """Returns the sources that are joined; the source itself if none are."""
    return source.sources if isinstance(source, JoinedSource) else [source]


def checked(sources: Sequence[keras.Model]) -> Sequence[keras.Model]:
    if not isinstance(sources, (list, tuple)) or len(sources) < 2:
        raise ValueError(
            "`sources` must be a list of two or more `keras.Model`s. Received: "
            f"sources={sources!r}"
        )
    for source in sources:
        if isinstance(source, JoinedSource):
            raise ValueError(
                "A joined source is no part of another one: pass all sources "
                f"in one list. Received: a list with {source.name}"
            )
    return sources


def check_one_output(
    source: keras.Model, specification: SourceSpecification
) -> None:
    if specification.num_position_axes:
        raise ValueError(
            "The parts of a joined source return one output for a sample, of "
            "shape (batch, features): pool over positions first, with "
            "`keras.layers.GlobalAveragePooling1D` or `TextSource(..., "
            'pooling="mean")\'. Received: a source '
            f"{source.name} with outputs of shape {source.outputs[0].shape}"
        )


def named_part(source: keras.Model, name: str) -> keras.Model:
    """Returns a model that calls a source, and whose name no other part has.

    It takes one tensor wherever the source takes only one, in a dictionary
    or list say.
    """
    inputs = inputs_like(graph_of(source).input)
    (outputs, *_) = keras.tree.flatten(source(inputs))
    tensors = keras.tree.flatten(inputs)
    return keras.Model(
        tensors[0] if len(tensors) == 1 else inputs, outputs, name=name
    )
