"""What a candidate may read: a source, at one size of its input."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeAlias

import keras

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs.averaged_views import AveragedViews
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.sources.features import features
from keras_reprogram.sources.features import with_scaling_of
from keras_reprogram.sources.inspection import channels_first
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.sources.joined_source import JoinedSource
from keras_reprogram.sources.output_blocks import block_sizes
from keras_reprogram.sources.output_features import OutputFeatures
from keras_reprogram.sources.stage_features import stage_features
from keras_reprogram.typing import FixedShape

Source: TypeAlias = keras.Model | tuple[keras.Model, InputTransformation]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A source whose outputs are features, and what is in front of it.

    Args:
        name: String. Name of the source, with the size of its input if there
            are several.
        source: `keras.Model`.
        transformation: `InputTransformation` without trained weights, not yet
            resolved.
        origin: Integer. Index of the pretrained model among the sources.
        canvas: Integer. Size of the input, `None` if there is one size.
        views: Tuple of the views of a sample over which features are averaged.
            Defaults to `()`, the sample itself.
    """

    name: str
    source: keras.Model
    transformation: InputTransformation
    origin: int
    canvas: int | None = None
    views: tuple[Any, ...] = ()

    @property
    def block_sizes(self) -> FixedShape:
        """Sizes of the blocks of its features, such as stages."""
        return block_sizes(self.source)

    def new_transformation(self) -> InputTransformation:
        """Returns an unresolved copy of the transformation, without views."""
        config = self.transformation.get_config()
        copy: InputTransformation = type(self.transformation).from_config(
            config
        )
        return copy

    def new_model(self, num_classes: int) -> ReprogrammedModel:
        """Returns a model of this part alone."""
        transformation = self.new_transformation()
        if self.views:
            transformation = AveragedViews(transformation, self.views)
        model = ReprogrammedModel(
            self.source,
            transformation,
            LabelMapper(num_classes, LinearMapping()),
        )
        if model.input_reprogrammer.trainable_weights:
            raise ValueError(
                "Candidates are compared before anything is trained: pass an "
                "input transformation without trained weights, such as "
                "`InputReprogrammer(pattern=None)`. Received: a "
                f"{type(self.transformation).__name__} with trained weights "
                f"for the source {self.name!r}"
            )
        return model


def parts_of(
    sources: Source | Sequence[Source] | Mapping[str, Source],
    sample_shape: FixedShape,
    canvases: Sequence[int],
    views: Sequence[Any] = (),
    value_range: Sequence[float] | None = (0, 255),
) -> list[Part]:
    """Returns the parts of several sources, without and with views.

    Args:
        sources: As for `recipes.few_samples`.
        sample_shape: Tuple of integers. Shape of a sample.
        canvases: Sequence of integers. Heights and widths of the input, for
            image classifiers that take any.
        views: As for `AveragedViews`. Defaults to `()`.
        value_range: As for `InputReprogrammer`. Defaults to `(0, 255)`.

    Raises:
        ValueError: If there is no source, or one is not valid.
    """
    found: list[Part] = []
    for origin, (name, source) in enumerate(named(sources)):
        if isinstance(source, tuple):
            model, transformation = source
            if transformation.trainable_weights:
                raise ValueError(
                    "Candidates start from an input transformation without "
                    "trained weights, which would be lost: pass one that was "
                    "not built, or the trained `ReprogrammedModel` as a "
                    "source. Received: a built "
                    f"{type(transformation).__name__} for the source {name!r}"
                )
            found.append(Part(name, model, transformation, origin))
            continue
        inspect_source(source)
        for canvas, model in readings(source, canvases):
            shape = inspect_source(model).preferred_shape
            transformation = InputReprogrammer(
                target_shape=sample_shape,
                source_shape=None if None in shape else shape,
                value_range=value_range,
                pattern=None,
            )
            label = name if canvas is None else f"{name} at {canvas}"
            found.append(Part(label, model, transformation, origin, canvas))
    seen = [
        dataclasses.replace(
            part, name=f"{part.name}, views", views=tuple(views)
        )
        for part in found
        if views
    ]
    return [*found, *seen]


def named(
    sources: Source | Sequence[Source] | Mapping[str, Source],
) -> list[tuple[str, Source]]:
    if isinstance(sources, Mapping):
        pairs = [(str(name), source) for name, source in sources.items()]
    elif is_source(sources):
        pairs = [(model_of(sources).name, sources)]
    elif isinstance(sources, (list, tuple)):
        pairs = [(model_of(each).name, each) for each in sources]
    else:
        pairs = [("", sources)]
    for _, source in pairs:
        if isinstance(model_of(source), JoinedSource):
            raise ValueError(
                "Several sources are compared one by one and joined: pass them "
                "as a list or a dictionary. Received: a `JoinedSource`"
            )
        if not is_source(source):
            raise ValueError(
                "`sources` must be a `keras.Model`, a pair of one and an input "
                "transformation, or several of these as a list or a "
                f"dictionary. Received: {type(source).__name__}"
            )
    names = [name for name, _ in pairs]
    if not names:
        raise ValueError(
            "At least one source is needed: pass a `keras.Model`. Received: "
            f"sources={sources!r}"
        )
    if len(set(names)) < len(names):
        pairs = [
            (f"{name} {index + 1}" if names.count(name) > 1 else name, source)
            for index, (name, source) in enumerate(pairs)
        ]
    return pairs


def is_source(source: object) -> bool:
    return isinstance(source, keras.Model) or (
        isinstance(source, tuple)
        and len(source) == 2
        and isinstance(source[0], keras.Model)
        and isinstance(source[1], InputTransformation)
    )


def model_of(source: Any) -> Any:
    model = source[0] if isinstance(source, tuple) and source else source
    return model if isinstance(model, keras.Model) else keras.Model(name="none")


def readings(
    source: keras.Model, canvases: Sequence[int]
) -> list[tuple[int | None, keras.Model]]:
    """Returns models of a source's features, with the sizes of their inputs.

    The features are those of all stages if KerasHub defines them, otherwise
    the inputs of the last layer if that is dense, otherwise the outputs.
    Probabilities are read by their logarithms.
    """
    network = getattr(source, "backbone", source)
    if getattr(network, "pyramid_outputs", None):
        shape = tuple(network.inputs[0].shape[1:])
        first = channels_first(source)
        if shape[1 if first else 0] is not None:
            return [(None, stage_features(source))]
        channels = shape[0 if first else -1]
        return [
            (
                canvas,
                stage_features(
                    source,
                    (channels, canvas, canvas)
                    if first
                    else (canvas, canvas, channels),
                ),
            )
            for canvas in canvases
        ]
    if len(block_sizes(source)) == 1:
        try:
            return [(None, features(source))]
        except ValueError:  # It has no dense layer that is the last one.
            pass
    specification = inspect_source(source)
    if specification.from_logits:
        return [(None, source)]
    outputs = OutputFeatures(specification.activation)(source.outputs[0])
    return [(None, with_scaling_of(source, keras.Model(source.input, outputs)))]
