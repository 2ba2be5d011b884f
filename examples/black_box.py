"""Tumours from a classifier that can only be asked (BAR).

Thirty measurements of a tumour are laid over a trained image, and a classifier
of photographs, which is asked for its probabilities and nothing else, says
whether the tumour is malignant: black-box adversarial reprogramming, with
frequency-based many-to-one label mapping and the focal loss, by tenfold
cross-validation on scikit-learn's breast cancer data. Beside it are the same
program trained by its gradient, the label map with no program, the same network
from scratch, and a logistic regression on the table itself.

    python examples/black_box.py
"""

import common
import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

import keras_reprogram
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import TwoSided
from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import UniversalPattern


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "black_box")
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--samples", type=int, default=569, help="of 569")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--directions", type=int, default=5)
    parser.add_argument("--cells", type=int, default=8, help="of the grid")
    parser.add_argument("--sources-per-target", type=int, default=10)
    options = parser.parse_args()
    if options.quick:
        options.canvas, options.samples = 32, 60
        options.folds, options.epochs, options.directions = 2, 1, 1
    table, labels = load_breast_cancer(return_X_y=True)
    labels = 1 - labels  # 1 is malignant
    order = np.random.default_rng(options.seed).permutation(len(labels))
    table, labels = (part[order[: options.samples]] for part in (table, labels))
    classifier = common.load_classifier(options.preset)
    folds = StratifiedKFold(options.folds, shuffle=True, random_state=0)
    rows = []
    for fold, (train, test) in enumerate(folds.split(table, labels)):
        keras.utils.set_random_seed(options.seed + fold)
        scaler = StandardScaler().fit(table[train])
        samples = scaler.transform(table).clip(-3, 3).astype("float32")
        data = (samples[train], labels[train]), samples[test]
        for method, (predictions, extra) in compare(
            classifier, *data, options
        ).items():
            row = {"method": method, "fold": fold, **extra}
            row.update(scores(labels[test], predictions))
            rows.append(row)
            print(row, flush=True)
    report(rows)
    common.write_results(rows, options.output)


def probabilities_of(classifier) -> keras.Model:
    outputs = keras.layers.Softmax()(classifier.output)
    return keras.Model(classifier.input, outputs)


def scores(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": float(np.mean(predictions == labels)),
        "sensitivity": float(np.mean(predictions[labels == 1] == 1)),
        "specificity": float(np.mean(predictions[labels == 0] == 0)),
    }


def reprogrammed(source, num_features: int, options, pattern=None):
    # The scale that a KerasHub classifier would name by itself.
    return keras_reprogram.ReprogrammedModel(
        source,
        InputReprogrammer(
            (num_features,),
            (options.canvas, options.canvas, 3),
            placement=FeatureMosaic(inner_size=options.canvas * 3 // 4),
            pattern=pattern,
            value_range=(-3, 3),
            scale=2.0,
            offset=-1.0,
        ),
        keras_reprogram.LabelMapper(
            2, "frequency", sources_per_target=options.sources_per_target
        ),
    )


def compare(classifier, train, test, options) -> dict[str, tuple]:
    features = test.shape[1]
    network = probabilities_of(classifier)

    def service(images: np.ndarray) -> np.ndarray:
        return network.predict_on_batch(images)

    def pattern():
        return UniversalPattern(basis=Grid(options.cells))

    queried = QueriedSource(
        service, (options.canvas, options.canvas, 3), network.output.shape[-1]
    )
    estimator = TwoSided(options.directions, 0.05)
    results = {}
    for name, source, estimator_ in (
        ("black box", queried, estimator),
        ("white box", network, None),
    ):
        model = reprogrammed(source, features, options, pattern())
        model.compile(
            keras.optimizers.Adam(options.learning_rate),
            Focal(),
            gradient_estimator=estimator_,
        )
        model.fit(
            *train,
            batch_size=options.batch_size,
            epochs=options.epochs,
            verbose=0,
        )
        extra = {"queries": model.num_queries} if estimator_ else {}
        results[name] = predicted(model, test), extra
    model = reprogrammed(network, features, options)
    model.adapt(*train, verbose=0)
    results["frequency map alone"] = predicted(model, test), {}
    predictions = from_scratch(classifier, train, test, options)
    results["from scratch"] = predictions, {}
    regression = LogisticRegression(max_iter=1000).fit(*train)
    results["logistic regression"] = regression.predict(test), {}
    return results


@keras.saving.register_keras_serializable("examples")
class Focal(keras.losses.Loss):
    """The focal loss of scores that are probabilities up to a factor.

    `-(1 - p) ** 2 log p`, for the share `p` of the true class in the sum.
    """

    def call(self, y_true, y_pred):
        shares = y_pred / (ops.sum(y_pred, axis=-1, keepdims=True) + 1e-12)
        labels = ops.one_hot(ops.reshape(y_true, (-1,)), y_pred.shape[-1])
        share = ops.sum(labels * shares, axis=-1)
        return -((1 - share) ** 2) * ops.log(share + 1e-7)


def predicted(model: keras.Model, test: np.ndarray) -> np.ndarray:
    return model.predict(test, verbose=0).argmax(axis=1)


def from_scratch(classifier, train, test, options) -> np.ndarray:
    """The same kind of network on the same mosaic, with random weights.

    It has three times the epochs: after as many as the program it is at chance.
    """
    features = test.shape[1]
    canvas = (options.canvas, options.canvas, 3)
    reprogrammer = InputReprogrammer(
        (features,),
        canvas,
        placement=FeatureMosaic(),
        pattern=None,
        value_range=(-3, 3),
    )
    network = common.untrained(classifier, canvas, canvas, 2)
    samples = keras.Input((features,))
    model = keras.Model(samples, network(255 * reprogrammer(samples)))
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        *train,
        batch_size=options.batch_size,
        epochs=3 * options.epochs,
        verbose=0,
    )
    return predicted(model, test)


def report(rows: list[dict]) -> None:
    names = ("accuracy", "sensitivity", "specificity")
    print("\n" + " " * 22 + "".join(f"{name:>16}" for name in names))
    for method in dict.fromkeys(row["method"] for row in rows):
        line = f"{method:>22}"
        for name in names:
            values = [row[name] for row in rows if row["method"] == method]
            line += f"{np.mean(values):9.3f} ± {np.std(values):.3f}"
        print(line)


if __name__ == "__main__":
    main()
