"""Training of a generator against a discriminator, one step for both."""

import contextlib
from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from keras_reprogram.callbacks.finite_loss import FiniteLoss
from keras_reprogram.callbacks.interruptions import interruptible
from keras_reprogram.callbacks.training_callbacks import UnmovedProgram
from keras_reprogram.callbacks.training_callbacks import prepend_callbacks
from keras_reprogram.generators import data_checks
from keras_reprogram.generators import hinge
from keras_reprogram.generators.projection_discriminator import (
    ProjectionDiscriminator,
)
from keras_reprogram.inputs.noise.conditional_noise import LABELS
from keras_reprogram.inputs.noise.conditional_noise import NOISE
from keras_reprogram.inputs.valid import finite_rows
from keras_reprogram.kept_state import KeptStateMixin
from keras_reprogram.keras_internals import is_validation_in_fit
from keras_reprogram.models import batches
from keras_reprogram.models.automatic_compilation import steps_per_epoch_of
from keras_reprogram.models.invalid_data import InvalidData
from keras_reprogram.models.static_shape import with_static_shape
from keras_reprogram.outputs.targets import INTEGERS
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.typing import Callbacks
from keras_reprogram.typing import Data
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor

# Steps before generated samples count as unlabeled, as in the paper's code.
FIRST_STEPS = 30


class LabeledSamples(NamedTuple):
    """The samples of a training step with their classes."""

    samples: Tensor
    labels: Tensor


class Scores(NamedTuple):
    """What the discriminator returns for real and generated samples.

    Attributes:
        real: Tensor `(batch,)`. Of real samples.
        fake: Tensor `(batch,)`. Of generated samples, without a gradient for
            the generator.
        fooled: Tensor `(batch,)`. Of generated samples, without a gradient for
            the discriminator.
    """

    real: Tensor
    fake: Tensor
    fooled: Tensor


