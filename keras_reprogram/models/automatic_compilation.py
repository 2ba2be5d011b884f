"""What `compile` finds from the model and its first data: `"auto"`.

A loss follows from the output mapping and the shape of the labels, a learning
rate from the output mapping and the number of steps. Both are known when
`fit`, `evaluate` or a single batch is first called, so `compile` waits until
then. `ReprogrammedModel` calls `before_fit` and `before_batch` first of all.

The learning rates are those of `benchmarks/rates.py`; the estimator of a
source without gradients is the one of `benchmarks/smoothing.py`.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras

from keras_reprogram.black_box import CMAES
from keras_reprogram.black_box import GradientEstimator
from keras_reprogram.black_box import Reinforce
from keras_reprogram.black_box import TwoSided
from keras_reprogram.black_box import estimators
from keras_reprogram.black_box import training as zeroth_order
from keras_reprogram.losses import MaskedBinaryCrossentropy
from keras_reprogram.losses import PinballLoss
from keras_reprogram.metrics import IntervalCoverage
from keras_reprogram.models import batches
from keras_reprogram.models import checks
from keras_reprogram.models.compiled_loss import CompiledLoss
from keras_reprogram.models.cosine_decay import CosineDecayOverFit
from keras_reprogram.models.cosine_decay import begin_anew
from keras_reprogram.models.cosine_decay import decay_of
from keras_reprogram.models.cosine_decay import set_decay
from keras_reprogram.models.cosine_decay import steps_made
from keras_reprogram.outputs import BayesianMapping
from keras_reprogram.outputs import IterativeMapping
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.outputs import Mapping
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.targets import NO_LABEL
from keras_reprogram.outputs.targets import BinaryTargets
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.progress import show
from keras_reprogram.typing import Callbacks
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

AUTO = "auto"
RATE_SETTERS = (
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
)
FOUND_IF_LEFT_OUT = ("optimizer", "loss", "metrics", "gradient_estimator")
# `compile` waits for data where one of these is left out.
FOUND_FROM_DATA = ("optimizer", "loss")
DEFAULT_BATCH_SIZE = 32  # of `fit`

# Start of the cosine decay of Adam's learning rate, for each output mapping.
LEARNING_RATES: dict[type[Mapping], float] = {
    LinearMapping: 2e-3,
    IterativeMapping: 2e-2,
    BayesianMapping: 2e-2,
}
# The rates were measured on 1,000 source classes. A step of Adam changes all
# weights of a linear map by about the same amount, and a logit is their sum.
MEASURED_SOURCE_CLASSES = 1000
LEARNING_RATE_OF_FIXED_MAPPINGS = 2e-2
LEARNING_RATE_OF_NUMBERS = 5e-3
# Not measured: the rate of the examples that train layers of the source.
LEARNING_RATE_OF_SOURCE_LAYERS = 1e-3
# Constant; of .001, .01 and .05 the best with the estimator below.
LEARNING_RATE_OF_QUERIES = 1e-2
ESTIMATOR = TwoSided(4, 0.1)
# Of .2 and .5 the better one with the estimator below.
LEARNING_RATE_OF_TOKENS = 0.5
ESTIMATOR_OF_TOKENS = Reinforce()


# === What follows from what ===


def automatic_loss(
    output_mapping: OutputMapping, label_shape: Shape
) -> keras.losses.Loss:
    """The loss of an output mapping's predictions and labels of this shape.

    Args:
        output_mapping: The output mapping, built.
        label_shape: Shape of a batch of labels, batch included.
    """
    targets = output_mapping.targets
    from_logits = bool(output_mapping.returns_logits)
    if isinstance(targets, BinaryTargets):
        return MaskedBinaryCrossentropy(from_logits=from_logits)
    if output_mapping.quantiles is not None:
        return PinballLoss(output_mapping.quantiles)
    if not isinstance(targets, ClassTargets):
        return keras.losses.MeanSquaredError()
    if is_one_hot(targets, label_shape):
        return keras.losses.CategoricalCrossentropy(from_logits=from_logits)
    # A label of one integer can be missing at a position only.
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=from_logits,
        ignore_class=NO_LABEL if targets.position_sizes else None,
    )


def is_one_hot(targets: ClassTargets, label_shape: Shape) -> bool:
    return (
        len(label_shape) == len(targets.position_sizes) + 2
        and label_shape[-1] == targets.num_classes
    )


def automatic_metrics(output_mapping: OutputMapping) -> list[Any]:
    """The name of a metric: what labels mean for it is found by `compile`."""
    if output_mapping.quantiles is not None:
        return [IntervalCoverage()]
    if output_mapping.returns_logits is None:
        return ["mean_absolute_error"]
    return ["accuracy"]


def automatic_learning_rate(
    output_mapping: OutputMapping, trains_source_layers: bool = False
) -> float:
    """The start of a cosine decay for an output mapping.

    Args:
        output_mapping: The output mapping.
        trains_source_layers: Whether layers of the source are trained too.
    """
    rate = LEARNING_RATE_OF_NUMBERS
    if isinstance(output_mapping, LabelMapper):
        rate = LEARNING_RATE_OF_FIXED_MAPPINGS
        for kind, found in LEARNING_RATES.items():
            if isinstance(output_mapping.mapping, kind):
                rate = found
        if output_mapping.mapping.has_bias and output_mapping.built:
            sources = output_mapping.map_shape.num_sources
            rate *= min(1.0, MEASURED_SOURCE_CLASSES / sources)
    if trains_source_layers:
        return min(rate, LEARNING_RATE_OF_SOURCE_LAYERS)
    return rate


def automatic_estimator(
    model: keras.Model,
) -> GradientEstimator | None:
    """An estimator where no gradient reaches what is trained, or `None`."""
    if model.frozen_source.trainable_source_layers:
        return None
    if not model.input_reprogrammer.trainable_weights:
        return None
    if not zeroth_order.has_no_gradient(model):
        return None
    draws_tokens = model.input_reprogrammer.has_token_policy
    return ESTIMATOR_OF_TOKENS if draws_tokens else ESTIMATOR


def automatic_optimizer(
    model: keras.Model,
    gradient_estimator: GradientEstimator | None,
    decay_steps: int | None,
) -> keras.optimizers.Optimizer:
    """Adam, with a rate for the output mapping and the kind of gradient."""
    if isinstance(gradient_estimator, CMAES):
        return keras.optimizers.SGD(1.0)
    if isinstance(gradient_estimator, Reinforce):
        return keras.optimizers.Adam(LEARNING_RATE_OF_TOKENS)
    if gradient_estimator is not None:
        return keras.optimizers.Adam(LEARNING_RATE_OF_QUERIES)
    rate = automatic_learning_rate(
        model.label_mapper, bool(model.frozen_source.trainable_source_layers)
    )
    return keras.optimizers.Adam(CosineDecayOverFit(rate, decay_steps))


def steps_per_epoch_of(
    x: object,
    batch_size: int | None,
    steps_per_epoch: int | None,
    validation_split: float,
) -> int | None:
    """Number of steps of an epoch of `fit`, or `None` where not known."""
    if steps_per_epoch:
        return int(steps_per_epoch)
    x = batches.unwrap_single(x)
    if isinstance(x, (dict, tuple)) or batches.is_array(x):
        arrays = keras.tree.flatten(x)
        if not arrays or not all(map(batches.is_array, arrays)):
            return None
        # As Keras rounds what it splits off.
        samples = math.floor(len(arrays[0]) * (1.0 - (validation_split or 0)))
        return math.ceil(samples / (batch_size or DEFAULT_BATCH_SIZE))
    return batches.number_of_batches(x, 1)


# === What `compile` was given ===


@dataclasses.dataclass
class AutomaticCompilation:
    """The arguments of `compile`, with `"auto"` for those to be found.

    It is no attribute of a model that Keras would track.

    Args:
        arguments: Keyword arguments of `ReprogrammedModel.compile`. Defaults
            to none, for a model that is not compiled.

    Attributes:
        summary: The call of `compile` that `"auto"` stands for, as text;
            empty before it is known.
    """

    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    summary: str = ""

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> "AutomaticCompilation":
        """What `compile` was given, `"auto"` for what was left out."""
        return cls({**dict.fromkeys(FOUND_IF_LEFT_OUT, AUTO), **arguments})

    @property
    def waits_for_data(self) -> bool:
        return any(
            is_automatic(self.arguments.get(name)) for name in FOUND_FROM_DATA
        )

    @property
    def waits_for_labels(self) -> bool:
        return is_automatic(self.arguments.get("loss"))

    def completed(
        self,
        model: keras.Model,
        label_shape: Shape | None = None,
        decay_steps: int | None = None,
    ) -> dict[str, Any]:
        """The arguments, with what was to be found.

        Args:
            model: A `ReprogrammedModel`.
            label_shape: Shape of a batch of labels. Defaults to `None`, for
                data without labels.
            decay_steps: Number of steps of `fit`. Defaults to `None`, where
                it is not known.

        Raises:
            ValueError: If a loss is to be found and there are no labels, or
                their shape does not fit the output mapping.
        """
        found = dict(self.arguments)
        if is_automatic(found.get("gradient_estimator")):
            found["gradient_estimator"] = automatic_estimator(model)
        if is_automatic(found.get("metrics")):
            found["metrics"] = automatic_metrics(model.label_mapper)
        if is_automatic(found.get("optimizer")):
            found["optimizer"] = automatic_optimizer(
                model, estimators.get(found["gradient_estimator"]), decay_steps
            )
        if is_automatic(found.get("loss")):
            if label_shape is None:
                raise ValueError(
                    '`loss="auto"` is found from the labels: pass `y`, or '
                    "batches `(x, y)`, or pass a `loss` to `compile`. "
                    "Received: data without labels"
                )
            found["loss"] = automatic_loss(model.label_mapper, label_shape)
            # Labels of a wrong shape decide nothing.
            model.label_mapper.targets.check_shape(
                label_shape, CompiledLoss(found["loss"]).labels
            )
        return found

    def get_config(self) -> dict[str, Any]:
        """A compile config that waits again when it is loaded."""
        return {
            name: keras.saving.serialize_keras_object(value)
            for name, value in self.arguments.items()
        }


def is_automatic(value: object) -> bool:
    return isinstance(value, str) and value == AUTO


# === What a model calls ===


def before_fit(
    model: keras.Model,
    x: object,
    y: object,
    *,
    batch_size: int | None = None,
    epochs: int = 1,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_split: float = 0.0,
    verbose: str | int = "auto",
    callbacks: Callbacks = None,
) -> object:
    """Compiles a model that waits for data, and sets the length of its decay.

    An optimizer that was found, here or before the model was saved, starts
    again in each `fit` as if the model had been compiled again: otherwise a
    second `fit` would train with the rate of zero at which the first ended.
    With an `initial_epoch` above 0 it keeps its state and continues on the
    decay over all `epochs`.

    Args:
        model: A `ReprogrammedModel`.
        x: As for `fit`, and so the others.
        y: As for `fit`.
        batch_size: As for `fit`.
        epochs: As for `fit`.
        initial_epoch: As for `fit`.
        steps_per_epoch: As for `fit`.
        validation_split: As for `fit`; 0 where there are `validation_data`.
        verbose: As for `fit`.
        callbacks: As for `fit`.

    Returns:
        The data that are passed on, with all batches of an iterator.

    Raises:
        ValueError: If a callback sets the rate of an optimizer that was found.
    """
    steps = steps_per_epoch_of(x, batch_size, steps_per_epoch, validation_split)
    # Without steps the data, or the epochs, are refused or left alone later.
    decay_steps = None if steps is None else max(1, steps * epochs)
    x = compiled_from(model, x, y, decay_steps, verbose)
    schedule = decay_of(getattr(model, "optimizer", None))
    if schedule is None:
        return x
    check_rate_is_not_set(schedule, callbacks)
    if not initial_epoch:
        begin_anew(model.optimizer)
    made = steps_made(model.optimizer)
    offset = (steps or 0) * initial_epoch - made if decay_steps else 0
    with replicas_of(model):
        set_decay(model, schedule, decay_steps, offset)
    return x


def before_batch(
    model: keras.Model,
    x: object,
    y: object,
    *,
    trains: bool,
    verbose: str | int = 0,
) -> object:
    """Compiles a model that waits for data, for `evaluate` or a single batch.

    Args:
        model: A `ReprogrammedModel`.
        x: A batch of samples, or data as for `evaluate`.
        y: Labels, where `x` is an array.
        trains: Whether the batch is trained on: with a constant rate, since
            the number of batches to come is not known.
        verbose: As for `evaluate`.

    Returns:
        The data that are passed on, with all batches of an iterator.
    """
    x = compiled_from(model, x, y, None, verbose)
    if not trains:
        return x
    schedule = decay_of(getattr(model, "optimizer", None))
    if schedule is not None:
        with replicas_of(model):
            set_decay(model, schedule, None, 0)
    return x


def compiled_from(
    model: keras.Model,
    x: object,
    y: object,
    decay_steps: int | None,
    verbose: str | int,
) -> object:
    """Compiles a model that waits, from the first batch of its data."""
    request = model.automatic_compilation
    if not request.waits_for_data:
        return x
    shape = None
    if request.waits_for_labels:
        shape, x = label_shape_of(x, y)
    with replicas_of(model):
        found = request.completed(model, shape, decay_steps)
        model.compile(**found)
    model.automatic_compilation.summary = described(request.arguments, found)
    show(model.automatic_compilation.summary, verbose)
    return x


def label_shape_of(x: object, y: object) -> tuple[Shape | None, object]:
    """Shape of the first batch's labels, and the data with that batch."""
    if y is None and not batches.is_array(batches.unwrap_single(x)):
        if isinstance(x, Iterator) and not batches.is_reiterable(x):
            held, x = batches.replayed(x, 1)
            first = next(batches.iterate(held), None)
        else:
            first = next(batches.iterate(x, longest=1), None)
        y = None if first is None else first[1]
    labels: Tensor = checks.array_of_labels(y)
    return None if labels is None else tuple(labels.shape), x


