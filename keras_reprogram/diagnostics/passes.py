"""Passes over samples, one for each source and canvas."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TypeAlias

import keras
import numpy as np

from keras_reprogram.configurable import positive_integers
from keras_reprogram.diagnostics.readouts import with_readouts
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.joined_transformation import joined_transformation
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.models import adaptation
from keras_reprogram.models import batches
from keras_reprogram.models import checks
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.outputs.kernel_regression import unit_norm
from keras_reprogram.probabilities import as_features
from keras_reprogram.progress import Progress
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources.joined_source import joined_source
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Data
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape

Models: TypeAlias = keras.Model | list[keras.Model]
Transformations: TypeAlias = InputTransformation | list[InputTransformation]
Source: TypeAlias = Models | tuple[Models, Transformations]


@dataclasses.dataclass(frozen=True)
class SourcePass:
    """One pass of a source over samples.

    Attributes:
        name: String. The source's name.
        source: `keras.Model`.
        input_shapes: Tuple of shapes. That of the source's input, or of the
            inputs of joined sources.
        input_transformation: An input transformation, or `None` to resize
            samples to the source's input.
    """

    name: str
    source: keras.Model
    input_shapes: tuple[Shape, ...]
    input_transformation: InputTransformation | None = None

    @property
    def canvas(self) -> str:
        """The shapes in a string."""
        return " + ".join(
            "x".join("?" if size is None else str(size) for size in shape)
            for shape in self.input_shapes
        )

    def run(
        self,
        x: Data,
        y: Data,
        readouts: Sequence[str],
        batch_size: int,
        progress: Progress,
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Returns the readouts `[N, D]` by name, and the labels.

        Args:
            x: As for `rank_sources`.
            y: As for `rank_sources`.
            readouts: Sequence of strings.
            batch_size: Integer.
            progress: `Progress`, which is advanced by one for each
                batch.
        """
        model_of_readouts, found = with_readouts(
            self.source, readouts, self.input_shapes[0]
        )
        if not found:
            total = batches.number_of_batches(x, batch_size)
            progress.add(total or 0)
            return {}, np.empty(0)
        model = self.model_of(model_of_readouts, x)
        x, y = checked(model, x, y)
        outputs, labels = [], []
        for _, output, label, _ in adaptation.source_outputs(
            model, x, y, batch_size, None, verbose=0
        ):
            outputs.append(np.asarray(output))
            labels.append(label)
            progress.add(1)
        if not outputs:
            raise ValueError("`x` must hold samples. Received: no batches")
        features = flattened(np.concatenate(outputs))
        if not np.isfinite(features).all():
            raise ValueError(
                "A source must return finite numbers: is its input scaled as "
                "in its training? Received: outputs of "
                f"{self.name!r} that are NaN or infinite"
            )
        arrays, first = {}, 0
        for readout in found:
            size = sum(readout.block_sizes)
            part = features[:, first : first + size]
            if readout.name == "logits":
                activation = inspect_source(self.source).activation
                part = as_features(part, activation, np)
            arrays[readout.name] = scaled_blocks(part, readout.block_sizes)
            first += size
        return arrays, np.concatenate(labels)

    def model_of(self, source: keras.Model, x: Data) -> ReprogrammedModel:
        """Returns a model whose source outputs the readouts."""
        given = self.input_transformation
        if given is None:
            transformation = joined_transformation(
                [
                    InputReprogrammer(
                        target_shape(x, len(shape)), shape, pattern=None
                    )
                    for shape in self.input_shapes
                ]
            )
        else:
            # The given one may be part of another model.
            transformation = type(given).from_config(given.get_config())
        model = ReprogrammedModel(
            source, transformation, RegressionHead(), compile=False
        )
        if given is not None and given.built:
            transformation.set_weights(given.get_weights())
        return model


def planned_passes(
    sources: Mapping[str, Source] | Sequence[Source] | keras.Model,
    canvases: Sequence[int | FixedShape] | None = None,
) -> list[SourcePass]:
    """Returns a pass for each source and canvas.

    Args:
        sources: As for `rank_sources`.
        canvases: As for `rank_sources`.

    Raises:
        ValueError: If there are no sources, or one is not valid.
    """
    passes = []
    for name, item in named(sources).items():
        pair = item if isinstance(item, tuple) else (item, None)
        if len(pair) != 2:
            raise ValueError(
                "A source must be a `keras.Model`, a list of several to join, "
                "or a tuple of either and of an input transformation. "
                f"Received: {name!r}: {item!r}"
            )
        source = joined_source(pair[0])
        parts = specifications_of(source)
        transformation, given = None, [None] * len(parts)
        if pair[1] is not None:
            transformation = joined_transformation(pair[1])
            given = [
                getattr(each, "source_shape", None)
                for each in transformation.for_each_source()
            ]
        choices = [
            tuple(
                shape_of(part, shape, canvas)
                for part, shape in zip(parts, given)
            )
            for canvas in canvases or (None,)
        ]
        # A source of fixed size has one canvas.
        passes += [
            SourcePass(name, source, shapes, transformation)
            for shapes in dict.fromkeys(choices)
        ]
    return passes