class AdversarialTrainer(KeptStateMixin, keras.Model):
    """Base class: how a `ConditionalGenerator` is trained.

    Both losses are minimized by one step of one optimizer: samples for the
    discriminator's loss have no gradient for the generator, and the generator's
    loss is that of a discriminator whose variables have none. Keras's own steps
    do the rest, on every backend.

    Attributes:
        generator: The `keras.Model` of samples.
        discriminator: The `ProjectionDiscriminator`.
        noise_dim: Integer. Size of the noise.
        positive_unlabeled: Boolean. Whether generated samples count as
            unlabeled.
        noise_seed: `keras.random.SeedGenerator` of the noise in training.
        targets: The `ClassTargets` that labels are checked against.
        invalid_data: Counts of samples and labels that are not valid.
        num_steps: Integer variable. Steps of this `fit`, 0 if not known.
        steps_made: Integer variable. Those that were made.
    """

    generator: keras.Model
    discriminator: ProjectionDiscriminator
    noise_dim: int
    positive_unlabeled: bool
    noise_seed: keras.random.SeedGenerator
    targets: ClassTargets
    invalid_data: InvalidData
    num_steps: keras.Variable
    steps_made: keras.Variable
    discriminator_loss: keras.metrics.Mean
    generator_loss: keras.metrics.Mean

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.discriminator.num_classes

    @property
    def sample_shape(self) -> FixedShape:
        """Shape of a sample."""
        return tuple(self.generator.output_shape[1:])

    # === Steps ===

    def scores(self, inputs: LabeledSamples, training: bool) -> Scores:
        """Returns the discriminator's scores of a batch."""
        if training:
            self.steps_made.assign_add(1)
        samples, labels = inputs
        labels = ops.clip(ops.cast(labels, "int32"), 0, self.num_classes - 1)
        noise = keras.random.normal(
            (ops.shape(samples)[0], self.noise_dim), seed=self.noise_seed
        )
        generated = self.generator(
            {LABELS: labels, NOISE: noise}, training=training
        )
        generated = ops.cast(generated, samples.dtype)
        discriminator = self.discriminator
        fooled, _ = discriminator.stateless_call(
            [
                ops.stop_gradient(variable.value)
                for variable in discriminator.trainable_variables
            ],
            [
                variable.value
                for variable in discriminator.non_trainable_variables
            ],
            (generated, labels),
            training=training,
        )
        return Scores(
            discriminator((samples, labels), training=training),
            discriminator(
                (ops.stop_gradient(generated), labels), training=training
            ),
            fooled,
        )

    def real_share(self) -> Tensor:
        """The share `pi` of generated samples that count as real."""
        if not self.positive_unlabeled:
            return ops.zeros(())
        first = 1.0 / self.num_classes
        # Of this step, from 0, and of the last one.
        step = ops.cast(self.steps_made, "float32") - 1.0
        last = ops.cast(self.num_steps, "float32") - 1.0
        # Where the number of steps is not known, `pi` stays at its start.
        part = ops.where(last > 0.0, step / ops.maximum(last, 1.0), 0.0)
        share = first + ops.minimum(part, 1.0) * (1.0 - first)
        return ops.where(step >= FIRST_STEPS, share, 0.0)

    def compute_loss(
        self,
        x: Data = None,
        y: Data = None,
        y_pred: Tensor = None,
        sample_weight: Data = None,
        training: bool = True,
    ) -> Tensor:
        self.invalid_data.add(
            finite_rows(x.samples), self.targets.valid(x.labels, INTEGERS)
        )
        of_discriminator = hinge.discriminator_loss(
            y_pred.real, y_pred.fake, self.real_share(), sample_weight
        )
        of_generator = hinge.generator_loss(y_pred.fooled, sample_weight)
        self.discriminator_loss.update_state(of_discriminator)
        self.generator_loss.update_state(of_generator)
        losses = [of_discriminator, of_generator, *self.losses]
        return sum(losses[1:], losses[0])

    def train_step(self, *arguments: Any) -> Tensor:
        *state, data = arguments  # JAX passes its state first.
        return super().train_step(*state, self._step_data(data))

    def test_step(self, *arguments: Any) -> Tensor:
        *state, data = arguments
        return super().test_step(*state, self._step_data(data))

    def _step_data(self, data: Data) -> tuple[LabeledSamples, None, Tensor]:
        """Returns a batch with its labels among the inputs."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, y = batches.unwrap_single(x), batches.unwrap_single(y)
        if y is None:
            raise ValueError(
                "Pass the samples' classes as `y`. Received: y=None"
            )
        if not (batches.is_array(x) and batches.is_array(y)):
            raise ValueError(
                "A batch must be one tensor of samples and one of classes. "
                f"Received: x={type(x).__name__} and y={type(y).__name__}"
            )
        x = with_static_shape(x, (None, *self.sample_shape))
        if len(y.shape) == 2 and y.shape[-1] == 1:
            y = ops.squeeze(y, axis=-1)
        if len(y.shape) != 1 or tuple(x.shape[1:]) != self.sample_shape:
            raise ValueError(
                f"`x` must be samples of shape {(None, *self.sample_shape)} "
                f"and `y` integers of shape (batch,). Received: x of shape "
                f"{tuple(x.shape)} and y of shape {tuple(y.shape)}"
            )
        return LabeledSamples(ops.cast(x, "float32"), y), None, sample_weight

    def compile(
        self, optimizer: Any = "auto", loss: None = None, **kwargs: Any
    ) -> None:
        """Sets how both models are trained.

        Args:
            optimizer: Optimizer of both. Defaults to `"auto"`, Adam with a
                learning rate of 0.0002, `beta_1=0` and `beta_2=0.9`.
            loss: `None`: the losses are those of the class.
            **kwargs: As for `keras.Model.compile`, without metrics.

        Raises:
            ValueError: If there are other losses, metrics, or several
                optimizers.
        """
        refused = {"loss_weights", "metrics", "weighted_metrics"} & {
            name for name, value in kwargs.items() if value
        }
        if loss is not None or refused:
            raise ValueError(
                "A `ConditionalGenerator` has its own losses and no metrics. "
                f"Received: loss={loss!r} and {sorted(refused)}"
            )
        if optimizer is None or isinstance(optimizer, (list, tuple)):
            raise ValueError(
                "`optimizer` must be one optimizer, which trains both models. "
                f"Received: optimizer={optimizer!r}"
            )
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.9)
        super().compile(optimizer, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Data = None,
        y: Data = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Callbacks = None,
        validation_split: float = 0.0,
        validation_data: Data = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Data = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains both models, as `keras.Model.fit` does.

        Args:
            x: Real samples, in the range of what the generator returns; or a
                data set of samples and labels.
            y: Integers `(N,)`. Their classes.
            batch_size: Integer. Defaults to `32` for arrays.
            epochs: Integer. Defaults to `1`.
            verbose: As for `keras.Model.fit`, and so all other arguments.
            callbacks: As for `keras.Model.fit`.
            validation_split: As for `keras.Model.fit`.
            validation_data: As for `keras.Model.fit`.
            shuffle: As for `keras.Model.fit`.
            class_weight: Dictionary from classes to weights.
            sample_weight: As for `keras.Model.fit`.
            initial_epoch: As for `keras.Model.fit`.
            steps_per_epoch: As for `keras.Model.fit`.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: If samples or labels are not valid, or the loss is not a
                number at the end of an epoch.
        """
        data_checks.check_one_process()
        x, y = data_checks.checked(self, x, y, sample_weight)
        data_checks.check_class_weight(class_weight, self.targets)
        x = data_checks.with_checked_start(self, x)
        if y is not None:
            data_checks.warn_of_missing_classes(y, self.num_classes)
        if isinstance(validation_data, (tuple, list)):
            arrays = data_checks.checked(self, *validation_data[:3])
            validation_data = (*arrays, *validation_data[2:])
        split = 0.0 if validation_data is not None else validation_split
        steps = steps_per_epoch_of(x, batch_size, steps_per_epoch, split) or 0
        self.num_steps.assign(steps * epochs)
        self.steps_made.assign(steps * initial_epoch)
        self.invalid_data.reset()
        added = [
            UnmovedProgram(
                self.generator.trainable_variables, data_checks.NO_GRADIENT
            ),
            FiniteLoss(),
        ]
        with (
            prepend_callbacks(added, callbacks) as callbacks,
            interruptible(callbacks) as callbacks,
        ):
            history: keras.callbacks.History = super().fit(
                x,
                y,
                batch_size=batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_split=validation_split,
                validation_data=validation_data,
                shuffle=shuffle,
                class_weight=class_weight,
                sample_weight=sample_weight,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                **kwargs,
            )
            return history

    def evaluate(
        self, x: Data = None, y: Data = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        # `fit` has checked its validation data, and reads the counts at the
        # end of the epoch.
        counted: Any = contextlib.nullcontext()
        if not is_validation_in_fit(kwargs):
            x, y = data_checks.checked(self, x, y)
            counted = self.invalid_data.of_one_pass(self)
        with counted:
            return super().evaluate(x, y, *args, **kwargs)

    def train_on_batch(
        self, x: Data, y: Data = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        x, y = data_checks.checked(self, x, y)
        return super().train_on_batch(x, y, *args, **kwargs)

    def test_on_batch(
        self, x: Data, y: Data = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        x, y = data_checks.checked(self, x, y)
        return super().test_on_batch(x, y, *args, **kwargs)

    @property
    def metrics_variables(self) -> list[keras.Variable]:
        counts = getattr(self, "invalid_data", None)
        added = [] if counts is None else [counts.counts]
        return [*super().metrics_variables, *added]

    def expected_data(self) -> tuple[str, str]:
        """What valid samples and labels are, for error messages."""
        return "finite numbers", self.targets.description
