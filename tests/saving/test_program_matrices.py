"""Large matrices of a configuration are arrays of the file."""

import json
import zipfile

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.outputs import SimilarityMapping
from keras_reprogram.saving import program_matrices

SOURCES = 1000
GENERATOR = np.random.default_rng(0)


@pytest.fixture(scope="module")
def source():
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(SOURCES)(x))


@pytest.mark.parametrize("kind", ["centroids", "fixed", "initial"])
def test_a_map_of_many_numbers_comes_back(source, tmp_path, kind):
    matrix = GENERATOR.random((SOURCES, 40))
    mapping = {
        "centroids": lambda: SimilarityMapping(
            GENERATOR.random((SOURCES, SOURCES)).tolist()
        ),
        "fixed": lambda: matrix,
        "initial": lambda: LinearMapping(initial=matrix),
    }[kind]()
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 3)), LabelMapper(40, mapping)
    )
    if kind == "centroids":
        images = np.repeat(np.arange(40)[:, None] * 6, 48, axis=1)
        model.adapt(images.reshape(-1, 4, 4, 3), np.arange(40), verbose=0)
    path = tmp_path / "task.program"
    model.save_program(path)
    again = ReprogrammedModel.load_program(path, source)
    ours, theirs = (each.label_mapper.get_config() for each in (model, again))
    assert ours["mapping"] == theirs["mapping"]
    images = GENERATOR.integers(0, 256, (3, 4, 4, 3)).astype("uint8")
    np.testing.assert_allclose(
        again.predict(images, verbose=0),
        model.predict(images, verbose=0),
        atol=1e-6,
    )
    with zipfile.ZipFile(path) as archive:
        header = archive.read("program.json")
    assert len(header) < 20_000
    assert len(json.loads(header)["matrices"]) == 1


@pytest.mark.numpy_alone
def test_what_is_taken_out_is_put_back():
    large = GENERATOR.random((64, 64)).tolist()
    config = {"a": [{"b": large}, [1.0]], "c": large, "d": [[1, 2]], "e": None}
    matrices = []
    taken = program_matrices.taken_out(config, matrices)
    assert len(json.dumps(taken)) < 300 and len(matrices) == 2
    assert program_matrices.put_back(taken, iter(matrices)) == config
    for wrong in (matrices[:1], [*matrices, matrices[0]]):
        with pytest.raises(ValueError, match="(fewer|more) matrices than"):
            program_matrices.put_back(taken, iter(wrong))
    with pytest.raises(ValueError, match="no such matrix"):
        program_matrices.put_back([taken["c"]], iter(matrices))


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "rows", [[[1.0] * 5000, [1.0]], [[1] * 5000], [["a"] * 5000], [[]], []]
)
def test_other_lists_stay(rows):
    matrices = []
    assert program_matrices.taken_out(rows, matrices) == rows
    assert not matrices


def test_an_initializer_with_a_generator_is_saved(source, tmp_path):
    seed = keras.random.SeedGenerator(3)
    program = UniversalPattern(
        initializer=keras.initializers.RandomNormal(seed=seed)
    )
    model = ReprogrammedModel(
        source,
        InputReprogrammer((4, 4, 3), pattern=program),
        LabelMapper(3, "random"),
    )
    path = tmp_path / "task.program"
    model.save_program(path)
    again = ReprogrammedModel.load_program(path, source)
    for one, other in zip(again.program_variables, model.program_variables):
        np.testing.assert_array_equal(
            *map(keras.ops.convert_to_numpy, (one.value, other.value))
        )
