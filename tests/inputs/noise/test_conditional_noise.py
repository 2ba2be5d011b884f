import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import ConditionalNoise
from keras_reprogram.outputs import SourceNumbers


@pytest.fixture(scope="module")
def source() -> keras.Model:
    noise = keras.Input((8,))
    images = keras.layers.Reshape((2, 2, 2))(keras.layers.Dense(8)(noise))
    return keras.Model(noise, images)


def reprogrammed(source, **arguments):
    return ReprogrammedModel(
        source, ConditionalNoise(3, **arguments), SourceNumbers()
    )


def samples(labels=(0, 1, 2), size=6):
    noise = np.random.default_rng(0).normal(size=(len(labels), size))
    return {"labels": np.array(labels), "noise": noise}


def test_a_dictionary_and_its_array_have_the_same_outputs(source):
    model = reprogrammed(source)
    parts = samples()
    whole = np.concatenate([parts["labels"][:, None], parts["noise"]], axis=1)
    found = model.predict(parts, verbose=0)
    np.testing.assert_array_equal(found, model.predict(whole, verbose=0))
    lists = {name: part.tolist() for name, part in parts.items()}
    np.testing.assert_allclose(found, model.predict(lists, verbose=0))
    columns = {**parts, "labels": parts["labels"][:, None]}
    np.testing.assert_allclose(found, model.predict(columns, verbose=0))
    tensors = {
        name: ops.convert_to_tensor(part) for name, part in parts.items()
    }
    # What is not compiled rounds otherwise.
    np.testing.assert_allclose(
        found, ops.convert_to_numpy(model(tensors)), rtol=1e-3, atol=1e-6
    )


def test_the_noise_and_the_embedding_of_the_class_reach_the_source(source):
    model = reprogrammed(source, embedding_dim=3, num_blocks=0)
    layer = model.input_reprogrammer
    parts = samples(size=5)
    found = ops.convert_to_numpy(layer(layer.merge(parts)))
    embeddings = ops.convert_to_numpy(layer.embeddings)
    expected = np.concatenate([parts["noise"], embeddings], axis=1)
    # Of variance 1 as yet.
    np.testing.assert_allclose(found * np.sqrt(1.001), expected, rtol=1e-4)


def test_classes_beyond_the_integers_of_bfloat16_are_kept_apart(source):
    layer = ConditionalNoise(1000, dtype="mixed_bfloat16")
    ReprogrammedModel(source, layer, SourceNumbers())
    layer.embeddings.assign(np.arange(1000.0)[:, None] + np.zeros((1, 2)))
    found = layer(np.array([[900.0] + [0.0] * 6, [901.0] + [0.0] * 6]))
    found = ops.convert_to_numpy(ops.cast(found, "float32"))
    assert found.shape == (2, 8)
    layer.embeddings.assign(1.0 * (np.arange(1000) == 901)[:, None] * [1, 1])
    found = layer(np.array([[900.0] + [0.0] * 6, [901.0] + [0.0] * 6]))
    found = ops.convert_to_numpy(ops.cast(found, "float32"))
    np.testing.assert_allclose(found[:, -1], [0.0, 1.0], atol=0.01)


@pytest.mark.parametrize(
    "parts",
    [
        samples((0, 1, 3)),
        samples((0, 1, -1)),
        samples((0, 1, 0.5)),
        samples((0, 1, np.nan)),
        samples(size=7),
        {"noise": np.zeros((3, 6))},
        {"labels": np.zeros((3, 2, 1)), "noise": np.zeros((3, 6))},
        {"labels": np.zeros((1, 3)), "noise": np.zeros((3, 6))},
        {"labels": np.zeros(2), "noise": np.zeros((3, 6))},
        {"labels": ["a", "b", "c"], "noise": np.zeros((3, 6))},
        {"labels": None, "noise": np.zeros((3, 6))},
    ],
)
def test_samples_that_are_no_classes_and_noise_are_a_value_error(source, parts):
    with pytest.raises(ValueError, match="Received"):
        reprogrammed(source).predict(parts, verbose=0)


def test_a_step_marks_rows_that_are_not_valid(source):
    layer = reprogrammed(source).input_reprogrammer
    rows = np.zeros((4, 7), "float32")
    rows[1, 0], rows[2, 0], rows[3, 5] = 3.0, 0.5, np.inf
    valid = layer.valid(ops.convert_to_tensor(rows))
    np.testing.assert_array_equal(ops.convert_to_numpy(valid), [1, 0, 0, 0])


def test_settings_and_sources_that_do_not_fit_are_a_value_error(source):
    for arguments in (
        {"embedding_dim": 0},
        {"num_blocks": 101},
        {"num_blocks": -1},
        {"seed": 0.5},
    ):
        with pytest.raises(ValueError, match="Received"):
            ConditionalNoise(3, **arguments)
    for number in (0, 2**24 + 1, "ten"):
        with pytest.raises(ValueError, match="`num_classes`"):
            ConditionalNoise(number)
    with pytest.raises(ValueError, match="embedding of a class"):
        reprogrammed(source, embedding_dim=8)
    with pytest.raises(ValueError, match="without a source"):
        ConditionalNoise(3)(np.zeros((2, 7)))
    images = keras.Input((4, 4, 1))
    classifier = keras.Model(images, keras.layers.Flatten()(images))
    with pytest.raises(ValueError, match="must be a generator"):
        reprogrammed(classifier)


def test_a_program_file_generates_the_same(source, tmp_path):
    model = reprogrammed(source, num_blocks=2, seed=4)
    model.save_program(tmp_path / "noise.program")
    copy = ReprogrammedModel.load_program(tmp_path / "noise.program", source)
    parts = samples()
    np.testing.assert_array_equal(
        copy.predict(parts, verbose=0), model.predict(parts, verbose=0)
    )
