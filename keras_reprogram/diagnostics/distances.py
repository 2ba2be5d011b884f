"""Wasserstein-1 distances between two sets of vectors."""

import math
from types import ModuleType

import numpy as np

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import positive_integer
from keras_reprogram.models import batches
from keras_reprogram.optional_packages import optional_package
from keras_reprogram.typing import Tensor


def sliced_wasserstein(
    a: Tensor, b: Tensor, num_projections: int = 128, seed: int = 0
) -> float:
    """Returns the sliced Wasserstein-1 distance of two sets of vectors.

    ```
    SW1(a, b) = mean over directions u of W1(a @ u, b @ u)
    W1(p, q)  = integral from 0 to 1 of |quantile_p(t) - quantile_q(t)| dt
    ```

    Directions are uniform on the unit sphere, and `W1` of the projections is
    exact, also for sets of different sizes. In one dimension the result is
    exact. Otherwise it varies with the directions, by a standard deviation
    that falls with the square root of their number.

    Two sets from one distribution have a distance above 0, which falls with
    their sizes: compare distances of sets of the same sizes.

    Example:

    ```python
    a = np.random.normal(size=(100, 8))
    distance = keras_reprogram.diagnostics.sliced_wasserstein(a, a + 1.0)
    ```

    Args:
        a: Array or tensor `[N, D]`, or `[N]` for numbers.
        b: Array or tensor `[M, D]`, or `[M]`.
        num_projections: Integer. Number of directions. Defaults to `128`.
        seed: Integer. Seed of the directions. Defaults to `0`.

    Returns:
        The distance, a float.

    Raises:
        ValueError: If a set is empty, contains values that are not finite
            numbers, or vectors of another length than the other set, or a
            setting is not valid.

    References:
        - [Sliced and Radon Wasserstein barycenters](https://doi.org/10.1007/s10851-014-0506-3)
    """
    a, b = checked_pair(a, b)
    num_projections = positive_integer("num_projections", num_projections)
    generator = np.random.default_rng(check_seed(seed))
    if a.shape[1] > 1:
        directions = generator.normal(size=(a.shape[1], num_projections))
        directions /= np.linalg.norm(directions, axis=0)
        a, b = a @ directions, b @ directions
    return float(quantile_distances(a, b).mean())


def quantile_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns `W1` of each column of `a` `[N, P]` and of `b` `[M, P]`.

    Quantile functions are constant between multiples of `1 / N` and `1 / M`.
    These are counted in units of `1 / (N M)`, as integers.
    """
    n, m = len(a), len(b)
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = np.concatenate([[0], ends[:-1]])
    a, b = np.sort(a, axis=0), np.sort(b, axis=0)
    gaps = np.abs(a[starts // m] - b[starts // n])
    distances: np.ndarray = (ends - starts) @ gaps / (n * m)
    return distances


def sliced_constant(dimensions: int) -> float:
    """Returns the mean length of a unit vector's projection.

    ```
    c = gamma(D / 2) / (sqrt(pi) gamma((D + 1) / 2))
    ```

    For any two sets `SW1 <= c W1`, where `SW1` is the mean over all
    directions. For a set and itself, translated, both sides are equal.
    """
    logarithm = math.lgamma(dimensions / 2) - math.lgamma((dimensions + 1) / 2)
    return math.exp(logarithm) / math.sqrt(math.pi)


def wasserstein(a: Tensor, b: Tensor) -> float:
    """Returns the Wasserstein-1 distance of two sets of the same size.

    ```
    W1(a, b) = min over permutations s of mean_i |a[i] - b[s(i)]|
    ```

    The assignment is solved exactly, in time that grows with the third power
    of the size: a second for 1,000 vectors. The distance of samples is above
    that of the distributions that they are drawn from, and in many dimensions
    the excess falls slowly with their number. It needs SciPy, for instance by
    `pip install keras-reprogram[diagnostics]`.

    Example:

    ```python
    a = np.random.normal(size=(100, 8))
    distance = keras_reprogram.diagnostics.wasserstein(a, a + 1.0)
    ```

    Args:
        a: Array or tensor `[N, D]`, or `[N]` for numbers.
        b: Array or tensor `[N, D]`, or `[N]`.

    Returns:
        The distance, a float.

    Raises:
        ValueError: If the sets have different sizes, a set is empty, or
            contains values that are not finite numbers.
    """
    return least_mean_cost(euclidean_distances(*checked_pair(a, b)))


def euclidean_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the distances `[N, M]` of vectors `[N, D]` and `[M, D]`."""
    distances: np.ndarray = scipy("spatial.distance").cdist(a, b)
    return distances


