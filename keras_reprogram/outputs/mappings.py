"""How a label map's matrix is found: pure functions on NumPy arrays.

Throughout, `S` is the number of source classes, `T` of target classes, `N`
of samples. Statistics and matrices have the shape `[S, T]`. A target class
of which there is no sample keeps its column.
"""

import heapq
from typing import Any

import numpy as np

from keras_reprogram.vectors import unit_vectors


def count_statistics(
    logits: np.ndarray, labels: np.ndarray, num_classes: int
) -> np.ndarray:
    """Counts how often source class `s` is predicted for target class `t`.

    Example:

    ```python
    count_statistics(np.eye(3), np.array([0, 1, 1]), num_classes=2)
    # [[1, 0], [0, 1], [0, 1]]
    ```

    Args:
        logits: Array `[N, S]` of the source's logits or probabilities.
        labels: Integer array `[N]` of target classes; or, for binary targets,
            an array `[N, T]` of 0, 1 and NaN, where a 1 counts.
        num_classes: `T`.

    Returns:
        An array `[S, T]` that sums to `N`, or to the number of ones.
    """
    logits, labels = check_samples(logits, labels, num_classes)
    sources = logits.shape[1]
    if labels.ndim == 2:
        counts = np.zeros((sources, num_classes))
        np.add.at(counts, logits.argmax(axis=1), np.nan_to_num(labels))
        return counts
    cells = logits.argmax(axis=1) * num_classes + labels
    counts = np.bincount(cells, minlength=sources * num_classes)
    return counts.reshape(sources, num_classes)


def top_k_statistics(
    logits: np.ndarray, labels: np.ndarray, num_classes: int, k: int
) -> np.ndarray:
    """Sums each sample's `k` largest softmax probabilities by target class.

    The other probabilities count as 0, and the `k` are not normalized again.

    Args:
        logits: Array `[N, S]` of the source's logits.
        labels: As for `count_statistics`.
        num_classes: `T`.
        k: Number of source classes that count for a sample, at most `S`.
            `0`, as `int(0.15 * T)` gives for few classes, counts as 1.

    Returns:
        A float64 array `[S, T]`.

    References:
        - [Bayesian-guided label mapping](https://arxiv.org/abs/2410.24018)
    """
    logits, labels = check_samples(logits, labels, num_classes)
    sources = logits.shape[1]
    if not 0 <= k <= sources:
        raise ValueError(
            f"`k` must be between 0 and the {sources} source classes. "
            f"Received: k={k}"
        )
    k = max(k, 1)
    exponentials = np.exp(
        logits.astype("float64") - logits.max(axis=1, keepdims=True)
    )
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    top = np.argpartition(probabilities, -k, axis=1)[:, -k:]
    weights = np.take_along_axis(probabilities, top, axis=1)
    if labels.ndim == 2:
        sums = np.zeros((sources, num_classes))
        ones = np.nan_to_num(labels)
        np.add.at(sums, top, weights[:, :, None] * ones[:, None, :])
        return sums
    cells = top * num_classes + labels[:, None]
    sums = np.bincount(
        cells.ravel(),
        weights=weights.ravel(),
        minlength=sources * num_classes,
    )
    return sums.reshape(sources, num_classes)


def identity_mapping(
    num_sources: int, num_classes: int, sources_per_target: int = 1
) -> np.ndarray:
    """Maps consecutive blocks of source classes to consecutive targets.

    Args:
        num_sources: `S`.
        num_classes: `T`.
        sources_per_target: Source classes in a block.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.
    """
    order = np.arange(num_sources)
    return blocks_to_matrix(order, num_classes, sources_per_target)


def random_mapping(
    num_sources: int,
    num_classes: int,
    sources_per_target: int = 1,
    seed: int | None = None,
) -> np.ndarray:
    """Gives every target class source classes at random, none of them twice.

    Args:
        num_sources: `S`.
        num_classes: `T`.
        sources_per_target: Source classes of a target class.
        seed: Seed of `numpy.random.default_rng`.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.
    """
    order = np.random.default_rng(seed).permutation(num_sources)
    return blocks_to_matrix(order, num_classes, sources_per_target)


