"""A generator of classes and its discriminator, trained together."""

import warnings
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.generators import hinge
from keras_reprogram.generators.projection_discriminator import (
    ProjectionDiscriminator,
)
from keras_reprogram.inputs.noise.conditional_noise import LABELS
from keras_reprogram.inputs.noise.conditional_noise import NOISE
from keras_reprogram.inputs.valid import finite_rows
from keras_reprogram.models import batches
from keras_reprogram.models import checks
from keras_reprogram.models.invalid_data import InvalidData
from keras_reprogram.outputs.targets import INTEGERS
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.typing import Data
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor

# Steps before generated samples count as unlabeled, as in the paper's code.
FIRST_STEPS = 30
# Samples that are compared with generated ones before training.
COMPARED = 64
# How much wider than generated samples real ones may be.
WIDEST = 4.0


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


@serializable
class ConditionalGenerator(keras.Model):
    """Generates samples of classes, trained against a discriminator.

    With real samples `x` of classes `y`, noise `u`, the generator `G`, and the
    discriminator `D`, one step of `fit` minimizes both hinge losses:

    ```
    L_D = (1 + pi) mean relu(1 - D(x, y))
          + relu(mean relu(1 + D(G(u, y), y)) - pi mean relu(1 + D(x, y)))
    L_G = -mean D(G(u, y), y)
    ```

    `L_D` has no gradient for `G`, and `L_G` none for `D`. After the first 30
    steps, `pi` rises along a line from `1 / num_classes` to 1 over the steps of
    `fit`: generated samples count as unlabeled, since ever more are good.

    Only the trainable variables of both models are trained: of a
    `ReprogrammedModel`, the program. `generator.save_program` writes it.

    Example:

    ```python
    noise = keras.Input((16,))
    images = keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16)(noise))
    source = keras.Model(noise, images)  # stands for a trained generator

    model = keras_reprogram.methods.inrep_plus(source, num_classes=3)
    x, y = np.random.randn(32, 4, 4, 1), np.arange(32) % 3
    model.fit(x, y, epochs=2, verbose=0)
    model.generate([0, 0, 2]).shape  # (3, 4, 4, 1)
    ```

    Args:
        generator: `keras.Model` from a dictionary of `"labels"`, `(batch,)`,
            and `"noise"`, `(batch, noise_dim)`, to samples: a
            `ReprogrammedModel` with a
            `keras_reprogram.inputs.ConditionalNoise`, or any model with inputs
            of these names.
        discriminator: A `ProjectionDiscriminator` of samples of the same shape.
        noise_dim: Integer. Size of the noise.
        positive_unlabeled: Boolean. Whether generated samples count as
            unlabeled. With `False`, `pi` is 0. Defaults to `True`.
        seed: Integer. Seed of the noise in training. Defaults to `0`.
        **kwargs: `name` and `trainable`, as of `keras.Model`.

    Call arguments:
        inputs: Dictionary of `"labels"` and `"noise"`.
        training: Boolean. Defaults to `False`.

    Returns:
        A tensor of generated samples.

    References:
        - [InRep+](https://arxiv.org/abs/2201.02692)
        - [Projection discriminator](https://arxiv.org/abs/1802.05637)
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: ProjectionDiscriminator,
        noise_dim: int,
        positive_unlabeled: bool = True,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(discriminator, ProjectionDiscriminator):
            raise ValueError(
                "`discriminator` must be a `ProjectionDiscriminator`. "
                f"Received: discriminator={discriminator!r}"
            )
        self.generator = generator
        self.discriminator = discriminator
        self.noise_dim = positive_integer("noise_dim", noise_dim)
        self.positive_unlabeled = boolean(
            "positive_unlabeled", positive_unlabeled
        )
        self.seed = check_seed(seed)
        self.noise_seed = keras.random.SeedGenerator(self.seed)
        self.check_shapes()
        self.targets = ClassTargets(self.num_classes)
        self.invalid_data = InvalidData()
        self.discriminator_loss = keras.metrics.Mean(name="discriminator_loss")
        self.generator_loss = keras.metrics.Mean(name="generator_loss")
        # Of this `fit`: `pi` depends on both.
        self.num_steps, self.steps_made = (
            self.add_weight(
                name=name,
                shape=(),
                dtype="int32",
                initializer="zeros",
                trainable=False,
            )
            for name in ("num_steps", "steps_made")
        )
        self.built = True

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.discriminator.num_classes

    @property
    def sample_shape(self) -> FixedShape:
        """Shape of a sample."""
        return tuple(self.generator.output_shape[1:])

    def check_shapes(self) -> None:
        expected = tuple(self.discriminator.features.input_shape[1:])
        if expected != self.sample_shape:
            raise ValueError(
                "The discriminator must take what the generator returns. "
                f"Received: samples of shape {self.sample_shape} and features "
                f"of samples of shape {expected}"
            )

    # === Generation ===

    def generate(
        self, labels: Any, seed: int = 0, batch_size: int = 128
    ) -> np.ndarray:
        """Returns a new sample of each of several classes.

        Args:
            labels: Integers `(N,)`. Classes, which may occur often.
            seed: Integer. Seed of the noise. Defaults to `0`.
            batch_size: Integer. Defaults to `128`.

        Returns:
            A float32 array `(N, ...)`.

        Raises:
            ValueError: If a label is not a class.
        """
        labels = np.asarray(labels)
        self.targets.check_integers(labels)
        noise = np.random.default_rng(check_seed(seed)).standard_normal(
            (len(labels), self.noise_dim), "float32"
        )
        samples: np.ndarray = self.predict(
            {LABELS: labels.reshape(-1).astype("int32"), NOISE: noise},
            batch_size=batch_size,
            verbose=0,
        )
        return samples

    def call(self, inputs: Any, training: bool = False) -> Tensor | Scores:
        if isinstance(inputs, LabeledSamples):
            return self.scores(inputs, training)
        return self.generator(inputs, training=training)

    # === Training ===

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
        made = ops.cast(self.steps_made, "float32") - FIRST_STEPS
        last = ops.cast(self.num_steps, "float32") - 1.0
        # Where the number of steps is not known, `pi` stays at its start.
        part = ops.where(last > 0.0, made / ops.maximum(last, 1.0), 0.0)
        share = first + ops.minimum(part, 1.0) * (1.0 - first)
        return ops.where(made > 0.0, share, 0.0)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
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

    def train_step(self, *arguments: Any) -> Any:
        *state, data = arguments  # JAX passes its state first.
        return super().train_step(*state, self.step_data(data))

    def test_step(self, *arguments: Any) -> Any:
        *state, data = arguments
        return super().test_step(*state, self.step_data(data))

    def step_data(self, data: Any) -> tuple[LabeledSamples, None, Tensor]:
        """Returns a batch with its labels among the inputs."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, y = batches.unwrap_single(x), batches.unwrap_single(y)
        if y is None:
            raise ValueError(
                "Pass the samples' classes as `y`. Received: y=None"
            )
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
        """
        refused = {"metrics", "weighted_metrics"} & {
            name for name, value in kwargs.items() if value is not None
        }
        if loss is not None or refused:
            raise ValueError(
                "A `ConditionalGenerator` has its own losses and no metrics. "
                f"Received: loss={loss!r} and {sorted(refused)}"
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
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains both models, as `keras.Model.fit` does.

        Args:
            x: Real samples, in the range of what the generator returns; or a
                data set of samples and labels.
            y: Integers `(N,)`. Their classes.
            batch_size: Integer. Defaults to `32` for arrays.
            epochs: Integer. Defaults to `1`.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: If samples or labels are not valid.
        """
        self.check_data(x, y)
        steps = kwargs.get("steps_per_epoch") or batches.number_of_batches(
            x, batch_size or 32
        )
        first_epoch = kwargs.get("initial_epoch") or 0
        self.num_steps.assign((steps or 0) * epochs)
        self.steps_made.assign((steps or 0) * first_epoch)
        self.invalid_data.reset()
        history = super().fit(
            x, y, batch_size=batch_size, epochs=epochs, **kwargs
        )
        self.invalid_data.check(self)
        return history

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        with self.invalid_data.of_one_pass(self):
            return super().evaluate(*args, **kwargs)

    @property
    def metrics_variables(self) -> list[keras.Variable]:
        counts = getattr(self, "invalid_data", None)
        added = [] if counts is None else [counts.counts]
        return [*super().metrics_variables, *added]

    # === Data ===

    def check_data(self, x: Data, y: Data) -> None:
        """Raises a `ValueError` for arrays that no step can take."""
        if not batches.is_array(x):
            return
        samples, labels = batches.to_numpy(x), checks.array_of_labels(y)
        if samples.shape[1:] != self.sample_shape or labels is None:
            raise ValueError(
                f"`x` must be samples of shape {(None, *self.sample_shape)}, "
                f"with labels `y`. Received: x of shape {samples.shape} and "
                f"y={checks.described(y)}"
            )
        checks.check_lengths(x, y)
        self.targets.check_integers(batches.to_numpy(labels))
        if not np.isfinite(samples.astype("float32")).all():
            raise ValueError(
                "`x` must be finite. Received: samples with NaN or infinity"
            )
        self.warn_of_range(samples)

    def warn_of_range(self, samples: np.ndarray) -> None:
        """Warns of samples that are far wider than generated ones."""
        classes = np.arange(COMPARED) % self.num_classes
        found = np.abs(self.generate(classes)).max()
        largest = np.abs(samples.astype("float32")).max()
        if largest > WIDEST * max(found, 1e-6):
            warnings.warn(
                "Real samples must be in the range of generated ones, or the "
                "discriminator tells them apart by it: scale `x`, for "
                "instance pixels to [-1, 1] for a generator that ends in "
                f"tanh. Received: real values up to {largest:.3g}, generated "
                f"ones up to {found:.3g}",
                stacklevel=3,
            )

    def expected_data(self) -> tuple[str, str]:
        """What valid samples and labels are, for error messages."""
        return "finite numbers", self.targets.description

    # === Saving ===

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(
                self.discriminator
            ),
            "noise_dim": self.noise_dim,
            "positive_unlabeled": self.positive_unlabeled,
            "seed": self.seed,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
    ) -> "ConditionalGenerator":
        parts = {
            name: keras.saving.deserialize_keras_object(
                config[name], custom_objects
            )
            for name in ("generator", "discriminator")
        }
        return cls(**{**config, **parts})
