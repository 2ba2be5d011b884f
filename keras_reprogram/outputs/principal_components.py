"""Principal components of features, scaled to one mean norm."""

import numpy as np

MOST_ROWS = 2000


def principal_components(
    rows: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean of rows and their first principal components.

    The mean squared norm of `(rows - mean) @ components` is 1. Of more than
    2000 rows, as many evenly spaced ones are taken.

    Args:
        rows: Array `[N, D]`.
        count: Integer. Number of components, `C`. Those beyond the rank of the
            rows are zero.

    Returns:
        The mean `[D]` and the components `[D, C]`, float64 arrays.
    """
    rows = rows[:: -(-len(rows) // MOST_ROWS)].astype("float64")
    mean = rows.mean(axis=0)
    centered = rows - mean
    samples, size = centered.shape
    is_wide = samples <= size
    product = centered @ centered.T if is_wide else centered.T @ centered
    values, axes = np.linalg.eigh(product)
    # Smaller ones are rounding errors.
    smallest = max(values[-1], 0.0) * max(samples, size) * 1e-15
    kept = np.flatnonzero(values > smallest)[::-1][:count]
    values, axes = values[kept], axes[:, kept]
    if is_wide:
        axes = centered.T @ (axes / np.sqrt(values))
    components = np.zeros((size, count))
    if len(kept):
        components[:, : len(kept)] = axes / np.sqrt(values.sum() / samples)
    return mean, components
