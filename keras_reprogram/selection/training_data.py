"""What candidates are fitted to: features of samples, and their labels."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from keras_reprogram.progress import Progress
from keras_reprogram.selection.augmented_copies import augmented_copies
from keras_reprogram.selection.augmented_copies import number_of_copies
from keras_reprogram.selection.cached_features import CachedFeatures
from keras_reprogram.selection.inner_products import InnerProducts
from keras_reprogram.selection.labeled import Labeled
from keras_reprogram.selection.parts import Part


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingData:
    """Features of samples, and their labels.

    Args:
        parts: List of `Part`s.
        products: The `InnerProducts` of their features.
        labeled: The `Labeled` samples.
    """

    parts: Sequence[Part]
    products: InnerProducts
    labeled: Labeled


@dataclasses.dataclass(frozen=True)
class Passes:
    """Passes of samples through sources, whose outputs are kept.

    Args:
        samples: Array `[N, ...]`.
        cache: The `CachedFeatures`.
        batch_size: Integer. Samples of a batch.
        verbose: As for `Progress`.
    """

    samples: np.ndarray
    cache: CachedFeatures
    batch_size: int
    verbose: str | int

    def training_data(
        self, parts: Sequence[Part], labeled: Labeled
    ) -> TrainingData:
        """Returns the features of samples, computed by each part."""
        return self.computed(
            parts,
            labeled,
            self.samples,
            [None] * len(parts),
            "Computing the features of samples",
        )

    def augmented(
        self,
        data: TrainingData,
        indices: Sequence[int],
        augmentation: keras.layers.Layer,
        seed: int,
    ) -> TrainingData:
        """Returns the features of samples and of augmented copies of them.

        Args:
            data: The `TrainingData` of the samples.
            indices: Indices of the parts that compute features.
            augmentation: Keras layer that keeps the shape of a sample.
            seed: Integer. Seed of the augmentation.
        """
        copies = number_of_copies(len(self.samples))
        first = data.parts[indices[0]].transformation
        dtype = first.sample_dtype or keras.config.floatx()
        samples = augmented_copies(
            self.cache.temporary_file("copies.npy"),
            self.samples.astype(dtype),
            augmentation,
            copies,
            self.batch_size,
            seed,
        )
        return self.computed(
            [data.parts[index] for index in indices],
            dataclasses.replace(data.labeled, copies=copies),
            samples,
            [data.products.features[index] for index in indices],
            "Computing the features of augmented copies",
        )

    def computed(
        self,
        parts: Sequence[Part],
        labeled: Labeled,
        samples: np.ndarray,
        known: Sequence[np.ndarray | None],
        title: str,
    ) -> TrainingData:
        """Returns features, of which those of the first samples are known.

        Args:
            parts: List of `Part`s.
            labeled: The `Labeled` samples.
            samples: Array of them.
            known: For each part, an array of the features of the first samples,
                or `None`.
            title: String. What the progress bar counts.
        """
        count = sum(len(samples) - (0 if k is None else len(k)) for k in known)
        progress = Progress(title, count, self.verbose, "sample")
        features = [
            self.cache.features(
                part.new_model(labeled.num_classes),
                samples,
                self.batch_size,
                progress.add,
                of_part,
            )
            for part, of_part in zip(parts, known)
        ]
        sizes = [part.block_sizes for part in parts]
        return TrainingData(parts, InnerProducts(features, sizes), labeled)
