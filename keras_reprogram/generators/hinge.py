"""The hinge losses of a generator and of its discriminator."""

from keras import ops

from keras_reprogram.typing import Tensor


def discriminator_loss(
    real: Tensor,
    fake: Tensor,
    share: Tensor | float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Hinge loss of a discriminator, for generated samples without labels.

    ```
    (1 + pi) mean relu(1 - D(x)) + relu(mean relu(1 + D(g)) - pi mean relu(1 + D(x)))
    ```

    A share `pi` of the generated samples `g` counts as real: they are a
    mixture of good ones and bad ones, so they are unlabeled instead of negative.
    `pi` = 0 is the hinge loss itself.

    Args:
        real: Tensor `(batch,)`. Scores of real samples.
        fake: Tensor `(batch,)`. Scores of generated samples.
        share: Float or scalar tensor, `pi`. Defaults to `0.0`.
        weights: Tensor `(batch,)`. Weights of samples. Defaults to `None`.

    Returns:
        A scalar tensor.

    References:
        - [InRep+](https://arxiv.org/abs/2201.02692)
    """  # noqa: E501
    as_real = weighted_mean(ops.relu(ops.subtract(1.0, real)), weights)
    as_fake = weighted_mean(ops.relu(ops.add(1.0, real)), weights)
    of_fake = weighted_mean(ops.relu(ops.add(1.0, fake)), weights)
    share = ops.cast(share, as_real.dtype)
    negative = ops.relu(ops.subtract(of_fake, ops.multiply(share, as_fake)))
    return ops.add(ops.multiply(ops.add(1.0, share), as_real), negative)


def generator_loss(fake: Tensor, weights: Tensor | None = None) -> Tensor:
    """Returns minus the mean score of generated samples."""
    return ops.negative(weighted_mean(fake, weights))


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return ops.mean(values)
    weights = ops.cast(ops.reshape(weights, (-1,)), values.dtype)
    return ops.mean(ops.multiply(values, weights))