def check_rate_is_not_set(
    schedule: CosineDecayOverFit, callbacks: Callbacks
) -> None:
    """Raises at once what Keras raises when the rate is first changed."""
    callbacks = getattr(callbacks, "callbacks", callbacks)
    setters = [
        type(callback).__name__
        for callback in keras.tree.flatten(callbacks)
        if isinstance(callback, RATE_SETTERS)
    ]
    if setters:
        raise ValueError(
            'The learning rate of `optimizer="auto"` follows a cosine, which '
            "a callback cannot set: leave the callback out, or pass an "
            "optimizer with a rate of your own, such as `model.compile("
            f"keras.optimizers.Adam({schedule.initial_learning_rate:g}))`. "
            f"Received: callbacks={setters}"
        )


def replicas_of(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """Where TensorFlow's replicas have their variables."""
    strategy = getattr(model, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


# === What is shown ===


def described(arguments: dict[str, Any], found: dict[str, Any]) -> str:
    """The call of `compile` that was found, as a user would write it."""
    lines = [
        f"    {name}={code_of(found[name])},\n"
        for name in FOUND_IF_LEFT_OUT
        if is_automatic(arguments.get(name)) and found[name] is not None
    ]
    return f"model.compile(\n{''.join(lines)})"


def code_of(value: object) -> str:
    if isinstance(value, keras.optimizers.SGD):
        return f"keras.optimizers.SGD({float(value.learning_rate):g})"
    if isinstance(value, keras.optimizers.Optimizer):
        decay = decay_of(value)
        if decay is None:
            rate = f"{float(value.learning_rate):g}"
        elif decay.decay_steps is None:
            rate = f"{decay.initial_learning_rate / 2:g}"
        else:
            rate = (
                "keras.optimizers.schedules.CosineDecay("
                f"{decay.initial_learning_rate:g}, {decay.decay_steps})"
            )
        return f"keras.optimizers.Adam({rate})"
    if isinstance(value, list):
        return f"[{', '.join(map(code_of, value))}]"
    if isinstance(value, IntervalCoverage):
        return "keras_reprogram.metrics.IntervalCoverage()"
    if isinstance(value, keras.losses.Loss):
        package = "keras_reprogram"
        if not isinstance(value, (MaskedBinaryCrossentropy, PinballLoss)):
            package = "keras"
        settings = ", ".join(
            f"{name}={setting}"
            for name, setting in value.get_config().items()
            if name in ("from_logits", "ignore_class", "quantiles")
            and setting is not None
        )
        return f"{package}.losses.{type(value).__name__}({settings})"
    return repr(value)
