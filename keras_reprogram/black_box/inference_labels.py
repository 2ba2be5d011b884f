"""Labels and scores from the classes that a server returns."""

import math
import re
from collections.abc import Sequence

import numpy as np

from keras_reprogram.black_box.inference_transport import InferenceError


def labels_by_name(class_names: object) -> dict[str, int]:
    """Returns a dictionary from class names to labels."""
    if isinstance(class_names, str) or not isinstance(class_names, Sequence):
        class_names = getattr(class_names, "tolist", lambda: None)()
    if not isinstance(class_names, Sequence) or isinstance(class_names, str):
        raise ValueError(
            "`class_names` must be a list of strings. Received: a value of "
            f"type {type(class_names).__name__}"
        )
    for name in class_names:
        if not isinstance(name, str):
            raise ValueError(
                "`class_names` must be a list of strings. Received: "
                f"{name!r:.100} in it"
            )
    labels = {name: label for label, name in enumerate(class_names)}
    if not labels or len(labels) != len(class_names):
        raise ValueError(
            "`class_names` must hold every name once. Received: "
            f"{len(class_names)} names, {len(labels)} of them different"
        )
    return labels


def integer_labels(
    names: np.ndarray, labels: dict[str, int] | None
) -> np.ndarray:
    """Returns the integer labels of an array of names."""
    if labels is None:
        raise ValueError(
            "The server returns class names: pass `class_names`, in the order "
            "of their labels, or `classification` to a server that then "
            f"returns scores. Received: {names.ravel().tolist()[:5]}"
        )
    unknown = [name for name in names.ravel() if name not in labels]
    if unknown:
        raise InferenceError(
            "The server must return names in `class_names`. Received: "
            f"{len(unknown)} of {names.size} that are not there, such as "
            f"{unknown[0]!r}"
        )
    values = [labels[name] for name in names.ravel()]
    return np.array(values, dtype="int64").reshape(names.shape)


def scored_labels(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels and scores `(n, k)` from `score:label[:name]` strings."""
    if answers.dtype != object or answers.ndim < 2:
        raise InferenceError(
            "The server must answer a classification with strings of shape "
            "(n, k); leave out `classification` for one that does not "
            f"support it. Received: an answer of type {answers.dtype} and "
            f"shape {answers.shape}"
        )
    labels, scores = [], []
    for answer in answers.ravel():
        match = re.fullmatch(
            r"([-+.0-9eE]{1,40}):([0-9]{1,9})(:.*)?", answer, re.DOTALL
        )
        try:
            score = float(match[1]) if match else math.nan
        except ValueError:
            score = math.nan
        if match is None or not math.isfinite(score):
            raise InferenceError(
                "The server must answer a classification with strings "
                f"`score:label`. Received: {answer!r}"
            )
        labels.append(int(match[2]))
        scores.append(score)
    rows = len(answers)
    return (
        np.array(labels, dtype="int64").reshape(rows, -1),
        np.array(scores, dtype="float32").reshape(rows, -1),
    )
