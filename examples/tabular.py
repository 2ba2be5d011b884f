"""Reprograms an ImageNet classifier to tables: measurements of patients.

Each column becomes a gray tile of a mosaic that is laid over a trained image
(Chen et al. 2021). On the breast cancer data of scikit-learn a linear map of
ImageNet's classes says whether a tumour is malignant; on its diabetes data a
regression head says how far the disease goes in a year. The results are
compared with linear models and random forests on the tables themselves, and
with the head alone, before a program is trained, for several draws of the
training rows.

    python examples/tabular.py
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import common
import keras
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

import keras_reprogram
from keras_reprogram.inputs import FeatureMosaic


@dataclasses.dataclass(frozen=True)
class Task:
    """A table, what is predicted from it, and how well."""

    load: Callable[..., tuple[np.ndarray, np.ndarray]]
    head: Callable[[], keras.layers.Layer]
    loss: Any
    predicted: Callable[[np.ndarray], np.ndarray]
    score_name: str
    score: Callable[[np.ndarray, np.ndarray], float]
    peers: dict[str, Callable[[], Any]]


TASKS = {
    "tumours": Task(
        load_breast_cancer,
        lambda: keras_reprogram.LabelMapper(num_classes=2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        lambda outputs: outputs.argmax(axis=1),
        "accuracy",
        common.accuracy,
        {
            "logistic regression": lambda: LogisticRegression(max_iter=1000),
            "random forest": lambda: RandomForestClassifier(
                300, random_state=0
            ),
        },
    ),
    "diabetes": Task(
        load_diabetes,
        lambda: keras_reprogram.outputs.RegressionHead(num_outputs=1),
        keras.losses.MeanSquaredError(),
        lambda outputs: outputs[:, 0],
        "R2",
        r2_score,
        {
            "ridge regression": lambda: RidgeCV(10.0 ** np.arange(-2, 4)),
            "random forest": lambda: RandomForestRegressor(300, random_state=0),
        },
    ),
}


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "tabular")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--canvas", type=int, default=96)
    parser.add_argument("--train-rows", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.quick:
        options.train_rows, options.epochs, options.seeds = 48, 1, 1
        options.canvas = 64
    classifier = common.load_classifier(options.preset)
    rows = []
    for name in options.tasks:
        task = TASKS[name]
        for seed in range(options.seed, options.seed + options.seeds):
            keras.utils.set_random_seed(seed)
            train, test = split(task, options.train_rows, seed, options.quick)
            for method, score in compare(
                classifier, task, train, test, options
            ):
                row = {"task": name, "method": method, "seed": seed}
                rows.append({**row, task.score_name: score})
                print(rows[-1], flush=True)
        report(name, task, [row for row in rows if row["task"] == name])
    common.write_results(rows, options.output)


def split(task: Task, train_rows: int, seed: int, quick: bool):
    """Standardized measurements, scaled by the training rows alone."""
    table, labels = task.load(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    train = order[:train_rows]
    test = order[train_rows : train_rows + 64 if quick else None]
    scaler = StandardScaler().fit(table[train])
    return tuple(
        (
            scaler.transform(table[part]).clip(-3, 3).astype("float32"),
            labels[part],
        )
        for part in (train, test)
    )


def compare(classifier, task: Task, train, test, options):
    """Yields a method and its score on the test rows."""
    for method in ("reprogrammed", "head alone"):
        reprogrammer = keras_reprogram.InputReprogrammer(
            target_shape=train[0].shape[1:],
            source_shape=(options.canvas, options.canvas, 3),
            placement=FeatureMosaic(options.canvas * 3 // 4),
            value_range=(-3, 3),
        )
        model = keras_reprogram.ReprogrammedModel(
            classifier, reprogrammer, task.head()
        )
        model.adapt(*train, verbose=0)
        if method == "reprogrammed":
            common.train(
                model,
                train,
                task.loss,
                options.epochs,
                options.batch_size,
                options.learning_rate,
                verbose=0,
            )
        outputs = model.predict(test[0], verbose=0)
        yield method, float(task.score(test[1], task.predicted(outputs)))
    for method, make in task.peers.items():
        predictions = make().fit(*train).predict(test[0])
        yield method, float(task.score(test[1], predictions))


def report(name: str, task: Task, rows: list[dict[str, Any]]) -> None:
    print(f"\n{task.score_name} on {name}, mean and deviation over draws")
    for method in dict.fromkeys(row["method"] for row in rows):
        scores = [
            row[task.score_name] for row in rows if row["method"] == method
        ]
        print(f"{method:>20} {np.mean(scores):.3f} ± {np.std(scores):.3f}")


if __name__ == "__main__":
    main()
