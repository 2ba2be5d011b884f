"""Program files that version 0.1.0 wrote give the answers that they gave.

The folder holds one file for every input transformation, program and output
mapping of that version, the weights of their sources, and the answers to eight
samples each, as its `predict` returned them.
"""

import functools
import importlib.util
import json
import pathlib

import keras
import numpy as np
import pytest

import keras_reprogram

FOLDER = pathlib.Path(__file__).parents[1] / "data" / "programs_0_1_0"
CASES = json.loads((FOLDER / "cases.json").read_text())
# A single number is not a class: such a program was a mistake.
REFUSED = {"one_number": "RegressionHead"}
# Keras's bicubic resizing is another one on PyTorch.
BICUBIC = {"resize_bicubic", "program_grid_bicubic"}


@functools.cache
def networks():
    path = FOLDER / "sources.py"
    specification = importlib.util.spec_from_file_location("sources", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.NETWORKS


@functools.cache
def source(name, pooling):
    network = networks()[name]()
    with np.load(FOLDER / "sources.npz") as values:
        for index, weight in enumerate(network.weights):
            weight.assign(values[f"{name}/{index}"])
    if pooling is None:
        return network
    return keras_reprogram.sources.TextSource(network, pooling)


@functools.cache
def answers():
    with np.load(FOLDER / "answers.npz") as values:
        return dict(values)


@pytest.mark.parametrize("name", CASES)
def test_program_of_0_1_0_gives_its_answers(name):
    if name in BICUBIC and keras.config.backend() == "torch":
        pytest.skip("the answers are those of TensorFlow and JAX")
    load = keras_reprogram.ReprogrammedModel.load_program
    path, network = FOLDER / f"{name}.program", source(*CASES[name])
    if name in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[name]):
            load(path, network)
        return
    # The file holds no architecture of its source.
    with pytest.warns(UserWarning, match="Save it again") as warned:
        model = load(path, network)
    assert sum("by its weights" in str(one.message) for one in warned) == 1
    samples, expected = (
        answers()[f"{name}/{key}"] for key in ("samples", "answers")
    )
    found = keras.ops.convert_to_numpy(model(samples))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_every_file_is_tried():
    files = {path.stem for path in FOLDER.glob("*.program")}
    assert files == set(CASES)
