"""Assignment of different source classes to the target classes."""

import heapq

import numpy as np


def check_capacity(
    num_sources: int, num_classes: int, sources_per_target: int
) -> None:
    """Raises a `ValueError` if there are too few source classes."""
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


def select_blocks(
    order: np.ndarray, num_classes: int, sources_per_target: int
) -> np.ndarray:
    """Assigns consecutive blocks of source classes to the target classes.

    Args:
        order: Integer array `[S]`. The source classes in the order of
            assignment.
        num_classes: Integer. `T`.
        sources_per_target: Integer. Number of source classes in a block.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.
    """
    check_capacity(len(order), num_classes, sources_per_target)
    matrix = np.zeros((len(order), num_classes))
    targets = np.repeat(np.arange(num_classes), sources_per_target)
    matrix[order[: targets.size], targets] = 1.0 / sources_per_target
    return matrix


def select_largest(
    statistics: np.ndarray, sources_per_target: int
) -> np.ndarray:
    """Assigns source classes in the order of their largest statistics.

    Takes the largest cell, the first in row-major order if several are equal;
    assigns its source class to its target class; removes the source's row, and
    the target's column once it is full.

    Args:
        statistics: Array `[S, T]`.
        sources_per_target: Integer. Number of source classes of a target class.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.
    """
    sources, targets = statistics.shape
    check_capacity(sources, targets, sources_per_target)
    matrix = np.zeros((sources, targets))
    room = np.full(targets, sources_per_target)
    # A row's largest cell among the open columns can only get smaller, so it is
    # searched again only if its row is next and its column is full.
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


def select_in_rounds(
    similarity: np.ndarray, sources_per_target: int
) -> np.ndarray:
    """Assigns the most similar remaining source class to each target in turn.

    Args:
        similarity: Array `[S, T]`.
        sources_per_target: Integer. Number of rounds.

    Returns:
        A float64 array `[S, T]` whose columns sum to 1.
    """
    sources, targets = similarity.shape
    check_capacity(sources, targets, sources_per_target)
    similarity = similarity.astype("float64")
    matrix = np.zeros(similarity.shape)
    for _ in range(sources_per_target):
        for target in range(targets):
            source = similarity[:, target].argmax()
            matrix[source, target] = 1.0 / sources_per_target
            similarity[source] = -np.inf
    return matrix


def selected_sources(matrix: np.ndarray) -> np.ndarray:
    """Returns the source classes of every target class.

    Args:
        matrix: Array `[S, T]` with `k` numbers other than 0 in each column.

    Returns:
        An int32 array `[T, k]`, ascending along its rows.
    """
    sources, targets = np.nonzero(matrix)
    order = np.argsort(targets, kind="stable")
    return sources[order].reshape(matrix.shape[1], -1).astype("int32")
