"""The contract of the layers behind a frozen source."""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_reprogram.configurable import constant
from keras_reprogram.keras_internals import concrete_value
from keras_reprogram.keras_internals import in_symbolic_scope
from keras_reprogram.outputs.cross_validation import CrossValidation
from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.targets import LabelFormat
from keras_reprogram.outputs.targets import Targets
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.program_parts import StoredValues
from keras_reprogram.resolvable import Resolvable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


class OutputMapping(ProgramPart, Resolvable):
    """Base class: maps the source's outputs to predictions of the target.

    `ReprogrammedModel` uses an output mapping in this order:

    1. `resolve` completes the settings from the source.
    2. `build` and `call`, as of any Keras layer. `call` takes the source's
       outputs and the samples, and changes no state.
    3. `targets.check` checks arrays of labels before training.
    4. `adapt` initializes the mapping from data, if `needs_data`.
    5. In each training step, `update_statistics` adds the step's samples if
       `updates_statistics`, and `loss_units` scales what the loss compares.
    6. `resolved_config` and `learned_variables` go into a program file. When it
       is read, `expected_variables` is called before the layer is built,
       `stored_values` is set during the build, and `on_variables_loaded` is
       called once all variables have their values.

    A subclass keeps its constructor's arguments unchanged; `resolve` and
    `build` set other attributes.

    Args:
        class_names: Sequence of strings. Names of the target classes, in the
            order of their labels. Defaults to `None`: `fit` takes those of a
            data set of `keras.utils.image_dataset_from_directory`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Attributes:
        class_names: Tuple of strings, or `None`. See `class_names` above.
        needs_outputs: Boolean. Whether `adapt` reads the source's outputs in
            addition to the labels.
        uses_samples: Boolean. Whether predictions depend on the samples
            besides the source's outputs.
        targets: The `Targets` that labels are checked against, once built.
        quantiles: List of floats. The quantiles of targets that are on the
            last axis of predictions; `None` if there is no such axis.
        cross_validation: The `CrossValidation` by which `adapt` chose a
            setting, or `None`. `ReprogrammedModel` shows it.
        steps_since_solve: Integer. Epochs or steps of training since the
            mapping was last solved, for mappings that are solved again.
        stored_values: `StoredValues` while the layer is built for a program
            file, whose values replace those that training starts from.
    """

    needs_outputs: bool = True
    uses_samples: bool = False
    targets: Targets
    quantiles: list[float] | None = None
    cross_validation: CrossValidation | None = None
    steps_since_solve: int | None = None
    stored_values: StoredValues | None = None

    def __init__(
        self, class_names: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        # Without autocast, float32 outputs are not cast to a lower precision.
        super().__init__(**{"autocast": False, **kwargs})
        self.class_names = checked_names(class_names)
        self.solved_flag: keras.Variable | None = None
        self.outputs_shape: Shape | None = None
        self.is_known_solved = False

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        # Keras casts the variables of a mixed policy to its compute dtype, in
        # layers without autocast too.
        return super().add_weight(*args, **{"autocast": False, **kwargs})

    @property
    def needs_data(self) -> bool:
        """Whether `adapt` needs data."""
        return False

    @property
    def updates_statistics(self) -> bool:
        """Whether training steps call `update_statistics`."""
        return False

    # === Before training ===

    def resolve(self, specification: SourceSpecification) -> None:
        """Completes the settings from the source.

        Args:
            specification: A `SourceSpecification`.

        Raises:
            ValueError: If the source's outputs do not suit the mapping.
        """

    def check_outputs_shape(self, shape: Shape) -> None:
        """Raises a `ValueError` for outputs of another source than before.

        Args:
            shape: Tuple. Shape of the source's outputs without the batch axis.
        """
        if self.outputs_shape not in (None, shape):
            raise ValueError(
                f"This `{type(self).__name__}` belongs to a source with other "
                "outputs: make a new one for this source. Received: outputs "
                f"of shape {shape} after {self.outputs_shape}"
            )
        self.outputs_shape = shape

    def adapt(self, batches: Iterable[Batch]) -> None:
        """Initializes the mapping from data before training.

        Args:
            batches: Iterable of tuples of the source's outputs `[N, ..., S]`;
                labels, as `targets.standardized` returns them; and weights,
                `None` for equal ones or an array for the first axes of the
                labels. `ReprogrammedModel` yields all three; other callers may
                leave out weights. Outputs are `None` unless `needs_outputs`.
        """

    @property
    def returns_logits(self) -> bool | None:
        """Whether predictions are logits of classes; `None` for numbers."""
        return None

    @property
    def full_dtype(self) -> str:
        """The dtype that the layer computes in: float32 at least."""
        return full_dtype(self.compute_dtype)

    # === Names of classes ===

    def name_classes(self, names: Sequence[str]) -> None:
        """Gives the target classes names, which they keep from then on.

        Args:
            names: Sequence of strings, in the order of labels.

        Raises:
            ValueError: If there are not as many, or the classes have others.
        """
        found = checked_names(names)
        if found != (self.class_names or found):
            raise ValueError(
                "The classes of the data are named, in the order of their "
                "labels, as those of the label map are: pass `class_names` in "
                f"that order. Received: {list(found or [])} in the data, "
                f"class_names={list(self.class_names or [])}"
            )
        self.class_names = found

    def check_class_names(self) -> None:
        """Raises a `ValueError` unless each target class has a name."""
        if self.class_names is None:
            return
        number = self.targets.num_names
        if len(self.class_names) != number:
            raise ValueError(
                "`class_names` must hold a name for each target class, of "
                f"which there are {number}. Received: "
                f"{len(self.class_names)} names, {list(self.class_names[:5])}"
            )

    # === Training ===

    def update_statistics(
        self,
        outputs: Tensor,
        labels: Tensor,
        form: LabelFormat,
        sample_weight: Tensor = None,
    ) -> None:
        """Adds the samples of a training step to the statistics.

        Args:
            outputs: Tensor `(batch, ..., S)`. The source's outputs.
            labels: Tensor. Their labels.
            form: A `LabelFormat`.
            sample_weight: Tensor `(batch, ...)`. Weights of samples or
                positions. Defaults to `None`, for equal ones.
        """
        raise NotImplementedError

    def loss_units(self, y: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """Returns targets and predictions in the units of the loss.

        A mapping to numbers divides both by their scale, so that neither the
        loss nor the steps depend on the targets' unit.
        """
        return y, y_pred

    # === State of the adaptation ===

    def add_solved_flag(self, is_solved: bool) -> None:
        """Adds the variable that is 1 once the mapping is adapted to data."""
        self.solved_flag = self.add_weight(
            name="is_solved",
            shape=(),
            dtype="int32",
            initializer=constant(int(is_solved)),
            trainable=False,
        )

    @property
    def solved(self) -> bool:
        """Whether the mapping is adapted to the data that it needs."""
        if self.solved_flag is None:
            return True
        value = concrete_value(self.solved_flag)
        if value is not None:
            # Cached, because a variable cannot be read while JAX traces a step.
            self.is_known_solved = bool(value)
        return self.is_known_solved

    def mark_solved(self) -> None:
        """Marks the mapping as adapted to data."""
        if self.solved_flag is not None:
            self.solved_flag.assign(1)
            self.is_known_solved = True

    def mark_loaded(self) -> None:
        """Invalidates the cache of `solved` when variables are loaded."""
        self.is_known_solved = False

    def check_solved(self) -> None:
        """Raises a `ValueError` if predictions need `adapt` first."""

    def check_ready_to_train(self) -> None:
        """Raises a `ValueError` if training needs `adapt` first."""
        self.check_solved()

    def check_solved_in_call(self) -> None:
        """As `check_solved`, without reading a variable in every step."""
        if not self.is_known_solved and not in_symbolic_scope():
            self.check_solved()

    @property
    def variables(self) -> list[keras.Variable]:
        # A model's variables are collected before JAX traces a step, the last
        # opportunity to read the flag.
        if self.built and not self.is_known_solved:
            _ = self.solved
        variables: list[keras.Variable] = super().variables
        return variables

    def set_weights(self, weights: list[np.ndarray]) -> None:
        super().set_weights(weights)
        self.mark_loaded()

    def load_own_variables(self, store: object) -> None:
        super().load_own_variables(store)
        self.mark_loaded()

    # === Saving and program files ===

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        if self.class_names is not None:
            config["class_names"] = list(self.class_names)
        return config

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """The variables that predictions need, without statistics."""
        return list(self.weights)

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        """Describes `learned_variables` before they are built.

        It is called after `resolve`, for an untrusted config.

        Args:
            specification: A `SourceSpecification`.
            outputs_shape: Tuple. Shape of the outputs that `call` will take,
                with the batch axis.

        Raises:
            ValueError: If building the layer would raise, or need too much
                memory.
        """
        raise NotImplementedError

    def check_variables(self) -> None:
        """Raises a `ValueError` for invalid values of variables."""

    def on_variables_loaded(self) -> None:
        """Checks `learned_variables` that were read from a file.

        Raises:
            ValueError: If their values are invalid.
        """
        self.check_variables()
        self.mark_solved()


def checked_names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Returns names of classes as a tuple.

    Raises:
        ValueError: If they are not different strings.
    """
    if names is None:
        return None
    values = () if isinstance(names, (str, dict)) else tuple(names)
    if (
        not values
        or not all(isinstance(each, str) and each for each in values)
        or len(set(values)) < len(values)
    ):
        raise ValueError(
            "`class_names` must be a list of strings, another one for each "
            f"class. Received: class_names={names!r}"
        )
    # NumPy's strings become Python's.
    return tuple(map(str, values))
