"""Inner products of samples, for every block of every part."""

from collections.abc import Sequence

import numpy as np

from keras_reprogram.outputs.kernel_regression import unit_norm
from keras_reprogram.typing import FixedShape

ROWS_OF_A_PRODUCT = 256


class InnerProducts:
    """Inner products `[N, N]` of samples, for every block of every part.

    Blocks are centered and scaled to a mean norm of 1.

    Args:
        features: For each part, an array `[N, S]`, in memory or on disk.
        block_sizes: For each part, the sizes of its blocks.
    """

    def __init__(
        self,
        features: Sequence[np.ndarray],
        block_sizes: Sequence[FixedShape],
    ) -> None:
        self.features = features
        self.block_sizes = block_sizes
        self.kernels: list[list[np.ndarray]] = []
        self.units: list[list[float]] = []
        for part, sizes in zip(features, block_sizes):
            kernels, units = [], []
            for start, size in zip(np.cumsum([0, *sizes]), sizes):
                block = np.asarray(part[:, start : start + size], "float32")
                block = block - block.mean(axis=0)
                unit = unit_norm(block)
                block *= unit
                kernels.append(block @ block.T)
                units.append(unit)
            self.kernels.append(kernels)
            self.units.append(units)

    def blocks(self, parts: Sequence[int]) -> list[np.ndarray]:
        """Returns the inner products of each block of several parts."""
        return [kernel for part in parts for kernel in self.kernels[part]]

    def factors(
        self, parts: Sequence[int], exponent: float
    ) -> list[np.ndarray]:
        """Returns what the inner products of each block are multiplied by.

        The factors of a part add up to 1, so that every source counts as much
        as the others: norms are of different units in two networks, and a
        network of more blocks is not worth more for it.

        Args:
            parts: Indices of parts.
            exponent: Float. A block of norm `n` is scaled to `n^(1 - e)`, in
                proportion to the other blocks of its part.

        Returns:
            For each part, an array of a factor for each of its blocks.
        """
        found = []
        for part in parts:
            factors = np.asarray(self.units[part]) ** (2 * (exponent - 1))
            found.append(factors / factors.sum())
        return found

    def kernel(self, parts: Sequence[int], exponent: float = 1.0) -> np.ndarray:
        """Returns the sum of the blocks' inner products.

        Args:
            parts: Indices of parts.
            exponent: As for `factors`. Defaults to `1.0`, blocks of a mean
                norm of 1.
        """
        factors = np.concatenate(self.factors(parts, exponent))
        blocks = self.blocks(parts)
        total = np.zeros(blocks[0].shape)
        for factor, block in zip(factors, blocks):
            total += factor * block
        return total

    def weights(
        self,
        parts: Sequence[int],
        coefficients: np.ndarray,
        rows: np.ndarray | None = None,
        exponent: float = 1.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns a combination of samples as weights of features.

        Args:
            parts: Indices of parts.
            coefficients: Array `[M, T]`. A combination of samples.
            rows: Indices `[M]` of these samples. Defaults to `None`, all.
            exponent: As for `factors`. Defaults to `1.0`.

        Returns:
            Weights `[S, T]` of the parts' features, one part after the other,
            and the bias `[T]` that centering amounts to.
        """
        found, bias = [], np.zeros(coefficients.shape[1])
        for part, factors in zip(parts, self.factors(parts, exponent)):
            features = self.features[part]
            squares = np.repeat(
                factors * np.square(self.units[part]), self.block_sizes[part]
            )[:, None]
            mean = features.mean(axis=0, dtype="float64")
            product = np.zeros((features.shape[1], coefficients.shape[1]))
            indices = np.arange(len(features)) if rows is None else rows
            for start in range(0, len(indices), ROWS_OF_A_PRODUCT):
                chosen = indices[start : start + ROWS_OF_A_PRODUCT]
                product += (features[chosen] - mean).T @ coefficients[
                    start : start + ROWS_OF_A_PRODUCT
                ]
            weights = squares * product
            bias -= mean @ weights
            found.append(weights)
        return np.concatenate(found), bias