def frequency_mapping(
    statistics: np.ndarray, sources_per_target: int = 1
) -> np.ndarray:
    """Gives every target class the source classes predicted most often.

    Greedy: take the largest cell of the statistics, the first in row-major
    order where several are equal; give its source to its target; leave out
    the source's row, and the target's column once it is full.

    Args:
        statistics: Array `[S, T]`, for instance from `count_statistics`.
        sources_per_target: Source classes of a target class.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.

    References:
        - [Black-box Adversarial Reprogramming](https://arxiv.org/abs/2007.08714)
        - [ILM-VP](https://arxiv.org/abs/2211.11635)
    """
    statistics = check_statistics(statistics)
    sources, targets = statistics.shape
    check_capacity(sources, targets, sources_per_target)
    matrix = np.zeros((sources, targets))
    room = np.full(targets, sources_per_target)
    # A row's best cell among the columns with room only gets smaller, so it
    # is looked up again only when its row is the next and its column full.
    best = statistics.argmax(axis=1)
    rows = list(zip(-statistics.max(axis=1), range(sources)))
    heapq.heapify(rows)
    for _ in range(sources_per_target * targets):
        _, row = heapq.heappop(rows)
        while room[best[row]] == 0:
            cells = np.where(room > 0, statistics[row], -np.inf)
            best[row] = cells.argmax()
            _, row = heapq.heappushpop(rows, (-cells[best[row]], row))
        matrix[row, best[row]] = 1.0 / sources_per_target
        room[best[row]] -= 1
    return matrix


def bayesian_mapping(
    statistics: np.ndarray, smoothing: float = 1.0
) -> np.ndarray:
    """Weighs every source class by how probable it makes the target class.

    `W = C / (rowsum(C) + smoothing)`, then every column divided by its sum.
    A target class without statistics gets the mean of all source classes.

    Args:
        statistics: Array `[S, T]`, from `count_statistics` (BLM) or
            `top_k_statistics` (BLM+).
        smoothing: The `lambda` of Laplace smoothing, at least 0.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.

    References:
        - [Bayesian-guided label mapping](https://arxiv.org/abs/2410.24018)
    """
    statistics = check_statistics(statistics)
    if not smoothing >= 0:
        raise ValueError(
            f"`smoothing` must be at least 0. Received: smoothing={smoothing}"
        )
    totals = statistics.sum(axis=1, keepdims=True) + smoothing
    matrix = statistics / np.where(totals > 0, totals, 1.0)
    sums = matrix.sum(axis=0)
    matrix[:, sums == 0] = 1.0
    return matrix / matrix.sum(axis=0)


def semantic_mapping(
    source_embeddings: np.ndarray,
    target_embeddings: np.ndarray,
    sources_per_target: int = 1,
) -> np.ndarray:
    """Gives every target class the source classes of the most similar names.

    In rounds, each target class in turn takes the source class that is the
    most similar to it, by the cosine of their embeddings, and not yet taken.

    Example:

    ```python
    matrix = keras_reprogram.outputs.mappings.semantic_mapping(
        np.eye(4), np.eye(4)[[2, 0]]
    )
    matrix.argmax(axis=0)  # [2, 0]
    mapper = keras_reprogram.LabelMapper(2, mapping=matrix)
    ```

    Args:
        source_embeddings: Array `[S, D]`, of the source classes' names.
        target_embeddings: Array `[T, D]`, of the target classes' names.
        sources_per_target: Source classes of a target class.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.

    References:
        - [AutoVP](https://arxiv.org/abs/2310.08381)
    """
    source, target = (
        check_numbers(name, embeddings).astype("float64")
        for name, embeddings in (
            ("source_embeddings", source_embeddings),
            ("target_embeddings", target_embeddings),
        )
    )
    if source.ndim != 2 or target.shape[1:] != source.shape[1:]:
        raise ValueError(
            "Embeddings must have the shapes [S, D] and [T, D]. Received: "
            f"{source.shape} and {target.shape}"
        )
    check_capacity(len(source), len(target), sources_per_target)
    source, target = (
        unit_vectors(embeddings, library=np) for embeddings in (source, target)
    )
    similarity = source @ target.T
    matrix = np.zeros(similarity.shape)
    for _ in range(sources_per_target):
        for column in range(len(target)):
            row = similarity[:, column].argmax()
            matrix[row, column] = 1.0 / sources_per_target
            similarity[row] = -np.inf
    return matrix


def fixed_mapping(groups: list[list[int]], num_sources: int) -> np.ndarray:
    """Maps hand-written groups of source classes to the target classes.

    Args:
        groups: For every target class, the indices of its source classes.
        num_sources: `S`.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.
    """
    matrix = np.zeros((num_sources, len(groups)))
    for target, group in enumerate(groups):
        indices = np.asarray(group, "int64")
        if (
            not indices.size
            or indices.min() < 0
            or indices.max() >= num_sources
        ):
            raise ValueError(
                "Every target class needs source classes between 0 and "
                f"{num_sources - 1}. Received: {group} for class {target}"
            )
        matrix[indices, target] = 1.0 / np.unique(indices).size
    return matrix


