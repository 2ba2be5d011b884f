"""The input transformation that averages outputs over views of a sample."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import TypeAlias

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import optional
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.joined_transformation import JoinedTransformation
from keras_reprogram.inputs.joined_transformation import joined_transformation
from keras_reprogram.probabilities import full_precision
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.resolvable import serialized
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import gathered

# Which of height and width a flip reverses.
FLIPS = {
    "identity": (),
    "horizontal": (1,),
    "vertical": (0,),
    "both": (0, 1),
}
TURNS = {"turn_90": 1, "turn_180": 2, "turn_270": 3}
MOST_VIEWS = 100

# A flip or a turn by name, or the shifts down and to the right.
View: TypeAlias = str | Sequence[float]


@serializable
class AveragedViews(InputTransformation):
    """Averages the source's outputs over several views of each sample.

    With `v_1, ..., v_V` the views, `t` an input transformation and `f` the
    source,

    ```
    outputs = 1 / V * sum_i f(t(v_i(x)))
    ```

    Views are flips, turns and shifts after which a sample has the same label:
    a cell under a microscope has no up and down, a digit has. The source
    computes `V` inputs for each sample, in training as well as in prediction,
    and needs as much more time and memory.

    Example:

    ```python
    transformation = keras_reprogram.inputs.AveragedViews(
        keras_reprogram.InputReprogrammer((28, 28, 1), (64, 64, 3)),
        views=["identity", "horizontal", (0.1, 0.0), (-0.1, 0.0)],
    )
    transformation(np.zeros((2, 28, 28, 1), "uint8")).shape  # (8, 64, 64, 3)
    ```

    Args:
        transformation: An `InputTransformation` of images, with two spatial
            axes, or a `JoinedTransformation` of several.
        views: List of the views. A string is one of `"identity"`,
            `"horizontal"` for left and right exchanged, `"vertical"` for top
            and bottom, `"both"`, or a turn of a square image by name:
            `"turn_90"` (counterclockwise), `"turn_180"`, `"turn_270"`. A pair
            of numbers shifts the sample down and to the right, by shares of
            its height and width, and repeats its edge. Defaults to
            `("identity", "horizontal")`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: A batch of samples.
        training: Boolean. Passed on to the transformation. Defaults to
            `None`.

    Returns:
        What the transformation returns for all views, one view after the
        other along the batch axis.

    Raises:
        ValueError: If a view is none of these, or the samples are no images.
    """

    program_objects = {"transformation": InputTransformation}
    program_strings = {"views": (*FLIPS, *TURNS)}

    def __init__(
        self,
        transformation: InputTransformation | dict[str, Any],
        views: Sequence[View] = ("identity", "horizontal"),
        **kwargs: Any,
    ) -> None:
        # Without autocast, samples reach the transformation as they are.
        super().__init__(**{"autocast": False, **kwargs})
        self.transformation = checked_transformation(transformation)
        self.views = checked_views(views)
        self.sample_dtype = self.transformation.sample_dtype
        self.missing_values = self.transformation.missing_values

    # === The source ===

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        self.transformation.resolve(specification, source)
        self.check_sample_shape(self.sample_shape)

    def for_each_source(self) -> list[InputTransformation]:
        parts = self.transformation.for_each_source()
        if parts == [self.transformation]:
            return [self]
        return [AveragedViews(part, self.views) for part in parts]

    @property
    def inputs_per_sample(self) -> int:
        return len(self.views) * self.transformation.inputs_per_sample

    @property
    def sample_shape(self) -> Shape:
        return self.transformation.sample_shape

    @property
    def uses_source(self) -> bool:
        return self.transformation.uses_source

    # === Samples ===

    @property
    def augmentations(self) -> list[keras.layers.Layer]:
        return self.transformation.augmentations

    def merge(self, samples: dict[str, Tensor]) -> Tensor:
        return self.transformation.merge(samples)

    def hint(self, samples: object) -> str:
        return self.transformation.hint(samples)

    def check_sample_shape(self, shape: Shape) -> None:
        self.transformation.check_sample_shape(shape)
        sizes = self.axes.spatial_shape(shape)
        if len(sizes) != 2 or self.sample_dtype is not None:
            raise ValueError(
                "Views are flips, turns and shifts of images, samples of a "
                "height and a width. Received: samples of shape "
                f"{shape} for a {type(self.transformation).__name__}"
            )
        turned = {"turn_90", "turn_270"} & set(self.views)
        known = known_sizes(sizes)
        if turned and (known is None or known[0] != known[1]):
            raise ValueError(
                "Only square images of a known size keep their shape when "
                f"they are turned: pass `target_shape`. Received: {turned} of "
                f"samples of shape {shape}"
            )

    def check_values(self, samples: np.ndarray) -> None:
        self.transformation.check_values(samples)

    def valid(self, samples: Tensor) -> Tensor | None:
        return self.transformation.valid(samples)

    @property
    def valid_values(self) -> str:
        return self.transformation.valid_values

    # === The layer ===

    @property
    def axes(self) -> Axes:
        """The spatial and channel axes of a sample."""
        (layer, *_) = self.transformation.for_each_source()
        default = keras.config.image_data_format()
        return Axes(
            len(self.sample_shape), getattr(layer, "data_format", default)
        )

    def build(self, input_shape: Shape) -> None:
        self.check_sample_shape(tuple(input_shape[1:]))
        if not self.transformation.built:
            self.transformation.build((None, *input_shape[1:]))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        views = [self._view_of(inputs, view) for view in self.views]
        return self.transformation(
            ops.concatenate(views, axis=0), training=training
        )

    def _view_of(self, samples: Tensor, view: View) -> Tensor:
        """Returns a batch of samples as a view shows them."""
        height, width = (axis + 1 for axis in self.axes.spatial)
        if not isinstance(view, str):
            # The sizes of a tensor are tensors themselves in some exports.
            sizes = self.axes.spatial_shape(self.sample_shape)
            for axis, share, size in zip((height, width), view, sizes):
                samples = shifted(samples, axis, share, size)
            return samples
        if view in FLIPS:
            flipped = [(height, width)[index] for index in FLIPS[view]]
            return ops.flip(samples, flipped) if flipped else samples
        for _ in range(TURNS[view]):
            samples = ops.flip(ops.swapaxes(samples, height, width), height)
        return samples

    def compute_output_spec(
        self, inputs: Tensor, training: bool = False
    ) -> Any:
        batch, *shape = inputs.shape
        rows = None if batch is None else batch * len(self.views)
        return self.transformation.compute_output_spec(
            keras.KerasTensor((rows, *shape), inputs.dtype), training=training
        )

    def select_outputs(self, outputs: Tensor, samples: Tensor) -> Tensor:
        shape = ops.shape(outputs)[1:]
        outputs = ops.reshape(
            full_precision(outputs), (len(self.views), -1, *shape)
        )
        outputs = ops.mean(outputs, axis=0)
        return self.transformation.select_outputs(outputs, samples)

    def describe_outputs(
        self, specification: SourceSpecification
    ) -> SourceSpecification:
        return self.transformation.describe_outputs(specification)

    # === Training and inference ===

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        return self.transformation.training_callbacks()

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        with self.transformation.inference():
            yield

    @contextlib.contextmanager
    def same_samples(self) -> Iterator[None]:
        with self.transformation.same_samples():
            yield

    # === Saving ===

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "transformation": keras.saving.serialize_keras_object(
                self.transformation
            ),
            "views": [
                view if isinstance(view, str) else list(view)
                for view in self.views
            ],
        }

    def resolved_config(self) -> dict[str, Any]:
        return {
            **super().resolved_config(),
            "transformation": serialized(self.transformation),
        }

    def get_build_config(self) -> dict[str, Any] | None:
        # What is resolved by a source is built by the model.
        parts = self.transformation.for_each_source()
        configs = [each.get_build_config() for each in parts]
        return None if None in configs else super().get_build_config()

    @property
    def expected_inputs(self) -> Shape | None:
        return self.transformation.expected_inputs

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        return self.transformation.expected_variables(specification)

    def expected_outputs(self, outputs_shape: Shape) -> Shape:
        return self.transformation.expected_outputs(outputs_shape)

    def check_variables(self) -> None:
        self.transformation.check_variables()


def shifted(
    samples: Tensor, axis: int, share: float, length: int | None
) -> Tensor:
    """Returns samples shifted along an axis by a share of their length.

    Args:
        samples: Tensor. A batch of samples.
        axis: Integer.
        share: Float.
        length: Integer. Their length along the axis, `None` if it is unknown.
    """
    if length is None:
        length = ops.shape(samples)[axis]
        steps = ops.round(ops.cast(length, "float32") * share)
        indices = ops.arange(length) - ops.cast(steps, "int32")
        indices = ops.clip(indices, 0, length - 1)
        moved = gathered(ops.swapaxes(samples, axis, -1), indices)
        return ops.swapaxes(moved, axis, -1)
    steps = round(length * share)
    count = min(abs(steps), length - 1)
    if not count:
        return samples

    def rows(start: int, stop: int) -> Tensor:
        return samples[(slice(None),) * axis + (slice(start, stop),)]

    # Every export has slices; few have lookups along any axis.
    repeats = [1] * len(samples.shape)
    repeats[axis] = count
    if steps > 0:
        parts = [ops.tile(rows(0, 1), repeats), rows(0, length - count)]
    else:
        last = rows(length - 1, length)
        parts = [rows(count, length), ops.tile(last, repeats)]
    return ops.concatenate(parts, axis=axis)


def checked_transformation(
    transformation: InputTransformation | dict[str, Any],
) -> InputTransformation:
    layer = optional(
        "transformation",
        transformation,
        InputTransformation,
        "an `InputTransformation` of images, such as an `InputReprogrammer`",
    )
    if layer is None or layer.inputs_per_sample != 1:
        raise ValueError(
            "`transformation` must be an `InputTransformation` of images that "
            "makes one input of a sample; pass all `views` at once. Received: "
            f"transformation={transformation!r}"
        )
    return layer


def checked_views(views: Sequence[View]) -> tuple[View, ...]:
    """Returns names as they are, and shifts as pairs of floats."""
    if not isinstance(views, (list, tuple)) or not 0 < len(views) <= MOST_VIEWS:
        raise ValueError(
            f"`views` must be a list of 1 to {MOST_VIEWS} views. Received: "
            f"views={views!r}"
        )
    found: list[View] = []
    for view in views:
        if isinstance(view, (list, tuple)) and len(view) == 2:
            shares = (number("views", share, -1.0, 1.0) for share in view)
            found.append(tuple(shares))
        elif isinstance(view, str) and (view in FLIPS or view in TURNS):
            found.append(view)
        else:
            raise ValueError(
                f"A view is one of {[*FLIPS, *TURNS]}, or two numbers, the "
                "shares of its height and width by which a sample is shifted. "
                f"Received: views={views!r}"
            )
    if any(view in found[:index] for index, view in enumerate(found)):
        raise ValueError(
            f"`views` must differ from each other. Received: views={views!r}"
        )
    return tuple(found)


def with_views_outside(
    transformations: Sequence[InputTransformation],
) -> InputTransformation:
    """Returns the transformation that `for_each_source` returned in parts."""
    averaged = [it for it in transformations if isinstance(it, AveragedViews)]
    if len(transformations) == 1 or not averaged:
        return joined_transformation(transformations)
    views = averaged[0].views
    if len(averaged) < len(transformations) or any(
        each.views != views for each in averaged
    ):
        raise ValueError(
            "The transformations of several sources have the same views. "
            f"Received: views={[each.views for each in averaged]}"
        )
    return AveragedViews(
        JoinedTransformation([each.transformation for each in averaged]), views
    )
