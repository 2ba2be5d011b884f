"""Reprograms an ImageNet classifier to a table: 30 measurements of a tumour.

Each measurement becomes a grey tile of a mosaic that is laid over a trained
image (Chen et al. 2021), on the breast cancer data of scikit-learn. The result
is compared with a logistic regression and a random forest on the table itself,
for several draws of the training rows.

    python examples/tabular.py
"""

import common
import keras
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import keras_reprogram
from keras_reprogram.inputs import methods


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "tabular")
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
    for seed in range(options.seed, options.seed + options.seeds):
        keras.utils.set_random_seed(seed)
        train, test = load_tumours(options.train_rows, seed, options.quick)
        for method, result in compare(classifier, train, test, options).items():
            rows.append({"method": method, "seed": seed, **result})
    print(f"\nAccuracy from {options.train_rows} rows, {options.seeds} draws")
    for method in dict.fromkeys(row["method"] for row in rows):
        scores = [r["test_accuracy"] for r in rows if r["method"] == method]
        print(f"{method:>20} {np.mean(scores):.3f} ± {np.std(scores):.3f}")
    common.write_results(rows, options.output)


def load_tumours(train_rows: int, seed: int, quick: bool):
    """Standardized measurements, scaled by the training rows alone."""
    table, labels = load_breast_cancer(return_X_y=True)
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


def compare(classifier, train, test, options) -> dict[str, dict]:
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        methods.overlaid_table(
            inner_size=options.canvas * 3 // 4,
            target_shape=train[0].shape[1:],
            source_shape=(options.canvas, options.canvas, 3),
            value_range=(-3, 3),
        ),
        keras_reprogram.LabelMapper(num_classes=2),
    )
    results = {
        "reprogrammed": common.train_and_score(
            model,
            train,
            test,
            common.accuracy,
            options.epochs,
            options.batch_size,
            options.learning_rate,
        )
    }
    for name, peer in (
        ("logistic regression", LogisticRegression(max_iter=1000)),
        ("random forest", RandomForestClassifier(300, random_state=0)),
    ):
        peer.fit(*train)
        results[name] = {
            "test_accuracy": common.accuracy(test[1], peer.predict(test[0]))
        }
    return results


if __name__ == "__main__":
    main()
