"""The regressions that heads start from, beside scikit-learn's.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/solvers.py

Accuracy is of a linear map of EfficientNet-Lite0's stages on a canvas of
64x64, from which a label map starts (`adapt`): 300 samples and 2,000 others for
each of three draws of digits, solar cells and fields (`vision.py`), once with
the default penalty and once with the one that cross-validation finds. Both
solvers get the same features and minimize the same function. Times are of the
processor, the best of the rounds, on one core; features are drawn with a
spectrum that falls as that of a network's features does. Memory is what the
peak of a process of its own grows by, beyond the arrays it is given.
"""

import argparse
import functools
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import device
import numpy as np
import scipy
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import LogisticRegressionCV
from sklearn.linear_model import Ridge
from sklearn.linear_model import RidgeCV

import keras_reprogram
from keras_reprogram.outputs import logistic_regression as ours
from keras_reprogram.outputs import ridge_regression
from keras_reprogram.outputs.feature_scale import scaled
from keras_reprogram.outputs.logistic_regression import CANDIDATES
from keras_reprogram.outputs.logistic_regression import (
    cross_validated_regularization,
)
from keras_reprogram.outputs.ridge_regression import (
    CANDIDATES as RIDGE_CANDIDATES,
)

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "examples"))

import common  # noqa: E402
import vision  # noqa: E402

SIZES = ((300, 8192), (50_000, 1000))
CLASSES, TARGETS = 10, 4
DEFAULT_PENALTY = 0.1
LONGEST = 60.0  # seconds of one case
Solution = tuple[np.ndarray, np.ndarray]


def scikit_learn(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    regularization: float = DEFAULT_PENALTY,
    tolerance: float = 1e-4,
) -> Solution:
    """The same minimum by scikit-learn's default solver, L-BFGS."""
    features, mean, unit = scaled(features)
    weights, bias = scikit_learn_solution(
        features, labels, regularization, tolerance
    )
    weights = weights / unit
    return weights, bias - mean @ weights


def scikit_learn_rotated(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    regularization: float = DEFAULT_PENALTY,
) -> Solution:
    """The same, on the features' coordinates in the space they span."""
    features, mean, unit = scaled(features)
    left, singular, right = np.linalg.svd(features, full_matrices=False)
    rotated = left * singular
    weights, bias = scikit_learn_solution(rotated, labels, regularization)
    weights = right.T @ weights / unit
    return weights, bias - mean @ weights


def scikit_learn_solution(
    features: np.ndarray,
    labels: np.ndarray,
    regularization: float,
    tolerance: float = 1e-4,
) -> Solution:
    """A column for each class, of which all have samples here."""
    strength = 1 / (len(features) * regularization)
    model = LogisticRegression(C=strength, max_iter=1000, tol=tolerance)
    if labels.max() > 1:
        model.fit(features, labels)
        return model.coef_.T, model.intercept_
    # One column, the difference of the softmax's two.
    model.set_params(C=2 * strength).fit(features, labels)
    half = np.concatenate([-model.coef_, model.coef_]) / 2
    return half.T, np.append(-model.intercept_, model.intercept_) / 2


def found_by_scikit_learn(
    features: np.ndarray, labels: np.ndarray, num_classes: int
) -> Solution:
    """With the best of the same penalties on the same folds, of 600 samples."""
    features, mean, unit = scaled(features)
    order = np.random.default_rng(0).permutation(len(labels))[:600]
    model = LogisticRegressionCV(
        Cs=1 / (0.8 * len(order) * np.array(CANDIDATES)),
        cv=5,
        scoring="neg_log_loss",
        max_iter=100,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    ).fit(features[order], labels[order])
    penalty = 1 / (0.8 * len(order) * model.C_)
    weights, bias = scikit_learn_solution(features, labels, penalty)
    weights = weights / unit
    return weights, bias - mean @ weights


def ridge_of_scikit_learn(
    features: np.ndarray,
    targets: np.ndarray,
    regularization: float | None = None,
) -> Solution:
    """The same minimum; without a penalty, the best of eight."""
    features, mean, unit = scaled(features)
    center, scale = targets.mean(axis=0), targets.std(axis=0)
    targets = (targets - center) / scale
    if regularization is None:
        model = RidgeCV(RIDGE_CANDIDATES * len(features))
    else:
        model = Ridge(regularization * len(features))
    model.fit(features, targets)
    weights = np.reshape(model.coef_, (targets.shape[1], -1)).T * scale / unit
    return weights, model.intercept_ * scale + center - mean @ weights