def selected_sources(matrix: np.ndarray) -> np.ndarray:
    """The source classes of every target, where all have as many.

    Args:
        matrix: Array `[S, T]` with `k` numbers other than zero in a column.

    Returns:
        An int32 array `[T, k]`, rising along its rows.
    """
    sources, targets = np.nonzero(matrix)
    order = np.argsort(targets, kind="stable")
    return sources[order].reshape(matrix.shape[1], -1).astype("int32")


def blocks_to_matrix(
    order: np.ndarray, num_classes: int, sources_per_target: int
) -> np.ndarray:
    check_capacity(len(order), num_classes, sources_per_target)
    matrix = np.zeros((len(order), num_classes))
    targets = np.repeat(np.arange(num_classes), sources_per_target)
    matrix[order[: targets.size], targets] = 1.0 / sources_per_target
    return matrix


def check_capacity(
    num_sources: int, num_classes: int, sources_per_target: int
) -> None:
    if sources_per_target < 1:
        raise ValueError(
            "`sources_per_target` must be at least 1. Received: "
            f"sources_per_target={sources_per_target}"
        )
    if sources_per_target * num_classes > num_sources:
        raise ValueError(
            f"{sources_per_target} source classes for each of {num_classes} "
            f"target classes are more than the source's {num_sources}: use "
            'fewer `sources_per_target`, or `mapping="linear"`. Received: '
            f"sources_per_target={sources_per_target}, "
            f"num_classes={num_classes}"
        )


def check_samples(
    logits: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    name: str = "logits",
) -> tuple[np.ndarray, np.ndarray]:
    """Returns samples and their labels as arrays, or raises."""
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or labels.shape not in (
        (len(logits),),
        (len(logits), num_classes),
    ):
        raise ValueError(
            f"`{name}` must have the shape [N, S] and `labels`, one integer a "
            "sample, the shape [N], or [N, T] for binary targets. Received: "
            f"{name} of {logits.shape}, labels of {labels.shape}"
        )
    logits = check_numbers(name, logits)
    if labels.ndim == 2:
        return logits, check_binary_labels(labels)
    return logits, check_labels(labels, num_classes)


def check_numbers(name: str, values: Any) -> np.ndarray:
    """Returns an array of finite real numbers, or raises."""
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        try:
            if values.dtype.kind in "USMmc":
                raise TypeError
            values = values.astype("float64")
        except (TypeError, ValueError):
            raise ValueError(
                f"`{name}` must be numbers. Received: {name} of dtype "
                f"{values.dtype}"
            ) from None
    finite = np.isfinite(values)
    if not finite.all():
        first = np.unravel_index(np.argmin(finite), values.shape)
        place = ", ".join(str(int(index)) for index in first)
        raise ValueError(
            f"`{name}` must be finite: {finite.size - finite.sum()} of its "
            f"{finite.size} numbers are NaN or infinite. Received: "
            f"{name}[{place}]={values[first]}"
        )
    return values


def check_binary_labels(labels: np.ndarray) -> np.ndarray:
    """Returns labels of binary targets as floats 0, 1 and NaN, or raises."""
    if (
        labels.dtype.kind not in "biuf"
        or not np.isin(
            labels[~np.isnan(labels.astype("float64"))], (0, 1)
        ).all()
    ):
        raise ValueError(
            "Labels of binary targets must be 0, 1, or NaN where a label is "
            f"not known. Received: labels of dtype {labels.dtype} with other "
            "values"
        )
    return labels.astype("float64")


def check_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the labels as integers in `[0, num_classes)`, or raises."""
    wanted = f"`labels` must be integers from 0 to {num_classes - 1}"
    if labels.dtype.kind not in "biuf":
        raise ValueError(
            f"{wanted}; names of classes become these by "
            "`np.unique(labels, return_inverse=True)`. Received: labels of "
            f"dtype {labels.dtype}"
        )
    if not np.isfinite(labels).all():
        raise ValueError(
            f"{wanted}: leave out samples without a label. Only binary "
            "targets, `multi_label=True`, take NaN for a label that is not "
            "known. Received: labels with NaN or infinity"
        )
    fractional = labels != np.floor(labels)
    if fractional.any():
        raise ValueError(
            f"{wanted}. Received: labels such as {labels[fractional][0]}"
        )
    if (labels < 0).any() or (labels >= num_classes).any():
        raise ValueError(
            f"{wanted}. Received: labels from {labels.min()} to {labels.max()}"
        )
    return labels.astype("int64")


def check_statistics(statistics: np.ndarray) -> np.ndarray:
    statistics = np.array(statistics, "float64")
    if (
        statistics.ndim != 2
        or not (statistics >= 0).all()
        or not np.isfinite(statistics).all()
    ):
        raise ValueError(
            "`statistics` must be an array [S, T] of finite numbers of at "
            "least 0. "
            f"Received: an array of shape {statistics.shape}"
        )
    return statistics