def least_mean_cost(costs: np.ndarray) -> float:
    """Returns the mean cost of the best assignment of rows to columns.

    Args:
        costs: Array `[N, N]`.

    Raises:
        ValueError: If the numbers of rows and columns differ.
    """
    if costs.shape[0] != costs.shape[1]:
        raise ValueError(
            "The exact distance needs two sets of the same size: draw as many "
            "from the larger one, or use `sliced_wasserstein`. Received: "
            f"{costs.shape[0]} and {costs.shape[1]} vectors"
        )
    rows, columns = scipy("optimize").linear_sum_assignment(costs)
    return float(costs[rows, columns].mean())


def scipy(module: str) -> ModuleType:
    user = "An exact Wasserstein distance"
    return optional_package(f"scipy.{module}", "diagnostics", user)


def checked_pair(a: Tensor, b: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of vectors of one length as float64 arrays."""
    a, b = vectors("a", a), vectors("b", b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            "Both sets must have vectors of the same length. Received: "
            f"vectors of {a.shape[1]} and of {b.shape[1]} numbers"
        )
    return a, b


def vectors(name: str, values: Tensor) -> np.ndarray:
    """Returns a set of vectors `[N, D]` as a float64 array, checked."""
    shape: tuple[int, ...] | None = None
    try:
        array = batches.to_numpy(values)
        shape = array.shape
        is_real = array.dtype.kind != "c"
        # NumPy warns of the imaginary parts that a cast would lose.
        array = array.astype("float64") if is_real else np.empty(shape)
    except (TypeError, ValueError):
        array, is_real = np.empty(0), False
    if array.ndim == 1:
        array = array[:, None]
    is_finite = is_real and bool(np.isfinite(array).all())
    if array.ndim != 2 or not array.size or not is_finite:
        raise ValueError(
            f"`{name}` must be an array of shape `(vectors, length)`, or "
            "`(vectors,)` for numbers, that is not empty and contains finite "
            f"real numbers alone. Received: {name} of type "
            f"{type(values).__name__} and shape {shape}"
        )
    return array


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Squared Wasserstein distance of normal distributions.

    With means `m` and covariances `C` of two sets of vectors,

    ```
    |m_a - m_b|^2 + trace(C_a + C_b - 2 (C_a C_b)^(1/2))
    ```

    Of the features of a network for real and for generated images, it is known
    as the Fréchet inception distance.

    Example:

    ```python
    a = np.random.randn(1000, 4)
    keras_reprogram.diagnostics.frechet_distance(a, a + 1.0)  # 4.0
    ```

    Args:
        a: Array or tensor `(vectors, length)`, of two vectors or more.
        b: Array or tensor of vectors of the same length.

    Returns:
        Float, at least 0.

    Raises:
        ValueError: If there are fewer than two vectors, or values are not
            finite.

    References:
        - [GANs trained by a two time-scale update rule](https://arxiv.org/abs/1706.08500)
    """
    values = checked_pair(a, b)
    if min(map(len, values)) < 2:
        raise ValueError(
            "A covariance needs two vectors or more. Received: "
            f"{len(values[0])} and {len(values[1])} vectors"
        )
    means = [np.mean(each, axis=0) for each in values]
    covariances = [np.atleast_2d(np.cov(each, rowvar=False)) for each in values]
    root = symmetric_root(covariances[0])
    cross = symmetric_root(root @ covariances[1] @ root)
    distance = np.sum(np.square(means[0] - means[1])) + np.trace(
        covariances[0] + covariances[1] - 2.0 * cross
    )
    return max(0.0, float(distance))


def symmetric_root(matrix: np.ndarray) -> np.ndarray:
    """Square root of a symmetric matrix without negative eigenvalues."""
    eigenvalues, eigenvectors = np.linalg.eigh(matrix)
    scaled = eigenvectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    root: np.ndarray = scaled @ eigenvectors.T
    return root
