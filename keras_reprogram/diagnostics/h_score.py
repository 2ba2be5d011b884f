"""H-score: the variance between classes, in units of the features' own."""

import numbers

import numpy as np

from keras_reprogram.diagnostics.gram import Spectrum
from keras_reprogram.diagnostics.gram import spectrum
from keras_reprogram.diagnostics.labels import checked_features
from keras_reprogram.diagnostics.labels import class_indices
from keras_reprogram.typing import Tensor


def h_score(
    features: Tensor,
    labels: Tensor,
    shrinkage: str | float = "ledoit_wolf",
) -> float:
    """Returns how far the means of classes are from each other.

    The H-score is

    ```
    H = trace(cov(f)^-1 cov(E[f | y]))
    ```

    With fewer samples than features the covariance has no inverse, and with a
    pseudo-inverse every set of features separates all samples. The shrunk
    H-score replaces it by the estimate of Ledoit and Wolf,

    ```
    cov_c(f) = (1 - c) cov(f) + c trace(cov(f)) / D I
    H_c = (1 - c) trace(cov_c(f)^-1 cov(E[f | y]))
    ```

    whose coefficient `c` is computed from the features. Both are computed from
    the products of samples, in time that is linear in `D`.

    A larger value is better; with `T` classes it is at most `T - 1`.

    Example:

    ```python
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = np.eye(3)[labels] + 0.1 * generator.normal(size=(60, 3))
    h_score(features, labels)  # about 2
    h_score(generator.normal(size=(60, 3)), labels)  # about 0.1
    ```

    Args:
        features: Array or tensor `[N, ...]`. Outputs of a source, flattened to
            `[N, D]`.
        labels: Array or tensor `[N]`. Classes as integers or strings, or
            one-hot rows.
        shrinkage: String or float. The coefficient `c` from 0 to 1, or
            `"ledoit_wolf"` for the estimated one. `0` is the original
            H-score, with a pseudo-inverse. Defaults to `"ledoit_wolf"`.

    Returns:
        A float.

    Raises:
        ValueError: If features are not finite, labels are numbers instead of
            classes, or `shrinkage` is not valid.

    References:
        - Bao et al., "An Information-Theoretic Approach to Transferability in
          Task Transfer Learning", ICIP 2019.
        - [Shrinkage of the H-score](https://arxiv.org/abs/2110.06893)
        - Ledoit and Wolf, "A well-conditioned estimator for large-dimensional
          covariance matrices", 2004.
    """
    if shrinkage != "ledoit_wolf" and not (
        isinstance(shrinkage, numbers.Real)
        and not isinstance(shrinkage, bool)
        and 0 <= float(shrinkage) <= 1
    ):
        raise ValueError(
            '`shrinkage` must be "ledoit_wolf" or a number from 0 to 1. '
            f"Received: shrinkage={shrinkage!r}"
        )
    array = checked_features(features, labels)
    classes = class_indices(labels)
    if classes is None:
        raise ValueError(
            "The H-score needs classes: pass integers, or use `logme` for "
            "numbers and binary targets. Received: labels of dtype "
            f"{getattr(labels, 'dtype', type(labels).__name__)} and shape "
            f"{np.shape(labels)}"
        )
    return shrunk_h_score(array, array.shape[1], classes, shrinkage)


def shrunk_h_score(
    features: np.ndarray,
    size: int,
    classes: np.ndarray,
    shrinkage: str | float = "ledoit_wolf",
) -> float:
    """Returns the H-score of features that may have been rotated.

    Args:
        features: Array `[N, R]`, with the products of samples of the original
            features.
        size: Integer. Number `D` of the original features.
        classes: Integer array `[N]`.
        shrinkage: As for `h_score`.
    """
    features = features - features.mean(axis=0)
    if shrinkage == "ledoit_wolf":
        shrinkage = ledoit_wolf(features, size)
    return separation(spectrum(features), size, classes, float(shrinkage))


def separation(
    features: Spectrum, size: int, classes: np.ndarray, shrinkage: float
) -> float:
    """Returns the H-score of centered features.

    Args:
        features: `Spectrum` of centered features `[N, D]`.
        size: Integer. `D`.
        classes: Integer array `[N]`.
        shrinkage: Float. `c`.
    """
    if not features.values.size or shrinkage == 1.0:
        return 0.0
    indicators = np.eye(classes.max() + 1)[classes]
    indicators /= np.sqrt(indicators.sum(axis=0))
    # Shares of each principal component's variance between classes.
    between = ((features.axes.T @ indicators) ** 2).sum(axis=1)
    variances = (1 - shrinkage) * features.values
    target = shrinkage * features.values.sum() / size
    return float((between * variances / (variances + target)).sum())


def ledoit_wolf(features: np.ndarray, size: int) -> float:
    """Returns the coefficient of shrinkage of Ledoit and Wolf.

    Args:
        features: Array `[N, R]`, centered.
        size: Integer. Number `D` of the original features.
    """
    samples = len(features)
    wide = samples <= features.shape[1]
    product = features @ features.T if wide else features.T @ features
    # Squared norms of the covariance and of the samples' own products.
    covariance = (product**2).sum() / samples**2
    own = ((features**2).sum(axis=1) ** 2).sum() / samples
    trace = (features**2).sum() / samples
    distance = covariance - trace**2 / size
    if distance <= 0:
        return 1.0 if trace > 0 else 0.0
    deviation = (own - covariance) / samples
    return float(min(max(deviation / distance, 0.0), 1.0))