def specifications_of(source: keras.Model) -> Sequence[SourceSpecification]:
    """Returns a specification for each part of a source."""
    specification = inspect_source(source)
    return specification.parts or (specification,)


def shape_of(
    source: SourceSpecification,
    given: Shape | None,
    canvas: int | FixedShape | None,
) -> Shape:
    """Returns the shape of a source's input on a canvas."""
    if given is not None:
        return given
    if canvas is None:
        return source.preferred_shape
    return with_sizes(source.accepted_shape, canvas)


def named(
    sources: Mapping[str, Source] | Sequence[Source] | keras.Model,
) -> dict[str, Source]:
    """Returns sources by name; names in a list are those of the models."""
    if isinstance(sources, keras.Model):
        sources = [sources]
    if not sources or not isinstance(sources, (Mapping, list, tuple)):
        raise ValueError(
            "`sources` must be a dictionary or a list of at least one source. "
            f"Received: sources={sources!r}"
        )
    if isinstance(sources, Mapping):
        return dict(sources)
    if isinstance(sources, tuple):
        sources = [sources]
    found: dict[str, Source] = {}
    for item in sources:
        models = item[0] if isinstance(item, tuple) else item
        models = models if isinstance(models, list) else [models]
        name = base = "+".join(getattr(it, "name", str(it)) for it in models)
        number = 1
        while name in found:
            number += 1
            name = f"{base}_{number}"
        found[name] = item
    return found


def with_sizes(shape: Shape, canvas: int | FixedShape) -> Shape:
    """Returns a shape whose unknown sizes are those of a canvas."""
    free = [axis for axis, size in enumerate(shape) if size is None]
    sizes = positive_integers("canvases", canvas, len(free) or None)
    filled = dict(zip(free, sizes))
    return tuple(filled.get(axis, size) for axis, size in enumerate(shape))


def target_shape(x: Data, rank: int) -> Shape | None:
    """Returns the shape of a sample, or `None` if it is not known."""
    x = batches.unwrap_single(x)
    if not batches.is_array(x):
        if not batches.is_reiterable(x):
            return None
        x, _, _ = next(batches.iterate(x, longest=1), (None, None, None))
        if not batches.is_array(x):
            return None
    shape = tuple(x.shape[1:])
    # Images without an axis of channels.
    return (*shape, 1) if len(shape) == rank - 1 == 2 else shape


def checked(model: ReprogrammedModel, x: Data, y: Data) -> tuple[Data, Data]:
    """Returns samples and labels out of their containers, or raises."""
    end = model.input_reprogrammer
    x = checks.array_of_samples(x, end)
    y = checks.array_of_labels(np.asarray(y) if isinstance(y, list) else y)
    checks.check_samples(x, end)
    checks.check_lengths(x, y)
    if batches.is_endless(x):
        raise ValueError(
            "A data set that does not end must be limited, such as by "
            "`dataset.take(10)`. Received: x="
            f"{type(x).__name__} without an end"
        )
    return x, y


def check_repeatable(x: Data, number: int) -> None:
    """Raises if a data set cannot be read for every pass."""
    if number > 1 and not batches.is_reiterable(x):
        raise ValueError(
            f"`x` is read once for each of {number} sources and canvases: pass "
            "arrays, or a data set that can be iterated over again. Received: "
            f"x={type(x).__name__}"
        )


def flattened(outputs: np.ndarray) -> np.ndarray:
    """Returns outputs `[N, S]`, averaged over positions."""
    if outputs.ndim > 2:
        axes = tuple(range(1, outputs.ndim - 1))
        outputs = outputs.mean(axis=axes)
    return outputs.astype("float64")


def scaled_blocks(features: np.ndarray, sizes: FixedShape) -> np.ndarray:
    """Scales blocks of features; centered, each has a mean norm of one."""
    parts = []
    for part in np.split(features, np.cumsum(sizes)[:-1], axis=1):
        parts.append(part * unit_norm(part))
    return np.concatenate(parts, axis=1)
