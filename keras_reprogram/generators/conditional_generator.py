"""A generator of classes and its discriminator."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.generators import data_checks
from keras_reprogram.generators.adversarial_training import AdversarialTrainer
from keras_reprogram.generators.adversarial_training import LabeledSamples
from keras_reprogram.generators.adversarial_training import Scores
from keras_reprogram.generators.projection_discriminator import (
    ProjectionDiscriminator,
)
from keras_reprogram.inputs.noise.conditional_noise import LABELS
from keras_reprogram.inputs.noise.conditional_noise import NOISE
from keras_reprogram.models import batches
from keras_reprogram.models.invalid_data import InvalidData
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor


@serializable
class ConditionalGenerator(AdversarialTrainer):
    """Generates samples of classes, trained against a discriminator.

    With real samples `x` of classes `y`, noise `u`, the generator `G`, and the
    discriminator `D`, one step of `fit` minimizes both hinge losses:

    ```
    L_D = (1 + pi) mean relu(1 - D(x, y))
          + relu(mean relu(1 + D(G(u, y), y)) - pi mean relu(1 + D(x, y)))
    L_G = -mean D(G(u, y), y)
    ```

    `L_D` has no gradient for `G`, and `L_G` none for `D`. Over the steps of
    `fit`, `pi` rises along a line from `1 / num_classes` to 1, and is 0 in the
    first 30: generated samples count as unlabeled, since ever more are good.

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
        # A class as bfloat16 would be another one.
        super().__init__(**{"autocast": False, **kwargs})
        if not isinstance(discriminator, ProjectionDiscriminator):
            raise ValueError(
                "`discriminator` must be a `ProjectionDiscriminator`. "
                f"Received: discriminator={discriminator!r}"
            )
        self.generator = generator
        self.discriminator = discriminator
        self.noise_dim = positive_integer("noise_dim", noise_dim)
        data_checks.check_generator(
            generator, discriminator.num_classes, self.noise_dim
        )
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
                aggregation="only_first_replica",
            )
            for name in ("num_steps", "steps_made")
        )
        self.built = True

    @property
    def source(self) -> keras.Model | None:
        """The frozen source of a `ReprogrammedModel`, or `None`."""
        return getattr(self.generator, "source", None)

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """The variables that training changes."""
        of_generator = getattr(
            self.generator, "learned_variables", self.generator.variables
        )
        return [*of_generator, *self.discriminator.variables]

    def check_shapes(self) -> None:
        expected = tuple(self.discriminator.features.input_shape[1:])
        if len(expected) != len(self.sample_shape) or any(
            size not in (None, found)
            for size, found in zip(expected, self.sample_shape)
        ):
            raise ValueError(
                "The discriminator must take what the generator returns. "
                f"Received: samples of shape {self.sample_shape} and features "
                f"of samples of shape {expected}"
            )

    # === Generation ===

    def generate(
        self, labels: Data, seed: int = 0, batch_size: int = 128
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
        labels = batches.to_numpy(labels)
        self.targets.check_integers(labels)
        if not len(labels):
            raise ValueError(
                "`labels` must hold at least one class. Received: no labels"
            )
        noise = np.random.default_rng(check_seed(seed)).standard_normal(
            (len(labels), self.noise_dim), "float32"
        )
        samples = self.predict(
            {LABELS: labels.reshape(-1).astype("int32"), NOISE: noise},
            batch_size=positive_integer("batch_size", batch_size),
            verbose=0,
        )
        return np.asarray(samples, "float32")

    def predict(self, x: Data, *args: Any, **kwargs: Any) -> Tensor:
        if isinstance(x, dict) and LABELS in x:
            labels = batches.to_numpy(x[LABELS])
            self.targets.check_integers(labels)
        # A `ReprogrammedModel` checks the rest.
        return self.generator.predict(x, *args, **kwargs)

    def call(self, inputs: Any, training: bool = False) -> Tensor | Scores:
        if isinstance(inputs, LabeledSamples):
            return self.scores(inputs, training)
        return self.generator(inputs, training=training)

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