LOGISTIC = {
    "ours": ours,
    "scikit-learn": scikit_learn,
    "scikit-learn, to the end": functools.partial(scikit_learn, tolerance=1e-7),
    "scikit-learn, rotated": scikit_learn_rotated,
}
RIDGE = {"ours": ridge_regression, "scikit-learn": ridge_of_scikit_learn}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", nargs="+", default=list(vision.DATA))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--features", type=pathlib.Path, help="a folder")
    parser.add_argument("--output", type=pathlib.Path, default=vision.RESULTS)
    parser.add_argument("--cost-of", help="a case; for itself")
    options = parser.parse_args()
    if options.cost_of:
        print(json.dumps(cost(*json.loads(options.cost_of), options.rounds)))
        return
    accuracies = [
        accuracy(data, seed, options)
        for data in options.data
        for seed in options.seeds
    ]
    costs: list[dict[str, Any]] = []
    for size in SIZES:
        for kind, penalty, solver in cases():
            costs.append(
                {
                    "regression": kind,
                    "penalty": "looked for" if penalty is None else penalty,
                    "solver": solver,
                    "samples": size[0],
                    "features": size[1],
                    **in_a_process(kind, penalty, solver, size, options),
                }
            )
            print(json.dumps(costs[-1]), flush=True)
            common.write_benchmark(
                options.output / "solvers.json",
                "solvers.py",
                libraries={
                    package.__name__: package.__version__
                    for package in (np, scipy, sklearn)
                },
                settings=common.settings(
                    options, "features", "output", "cost_of"
                ),
                accuracy=accuracies,
                costs=costs,
            )


# === Accuracy ===


def accuracy(
    data: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    train, labels, test, test_labels = samples(data, seed, options)
    classes = int(labels.max()) + 1
    found = cross_validated_regularization(train, labels, classes).chosen
    row: dict[str, Any] = {
        "data": data,
        "seed": seed,
        "features": train.shape[1],
        "cross_validated_penalty": found,
    }
    for name, penalty in (("default", DEFAULT_PENALTY), ("found", found)):
        for solver, solve in LOGISTIC.items():
            start = time.process_time()
            weights, bias = solve(train, labels, classes, penalty)
            seconds = time.process_time() - start
            predicted = (test @ weights + bias).argmax(axis=1)
            row[f"{solver}, {name} penalty"] = {
                "accuracy": common.accuracy(test_labels, predicted),
                "seconds": seconds,
            }
    print(json.dumps(row), flush=True)
    return row


def samples(data: str, seed: int, options: argparse.Namespace) -> tuple:
    """Features and labels of a draw, computed once."""
    path = None
    if options.features is not None:
        options.features.mkdir(exist_ok=True, parents=True)
        path = options.features / f"{data}_{seed}_{options.canvas}.npz"
        if path.exists():
            return tuple(np.load(path).values())
    shape = (options.canvas, options.canvas, 3)
    source = vision.looked_at(
        vision.load_source(None), "stages", options.canvas
    )
    train, test = vision.split(data, seed)
    plain = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer(
            train[0].shape[1:], shape, pattern=None
        ),
    )
    found = (
        plain.source_logits(train[0]),
        train[1],
        plain.source_logits(test[0]),
        test[1],
    )
    if path is not None:
        np.savez(path, *found)
    return found


# === Time and memory ===


def cases() -> list[tuple[str, float | None, str]]:
    return [
        *(("logistic", DEFAULT_PENALTY, solver) for solver in LOGISTIC),
        *(("logistic", None, solver) for solver in ("ours", "scikit-learn")),
        *(
            ("ridge", penalty, solver)
            for penalty in (DEFAULT_PENALTY, None)
            for solver in RIDGE
        ),
    ]


def case(
    kind: str, penalty: float | None, solver: str, size: tuple[int, int]
) -> Callable[[], Solution]:
    """A solver on drawn samples; without a penalty, it looks for one."""
    generator = np.random.default_rng(0)
    num_samples, num_features = size
    features = generator.standard_normal(size, "float32")
    features *= np.arange(1, num_features + 1, dtype="float32") ** -0.5
    truth = generator.normal(size=(num_features, CLASSES))
    scores = features @ truth
    scores += 0.5 * scores.std() * generator.gumbel(size=scores.shape)
    if kind == "ridge":
        targets = scores[:, :TARGETS]
        return lambda: RIDGE[solver](features, targets, penalty)
    labels = scores.argmax(axis=1)
    if penalty is None and solver == "scikit-learn":
        return lambda: found_by_scikit_learn(features, labels, CLASSES)
    if penalty is None:
        return lambda: ours(
            features,
            labels,
            CLASSES,
            cross_validated_regularization(features, labels, CLASSES).chosen,
        )
    return lambda: LOGISTIC[solver](features, labels, CLASSES, penalty)


def cost(
    kind: str,
    penalty: float | None,
    solver: str,
    size: tuple[int, int],
    rounds: int,
) -> dict[str, float]:
    solve = case(kind, penalty, solver, tuple(size))
    before, seconds = device.held_megabytes(), []
    while len(seconds) < rounds and sum(seconds) < LONGEST:
        start = time.process_time()
        solve()
        seconds.append(time.process_time() - start)
    return {
        "seconds": min(seconds),
        "megabytes": round(device.peak_megabytes() - before),
    }


def in_a_process(
    kind: str,
    penalty: float | None,
    solver: str,
    size: tuple[int, int],
    options: argparse.Namespace,
) -> dict[str, float]:
    case_of = json.dumps([kind, penalty, solver, size])
    command = [sys.executable, __file__, "--cost-of", case_of]
    output = subprocess.run(
        [*command, "--rounds", str(options.rounds)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
