"""A program is put in front of the source that it was trained on."""

import json
import warnings
import zipfile

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.sources import compare_fingerprints
from keras_reprogram.sources import fingerprint

load = ReprogrammedModel.load_program


def network(activation="relu", kind=None):
    hidden = [keras.layers.Flatten(), keras.layers.Dense(5, activation)]
    stack = [*hidden, keras.layers.Dense(6)]
    if kind == "sequential":
        model = keras.Sequential([keras.Input((4, 4, 1)), *stack])
    else:
        x = inputs = keras.Input((4, 4, 1))
        for layer in stack:
            x = layer(x)
        model = keras.Model(inputs, x)
    generator = np.random.default_rng(0)
    model.set_weights(
        [generator.normal(size=weight.shape) for weight in model.weights]
    )
    return model


def saved(source, path, **kwargs):
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1)), LabelMapper(2, "random")
    )
    model.save_program(path, **kwargs)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "task.program"


@pytest.mark.numpy_alone
def test_a_program_is_not_put_before_another_computation(path):
    saved(network(), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        load(path, network())
        load(path, network(kind="sequential"))
    with pytest.raises(ValueError, match='another source.*"tanh".*"relu"'):
        load(path, network("tanh"))
    load(path, network("tanh"), check_source=False)


@pytest.mark.numpy_alone
def test_an_ordinary_source_is_not_run(path, monkeypatch):
    saved(network(), path)
    other = network()
    for layer in other.layers:
        monkeypatch.setattr(type(layer), "__call__", None)
    assert compare_fingerprints(other, fingerprint(other)) == []


@pytest.mark.numpy_alone
def test_outputs_are_compared_on_request(path):
    saved(network(), path)
    with pytest.raises(ValueError, match="`probe_source=True`"):
        load(path, network(), check_source="outputs")
    saved(network(), path, probe_source=True)
    load(path, network(), check_source="outputs")
    for wrong in ("output", 1, None):
        with pytest.raises(ValueError, match="`check_source` must"):
            load(path, network(), check_source=wrong)
    with pytest.raises(ValueError, match="`probe_source` must"):
        saved(network(), path, probe_source="yes")


def queried(factor):
    def function(inputs):
        return factor * inputs.reshape(len(inputs), -1)[:, :6]

    return QueriedSource(function, (4, 4, 1), 6, from_logits=True)


def test_a_function_is_compared_on_request_and_queries_are_counted(path):
    source = queried(1.0)
    saved(source, path)
    assert source.num_queries == 0
    other = queried(2.0)
    with pytest.warns(UserWarning, match="was not compared") as warned:
        model = load(path, other)
    files = [one.filename for one in warned if one.category is UserWarning]
    assert files == [__file__]
    assert other.num_queries == model.num_queries == 0
    with pytest.raises(ValueError, match="`probe_source=True`"):
        load(path, other, check_source="outputs")
    assert other.num_queries == 0

    saved(source, path, probe_source=True)
    assert source.num_queries == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        same = queried(1.0)
        assert load(path, same, check_source="outputs").num_queries == 4
        with pytest.raises(ValueError, match="another source.*outputs on four"):
            load(path, other, check_source="outputs")


@pytest.mark.numpy_alone
def test_a_source_that_takes_no_fixed_input_is_saved(path):
    class Choosy(keras.layers.Layer):
        def call(self, inputs):
            if not keras.ops.is_tensor(inputs):
                return inputs
            raise RuntimeError("no such input")

        def compute_output_spec(self, inputs):
            return keras.KerasTensor(inputs.shape)

    def source():
        inputs = keras.Input((4,))
        outputs = keras.layers.Dense(6, kernel_initializer="ones")(
            Choosy()(inputs)
        )
        return keras.Model(inputs, outputs)

    model = ReprogrammedModel(
        source(),
        InputReprogrammer((4,), value_range=(0, 1)),
        LabelMapper(2, "random"),
    )
    model.save_program(path)
    with pytest.warns(UserWarning, match="layers of its own code"):
        load(path, source())


@pytest.mark.parametrize("architecture", [None, 3, {"steps": [[]]}])
@pytest.mark.numpy_alone
def test_a_damaged_description_is_a_value_error(path, architecture):
    saved(network(), path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(contents["program.json"])
    header["sources"][0]["architecture"] = architecture
    contents["program.json"] = json.dumps(header)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    for check_source in (True, "outputs"):
        with pytest.raises(ValueError, match="Received: "):
            load(path, network(), check_source=check_source)


def joined_program(sources, path):
    model = ReprogrammedModel(
        sources,
        [InputReprogrammer((4, 4, 1)) for _ in sources],
        LabelMapper(2, "random"),
    )
    model.save_program(path)
    return model


def test_a_program_of_several_sources_has_a_fingerprint_of_each(path):
    sources = [network(), network("tanh")]
    model = joined_program(sources, path)
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("program.json"))
    assert header["sources"] == [fingerprint(source) for source in sources]
    kinds = [each["class_name"] for each in header["inputs"]]
    assert kinds == ["InputReprogrammer", "InputReprogrammer"]
    x = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = load(path, sources)
    np.testing.assert_array_equal(
        loaded.predict_on_batch(x), model.predict_on_batch(x)
    )


@pytest.mark.numpy_alone
def test_sources_in_another_order_or_number_are_a_value_error(path):
    sources = [network(), network("tanh")]
    joined_program(sources, path)
    for given, message in [
        (sources[::-1], r'another source: sources\[0\]: .*"tanh"'),
        ([sources[0], sources[0]], r'another source: sources\[1\]: .*"relu"'),
        (sources[0], "trained on 2 sources"),
        (sources[:1], "trained on 2 sources"),
        ([*sources, sources[0]], "trained on 2 sources.* of 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            load(path, given)
    with pytest.raises(ValueError, match="trained on 2 sources"):
        load(path, sources[0], check_source=False)
    load(path, sources[::-1], check_source=False)
    saved(sources[0], path)
    with pytest.raises(ValueError, match="trained on 1 sources"):
        load(path, sources)
