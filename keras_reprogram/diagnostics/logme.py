"""LogME: the largest evidence of a linear model of features."""

import numpy as np

from keras_reprogram.diagnostics.gram import Spectrum
from keras_reprogram.diagnostics.gram import spectrum
from keras_reprogram.diagnostics.labels import checked_features
from keras_reprogram.diagnostics.labels import target_columns
from keras_reprogram.typing import Tensor

MAXIMUM_ITERATIONS = 200
TOLERANCE = 1e-6
# Of the ratio of noise to prior, in units of the mean eigenvalue. Beyond these,
# the evidence has no maximum: the features explain the labels without noise, or
# not at all.
SMALLEST_RATIO, LARGEST_RATIO = 1e-8, 1e8


def logme(features: Tensor, labels: Tensor) -> float:
    """Returns how well a linear map of features explains labels.

    LogME is the logarithm of the evidence of Bayesian linear regression, at
    the precisions of prior and noise that maximize it. For one column `y` of
    `N` targets and features `F` of size `D`,

    ```
    w ~ Normal(0, 1 / a),  y ~ Normal(F w, 1 / b)

    A = a I + b F^T F,  m = b A^-1 F^T y

    log p(y | F, a, b) = N/2 log b + D/2 log a - N/2 log(2 pi)
                         - b/2 |F m - y|^2 - a/2 |m|^2 - 1/2 log det A
    ```

    The precisions are found by the fixed-point iteration of the paper,

    ```
    g = sum_i b s_i / (a + b s_i),  a = g / |m|^2,  b = (N - g) / |F m - y|^2
    ```

    with `s_i` the eigenvalues of `F^T F`. The result is divided by `N` and
    averaged over the columns, one of zeros and ones for each class.

    No weights are trained and no samples are held out. A larger value is
    better, and only values for the same labels can be compared. There is no
    bias term, as in the paper: add a column of ones for one.

    Example:

    ```python
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = np.eye(3)[labels] + 0.1 * generator.normal(size=(60, 3))
    other_features = generator.normal(size=(60, 3))
    logme(features, labels) > logme(other_features, labels)  # True
    ```

    Args:
        features: Array or tensor `[N, ...]`. Outputs of a source, flattened to
            `[N, D]`.
        labels: Array or tensor. Classes `[N]` as integers, strings or one-hot
            rows; or floating point numbers `[N]` or `[N, T]`. Integers of
            shape `[N, T]` are binary targets.

    Returns:
        A float, the mean log evidence of a sample.

    Raises:
        ValueError: If features or labels are not finite, their numbers differ,
            or there are fewer than two samples or classes.

    References:
        - [LogME](https://arxiv.org/abs/2102.11005)
        - [Ranking and tuning pre-trained models](https://arxiv.org/abs/2110.10545)
    """  # noqa: E501
    return evidence(
        spectrum(checked_features(features, labels)), target_columns(labels)
    )


def evidence(features: Spectrum, targets: np.ndarray) -> float:
    """Returns the largest log evidence, averaged over samples and columns.

    Args:
        features: `Spectrum` of features `[N, D]`.
        targets: Array `[N, T]`.
    """
    samples = len(targets)
    values = features.values[:, None]
    # A column of zeros is explained without noise whatever the features.
    targets = targets[:, (targets != 0).any(axis=0)]
    if not values.size or not targets.size:
        values, loads = np.ones((1, 1)), np.zeros((1, targets.shape[1]))
    else:
        loads = (features.axes.T @ targets) ** 2
    unexplained = (targets**2).sum(axis=0) - loads.sum(axis=0)
    if len(features.values) == samples:
        unexplained[:] = 0.0
    unexplained = unexplained.clip(0)
    unit = values.mean()
    ratio = np.full(targets.shape[1], unit)
    for _ in range(MAXIMUM_ITERATIONS):
        shrinkage = ratio / (values + ratio)  # a / (a + b s)
        used = (1 - shrinkage).sum(axis=0)
        left = samples - len(values) + shrinkage.sum(axis=0)
        error = unexplained + (shrinkage**2 * loads).sum(axis=0)
        norm = (values * loads / (values + ratio) ** 2).sum(axis=0)
        previous = ratio
        ratio = (used * error / np.maximum(norm * left, 1e-300)).clip(
            SMALLEST_RATIO * unit, LARGEST_RATIO * unit
        )
        if (np.abs(ratio - previous) <= TOLERANCE * previous).all():
            break
    # With the ratio a / b fixed, the largest evidence has a closed form.
    error = unexplained + (ratio / (values + ratio) * loads).sum(axis=0)
    determinant = np.log1p(values / ratio).sum(axis=0)
    noise = np.log(2 * np.pi * error / samples) + 1
    return float(np.mean(-noise / 2 - determinant / (2 * samples)))
