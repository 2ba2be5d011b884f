"""A discriminator that compares a sample with a class."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.constraints import SpectralNorm
from keras_reprogram.typing import Tensor


@serializable
class ProjectionDiscriminator(keras.Model):
    """Scores how real a sample of a class is.

    ```
    D(x, y) = v . phi(x) + b + e_y . phi(x)
    ```

    With `phi` the features of a sample and `e_y` a vector for each class.

    Example:

    ```python
    discriminator = keras_reprogram.generators.ProjectionDiscriminator(
        keras_reprogram.generators.image_features((28, 28, 1)), num_classes=10
    )
    images = np.random.rand(2, 28, 28, 1)
    discriminator([images, np.array([3, 7])]).shape  # (2,)
    ```

    Args:
        features: `keras.Model` from samples to features `(batch, F)`. It is
            trained.
        num_classes: Integer. Number of classes.
        **kwargs: `name`, `trainable` and `dtype`, as of `keras.Model`.

    Call arguments:
        inputs: Tuple of samples, a tensor `(batch, ...)`, and classes, an
            integer tensor `(batch,)`.
        training: Boolean. Whether the features are computed as in training.
            Defaults to `False`.

    Returns:
        A tensor `(batch,)` of scores, positive for real samples.

    References:
        - [Projection discriminator](https://arxiv.org/abs/1802.05637)
    """

    def __init__(
        self, features: keras.Model, num_classes: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(features, keras.Model) or (
            not is_of_vectors(getattr(features, "output_shape", ()))
        ):
            raise ValueError(
                "`features` must be a built `keras.Model` that returns "
                f"features of shape (batch, F). Received: features={features!r}"
            )
        self.features = features
        self.num_classes = positive_integer("num_classes", num_classes)
        size = features.output_shape[-1]
        self.score = keras.layers.Dense(1, kernel_constraint=SpectralNorm())
        self.score.build((None, size))
        self.class_vectors = self.add_weight(
            name="class_vectors",
            shape=(self.num_classes, size),
            initializer="zeros",
        )
        self.built = True

    def call(
        self, inputs: tuple[Tensor, Tensor], training: bool = False
    ) -> Tensor:
        samples, classes = inputs
        features = self.features(samples, training=training)
        vectors = ops.take(
            ops.convert_to_tensor(self.class_vectors),
            ops.cast(classes, "int32"),
            axis=0,
        )
        vectors = ops.cast(vectors, features.dtype)
        matches = ops.sum(ops.multiply(vectors, features), axis=-1)
        scores = ops.squeeze(self.score(features), axis=-1)
        return ops.add(
            ops.cast(scores, "float32"), ops.cast(matches, "float32")
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "features": keras.saving.serialize_keras_object(self.features),
            "num_classes": self.num_classes,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
    ) -> "ProjectionDiscriminator":
        features = keras.saving.deserialize_keras_object(
            config["features"], custom_objects
        )
        return cls(**{**config, "features": features})


def is_of_vectors(shape: tuple[object, ...]) -> bool:
    """Whether outputs of this shape are one vector of a known size each."""
    return len(shape) == 2 and isinstance(shape[-1], int)
