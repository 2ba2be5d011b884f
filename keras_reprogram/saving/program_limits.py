"""What building a program file's ends would take, known before it is built.

The shapes of all variables follow from the configuration and the source. A
file whose own variables have other shapes is refused, so that what is built
is never larger than what the file holds.
"""

import contextlib
import math
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_reprogram import inputs
from keras_reprogram import outputs
from keras_reprogram.inputs.images import coordinator
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.outputs.label_mapper import LARGEST_MAP
from keras_reprogram.outputs.mappings.selection import check_capacity
from keras_reprogram.saving.program_archive import LARGEST_SAMPLE
from keras_reprogram.saving.program_archive import check_size
from keras_reprogram.sources.specification import SourceSpecification

Shape = tuple[int, ...]

# Numbers of what is computed while a program is built, and is no variable.
LARGEST_STATISTICS = 2**25
LARGEST_PLACES = 2**24
LARGEST_WEIGHTS = 2**24
MOST_PRODUCTS = 2**33
MOST_COPIES = 2**20
LONGEST_SEQUENCE = 2**17
# A pattern of no more than so many numbers is counted as it is built.
SMALL = 2**18
# Placements whose variables a placement around them would not own.
NESTED = (inputs.Resize, inputs.Pad, inputs.Tile, inputs.ChannelConcatenation)
INTEGER, FLOAT = "int32", "float"


class Expected(list):
    """Shapes of variables to be built, with the kind of their numbers."""

    def add(self, *shapes: Shape, dtype: str = FLOAT) -> "Expected":
        self.extend((tuple(shape), dtype) for shape in shapes)
        return self


