"""The core imports without the extras, which errors name."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from keras_reprogram import black_box
from keras_reprogram.black_box import evolution
from keras_reprogram.callbacks import resume_training
from keras_reprogram.inputs.tokens.sparse_combination import sparse_code
from keras_reprogram.optional_packages import optional_package
from keras_reprogram.pretrained import cache
from keras_reprogram.visualization import pictures

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.numpy_alone


def extras() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["optional-dependencies"]


def test_a_package_that_is_there_is_imported():
    assert optional_package("numpy.linalg", "tests", "It") is np.linalg


def test_a_package_that_is_missing_is_named_with_its_extra():
    with pytest.raises(ImportError, match="A plot needs.*`absent`") as error:
        optional_package("absent.part", "pictures", "A plot")
    assert "`pip install keras-reprogram[pictures]`" in str(error.value)


def test_every_extra_that_the_package_names_exists():
    named = set()
    for path in ROOT.glob("keras_reprogram/**/*.py"):
        text = path.read_text(encoding="utf-8")
        named.update(re.findall(r"keras-reprogram\[([a-z-]+)\]", text))
        named.update(re.findall(r'optional_package\(\s*"[^"]+", "(.+?)"', text))
    assert len(named) >= 6 and named <= extras().keys()


USERS = {
    "cma": (
        "evolution",
        lambda folder: evolution.EvolutionSession(black_box.CMAES(), 3),
    ),
    "filelock": (
        "resume",
        lambda folder: resume_training.locked(folder / "run", folder / "run"),
    ),
    "matplotlib.figure": ("pictures", lambda folder: pictures.axes_of(1)),
    "requests": ("inference", lambda folder: black_box.InferenceClient),
    "sklearn.linear_model": (
        "tokens",
        lambda folder: sparse_code(np.eye(2), np.eye(2), 1),
    ),
}


@pytest.mark.parametrize("package", USERS)
def test_what_needs_a_missing_package_names_its_extra(
    package, tmp_path, monkeypatch
):
    extra, use = USERS[package]
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"pip install keras-reprogram\[{extra}\]"
    with pytest.raises(ImportError, match=message):
        use(tmp_path)


def test_a_preset_needs_a_lock_to_be_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(ImportError, match=r"keras-reprogram\[pretrained\]"):
        cache.cached_preset(tmp_path, "a", lambda directory: None)


def test_a_room_has_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        black_box.absent  # noqa: B018