class StoredMapping(outputs.Mapping):
    """Stands for a mapping while its map is built, whose values are stored.

    Args:
        mapping: The mapping, which is not solved.
        num_selected: Source classes of a target class, or `None` for a matrix.
        matrix: The matrix, where `num_selected` is `None`.
    """

    def __init__(
        self,
        mapping: outputs.Mapping,
        num_selected: int | None,
        matrix: np.ndarray | None,
    ) -> None:
        self.mapping = mapping
        self.update_every = mapping.update_every
        self.stored_num_selected = num_selected
        self.stored = matrix

    @property
    def trainable(self) -> bool:
        return self.mapping.trainable

    @property
    def has_bias(self) -> bool:
        return self.mapping.has_bias

    @property
    def needs_data(self) -> bool:
        # Indices start as zeros, a matrix as `solve` returns it.
        return self.stored_num_selected is not None

    def solve(
        self, batches: Any, shape: outputs.MapShape
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.stored, np.zeros(shape.num_classes)

    def num_selected(self, sources_per_target: int) -> int | None:
        return self.stored_num_selected


def check(
    ends: dict[str, Any],
    specification: SourceSpecification,
    outputs_shape: tuple[int | None, ...],
    declared: list[dict[str, Any]],
) -> None:
    """Raises unless building the ends takes what the file declares.

    Args:
        ends: Both ends, not yet built.
        specification: That of their source.
        outputs_shape: Shape of the source's output, with the batch axis.
        declared: Shape and dtype of the file's variables.

    Raises:
        Exception: Of any kind, where the file is not a valid program.
    """
    found = [
        (
            tuple(variable["shape"]),
            INTEGER if variable["dtype"] == INTEGER else FLOAT,
        )
        for variable in declared
    ]
    input_transformation, output_mapping = (
        ends["input_reprogrammer"],
        ends["label_mapper"],
    )
    of_inputs = INPUTS[type(input_transformation)](
        input_transformation, specification, found
    )
    split = len(of_inputs)
    same("input's", of_inputs, found[:split])
    aligned = aligned_shape(input_transformation, outputs_shape)
    output_mapping.resolve(specification)
    of_labels = LABELS[type(output_mapping)](
        output_mapping, specification, aligned
    )
    if isinstance(output_mapping, outputs.ForecastHead):
        # Version 0.1.0 had no scale.
        of_labels = of_labels[: max(2, len(found) - split)]
    same("label map's", of_labels, found[split:])


def same(whose: str, expected: list, found: list) -> None:
    if sorted(expected) != sorted(found):
        wanted, given = (
            ", ".join(f"{dtype} {list(shape)}" for shape, dtype in each)
            for each in (expected, found)
        )
        raise ValueError(
            f"the {whose} variables should be {wanted or 'none'}, not "
            f"{given or 'none'}"
        )


@contextlib.contextmanager
def as_stored(
    ends: dict[str, Any], matrix: np.ndarray | None
) -> Iterator[None]:
    """Builds without a start, whose values are stored.

    Neither is a map solved nor an initializer of the file's run.

    Args:
        ends: Both ends.
        matrix: That of the label map, if it has one.
    """
    input_transformation, output_mapping = (
        ends["input_reprogrammer"],
        ends["label_mapper"],
    )
    parts = [
        part
        for part in (
            getattr(input_transformation, "placement", None),
            getattr(input_transformation, "pattern", None),
        )
        if hasattr(part, "initializer")
    ]
    initializers = [part.initializer for part in parts]
    mapping = getattr(output_mapping, "mapping", None)
    for part in parts:
        part.initializer = keras.initializers.Zeros()
    if mapping is not None:
        num_selected = mapping.num_selected(output_mapping.sources_per_target)
        output_mapping.mapping = StoredMapping(mapping, num_selected, matrix)
    try:
        yield
    finally:
        for part, initializer in zip(parts, initializers):
            part.initializer = initializer
        if mapping is not None:
            output_mapping.mapping = mapping


def check_indices(model: Any) -> None:
    """Raises if a variable numbers what the source does not have."""
    mapper = model.label_mapper
    sources = getattr(mapper, "sources", None)
    if sources is not None:
        check_numbers("source classes", sources, mapper.map_shape.num_sources)
    mapping = getattr(model.input_reprogrammer, "mapping", None)
    if isinstance(mapping, inputs.SparseCombination):
        size = mapping.source_embeddings.size
        check_numbers("source tokens", mapping.chosen, size)


def check_numbers(whats: str, numbers: Any, size: int) -> None:
    if isinstance(numbers, keras.Variable):
        numbers = keras.ops.convert_to_numpy(numbers.value)
    numbers = np.asarray(numbers, "int64")
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < size:
        raise ValueError(
            f"The numbers of {whats} must lie between 0 and {size - 1}. "
            f"Received: numbers from {numbers.min()} to {numbers.max()}"
        )


# === Inputs on a canvas ===


def of_canvas(
    end: inputs.InputReprogrammer,
    specification: SourceSpecification,
    found: list,
) -> Expected:
    canvas = end.source_shape or specification.preferred_shape
    if None in canvas:
        raise ValueError("there is no `source_shape`")
    axes = Axes(len(canvas), end.data_format)
    if None in specification.accepted_shape:
        check_size(canvas, LARGEST_SAMPLE)
    samples = end.target_shape or (None,) * len(canvas)
    placement, pattern = end.placement, end.pattern
    expected = Expected()
    end.placement.check(samples, canvas, axes)
    if type(placement) is inputs.TokenPatches:
        size, channels = placement.patch_size, axes.channels(canvas)
        expected.add((placement.vocabulary_size, size, size, channels))
        # Building it would create them.
        data_mask = np.ones(axes.spatial_shape(canvas), bool)
        if isinstance(pattern, inputs.UniversalPattern):
            margins = placement.margins(canvas, axes)
            for axis, (low, high) in enumerate(margins):
                edge = np.moveaxis(data_mask, axis, 0)
                edge[:low] = False
                edge[len(edge) - high :] = False
    else:
        check_placement(placement, samples, canvas, axes)
        if type(placement) is inputs.ScaledPad:
            expected.add(())
        data_mask = placement.data_mask(samples, canvas, axes)
    if pattern is None:
        return expected
    return expected.add(
        *PATTERNS[type(pattern)](
            pattern, canvas, axes, data_mask, specification, found
        )
    )


def check_placement(
    placement: inputs.Placement, samples: Shape, canvas: Shape, axes: Axes
) -> None:
    if type(placement) is inputs.ChannelConcatenation:
        if not isinstance(placement.placement, NESTED):
            raise ValueError("`ChannelConcatenation` takes no such placement")
        samples = placement.long_shape(samples, axes)
        check_placement(placement.placement, samples, canvas, axes)
    if type(placement) is inputs.Tile:
        copies = placement.layout(samples, canvas, axes)[0]
        if copies > MOST_COPIES:
            raise ValueError(f"there are more than {MOST_COPIES} copies")


def of_universal(
    pattern: inputs.UniversalPattern,
    canvas: Shape,
    axes: Axes,
    data_mask: np.ndarray,
    specification: SourceSpecification,
    found: list,
) -> list[Shape]:
    mask = pattern.region.mask(data_mask)
    if axes.channel is not None:
        mask = np.expand_dims(mask, axes.channel)
    free = np.broadcast_to(mask, canvas)
    if pattern.basis is None:
        count = int(np.count_nonzero(mask)) * (free.size // mask.size)
        if count < free.size and None in specification.accepted_shape:
            check_size((count,), LARGEST_PLACES)
        return [(count,)]
    if isinstance(pattern.basis, inputs.Grid):
        check_grid(pattern.basis.grid_shape(canvas, axes), canvas, axes)
    dimension = pattern.basis.dimension(canvas, axes)
    check_size((dimension,), LARGEST_SAMPLE)
    if dimension <= SMALL:
        # The only variable but for the placement's one number.
        lengths = [shape for shape, _ in found if len(shape) == 1]
        if lengths and 0 <= lengths[0][0] <= dimension:
            return [lengths[0]]
    return [(int(pattern.basis.active_coefficients(free, axes).sum()),)]


def check_grid(cells: Shape, canvas: Shape, axes: Axes) -> None:
    for axis in axes.spatial:
        if (
            cells[axis] * canvas[axis] > LARGEST_WEIGHTS
            or cells[axis] * math.prod(canvas) > MOST_PRODUCTS
        ):
            raise ValueError(
                f"a grid of {cells[axis]} cells along {canvas[axis]} values "
                "is too fine"
            )


def of_random_patch(
    pattern: inputs.RandomPatchPattern,
    canvas: Shape,
    axes: Axes,
    *_: Any,
) -> list[Shape]:
    return [axes.with_spatial(canvas, (pattern.size,) * len(axes.spatial))]


def image_shape(canvas: Shape, axes: Axes) -> Shape:
    if len(axes.spatial) != 2 or axes.channel is None:
        raise ValueError("a pattern of images has another canvas")
    return (*axes.spatial_shape(canvas), axes.channels(canvas))


def of_sample_masks(
    pattern: inputs.SampleMaskedPattern, canvas: Shape, axes: Axes, *_: Any
) -> list[Shape]:
    shape = image_shape(canvas, axes)
    shapes, channels = [shape], shape[-1]
    for filters in pattern.filters:
        shapes += [(3, 3, channels, filters), *[(filters,)] * 5]
        channels = filters
    return [*shapes, (3, 3, channels, shape[-1]), (shape[-1],)]


def of_convolution(
    pattern: inputs.ConvolutionPattern, canvas: Shape, axes: Axes, *_: Any
) -> list[Shape]:
    channels = image_shape(canvas, axes)[-1]
    size = pattern.kernel_size
    return [(size, size, channels, channels), (channels,)]


def of_coordinator(
    pattern: inputs.CoordinatorPattern,
    canvas: Shape,
    axes: Axes,
    data_mask: np.ndarray,
    specification: SourceSpecification,
    found: list,
) -> list[Shape]:
    *sizes, output = image_shape(canvas, axes)
    rows, columns = (-(-size // coordinator.STRIDE) for size in sizes)
    features = specification.num_classes
    step = coordinator.SMALLEST_DEPTH
    depth = step * (features // (rows * columns * step) + 1)
    shapes: list[Shape] = [(rows * columns * depth - features,)]
    channels = depth
    for widened, filters in zip(
        (max(64, depth), *coordinator.WIDENED), coordinator.FILTERS
    ):
        shapes += [
            (2, 2, channels, widened // channels),
            (widened,),
            (1, 1, widened, filters),
            *[(filters,)] * 4,
        ]
        channels = filters
    return [*shapes, (2, 2, output, channels)]


PATTERNS: dict[type, Callable[..., list[Shape]]] = {
    inputs.ConvolutionPattern: of_convolution,
    inputs.CoordinatorPattern: of_coordinator,
    inputs.RandomPatchPattern: of_random_patch,
    inputs.SampleMaskedPattern: of_sample_masks,
    inputs.UniversalPattern: of_universal,
}


# === Inputs of embeddings ===


def embeddings_shape(specification: SourceSpecification) -> tuple[int, int]:
    if specification.embeddings is None:
        raise ValueError(
            "the program needs a source that takes embeddings, and this one "
            f"takes {specification.accepted_shape}"
        )
    vocabulary, width = specification.embeddings.shape
    return int(vocabulary), int(width)


def num_candidates(candidates: int | list[int], vocabulary: int) -> int:
    if isinstance(candidates, int):
        return min(candidates, vocabulary)
    check_numbers("source tokens", candidates, vocabulary)
    return len(candidates)


def of_tokens(
    end: inputs.TokenReprogrammer,
    specification: SourceSpecification,
    found: list,
) -> Expected:
    vocabulary, width = embeddings_shape(specification)
    if (end.target_length or 1) + end.added_length > LONGEST_SEQUENCE:
        raise ValueError(f"a sequence has more than {LONGEST_SEQUENCE} steps")
    expected = Expected()
    for prompt in end.prompts:
        if type(prompt) is not inputs.SoftPrompt:
            raise ValueError("the layout holds what is no prompt")
        expected.add(*of_prompt(prompt, vocabulary, width))
    mapping, targets = end.mapping, end.mapping.vocabulary_size
    if isinstance(mapping, inputs.FreeEmbeddings):
        expected.add((targets, width))
    elif isinstance(mapping, inputs.DenseCombination):
        expected.add((targets, num_candidates(mapping.candidates, vocabulary)))
    elif isinstance(mapping, inputs.TokenRemapping):
        count = num_candidates(mapping.candidates, vocabulary)
        expected.add((mapping.context, targets, count))
    elif isinstance(mapping, inputs.SparseCombination):
        expected.add((targets, mapping.nonzeros))
        expected.add((targets, mapping.nonzeros), dtype=INTEGER)
        if mapping.refit_every is not None:
            expected.add((targets, width))
    elif type(mapping) is not inputs.SourceTokens:
        raise ValueError(f"no program holds a {type(mapping).__name__}")
    return expected


def of_prompt(
    prompt: inputs.SoftPrompt, vocabulary: int, width: int
) -> list[Shape]:
    check_numbers("source tokens", prompt.token_ids or [], vocabulary)
    pieces = 2 if isinstance(prompt, inputs.StatisticsPrompt) else 1
    return [(prompt.length, width)] * pieces


def of_series(
    end: inputs.SeriesReprogrammer,
    specification: SourceSpecification,
    found: list,
) -> Expected:
    vocabulary, width = embeddings_shape(specification)
    check_size((end.num_patches, end.patch_length), LARGEST_SAMPLE)
    if end.prefix_length + end.num_patches > LONGEST_SEQUENCE:
        raise ValueError(f"a sequence has more than {LONGEST_SEQUENCE} steps")
    check_numbers("source tokens", end.prompt_tokens or [], vocabulary)
    prototypes = end.prototypes
    count, words = prototypes.prototypes, vocabulary
    if prototypes.candidates is not None:
        words = num_candidates(prototypes.candidates, vocabulary)
    size = prototypes.head_width
    size = size or max(1, end.patch_width // prototypes.heads)
    inner = prototypes.heads * size
    expected = Expected().add(
        (end.patch_length, end.patch_width),
        (end.patch_width,),
        (count, words),
        (count, 1),
        (end.patch_width, inner),
        (width, inner),
        (width, inner),
        (inner, width),
        (inner,),
        (width,),
        (),
        (count, 2 * inner),
    )
    expected.add((), dtype=INTEGER)
    if end.statistics:
        expected.add(*of_prompt(end.statistics, vocabulary, width))
    return expected


INPUTS: dict[type, Callable[..., Expected]] = {
    inputs.InputReprogrammer: of_canvas,
    inputs.SeriesReprogrammer: of_series,
    inputs.TokenReprogrammer: of_tokens,
}


# === Labels ===


def aligned_shape(
    end: inputs.InputTransformation, outputs_shape: tuple[int | None, ...]
) -> tuple[int | None, ...]:
    """The source's outputs as the label's end is called with them."""
    if not isinstance(end, inputs.SeriesReprogrammer):
        return outputs_shape
    steps = () if len(outputs_shape) == 2 else (end.num_patches,)
    return (None, end.target_shape[1], *steps, outputs_shape[-1])


def of_label_map(
    end: outputs.LabelMapper,
    specification: SourceSpecification,
    aligned: tuple[int | None, ...],
) -> Expected:
    sources = end.reading.num_classes
    targets, mapping = end.num_classes, end.mapping
    check_size((sources, targets), LARGEST_MAP)
    check_mapping(mapping, sources, targets, end.sources_per_target)
    num_selected = mapping.num_selected(end.sources_per_target)
    if mapping.update_every is not None:
        # Beside a matrix of the file's own, or by themselves.
        factor = 2 if num_selected is None else 1
        check_size((sources, targets), factor * LARGEST_STATISTICS)
    expected = Expected()
    if num_selected is None:
        expected.add((sources, targets))
    else:
        expected.add((targets, num_selected), dtype=INTEGER)
    if mapping.has_bias:
        expected.add((targets,))
    return expected


def check_mapping(
    mapping: outputs.Mapping, sources: int, targets: int, num_selected: int
) -> None:
    """Raises where solving the map would, without solving it."""
    if isinstance(mapping, outputs.LinearMapping):
        if not mapping.is_regression:
            check_mapping(mapping.initial, sources, targets, num_selected)
    elif isinstance(mapping, outputs.FixedMapping):
        if mapping.groups is not None:
            check_groups(mapping.groups, sources, targets)
        elif np.shape(mapping.matrix) != (sources, targets):
            raise ValueError(
                f"the map is not a matrix of shape {(sources, targets)}"
            )
    elif isinstance(mapping, outputs.AttributeMapping):
        for kind in mapping.kinds:
            check_groups(kind, sources, targets)
    elif not isinstance(mapping, outputs.BayesianMapping):
        check_capacity(sources, targets, num_selected)
    centroids = getattr(mapping, "source_centroids", None)
    if centroids is not None and len(centroids) != sources:
        raise ValueError(
            f"there are {len(centroids)} centroids of {sources} source classes"
        )


def check_groups(groups: list[list[int]], sources: int, targets: int) -> None:
    if len(groups) != targets or not all(
        group and 0 <= min(group) <= max(group) < sources for group in groups
    ):
        raise ValueError(
            f"every one of the {targets} target classes needs source classes "
            f"between 0 and {sources - 1}"
        )


def of_regression(
    end: outputs.RegressionHead,
    specification: SourceSpecification,
    aligned: tuple[int | None, ...],
) -> Expected:
    features, targets = specification.num_classes, end.num_outputs
    return Expected().add(
        (features, targets),
        (targets,),
        (targets,),
        (targets,),
        (features,),
        (features,),
    )


def of_forecast(
    end: outputs.ForecastHead,
    specification: SourceSpecification,
    aligned: tuple[int | None, ...],
) -> Expected:
    if len(aligned) < 3 or None in aligned[1:]:
        raise ValueError(
            "a forecast needs outputs of shape (batch, channels, ...), not "
            f"{aligned}"
        )
    features = math.prod(aligned[2:])
    return Expected().add(
        (features, end.horizon), (end.horizon,), (aligned[1],)
    )


LABELS: dict[type, Callable[..., Expected]] = {
    outputs.ForecastHead: of_forecast,
    outputs.LabelMapper: of_label_map,
    outputs.RegressionHead: of_regression,
}
