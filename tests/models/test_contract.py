"""What a plain Keras model on the same source trains on, ours trains on.

A row of `WAYS` is a way in which data reach `fit`, a row of `ENDS` a kind of
output mapping. Every way is tried with every end, on every backend, with a
plain functional model beside it: where that takes the data, ours takes them,
finds the same label map and has the same loss as with arrays. The learning
rate is zero, so that one compiled model serves all ways.
"""

import functools
import importlib.util

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.outputs import RegressionHead

SAMPLES, FEATURES, BATCH = 16, 6, 8
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(SAMPLES, FEATURES)).astype("float32")
CLASSES = np.arange(SAMPLES) % 3
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
SMOOTHED = 0.9 * ONE_HOT + 0.1 / 3
BINARY = (GENERATOR.random((SAMPLES, 3)) < 0.5).astype("float32")
NUMBERS = (1e-5 * X @ np.arange(FEATURES) + 3e-5).astype("float32")
WEIGHTS = np.linspace(0.5, 2.0, SAMPLES).astype("float32")

SPARSE = keras.losses.SparseCategoricalCrossentropy
CATEGORICAL = keras.losses.CategoricalCrossentropy


@functools.cache
def source(activation=None, classes=5):
    inputs = keras.Input((FEATURES,))
    x = keras.layers.Dense(4, activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, activation)(x))


# Source, output mapping, loss, labels.
ENDS = {
    "identity": lambda: (
        source(),
        LabelMapper(3, "identity"),
        SPARSE(from_logits=True),
        CLASSES,
    ),
    "linear": lambda: (
        source(),
        LabelMapper(3),
        SPARSE(from_logits=True),
        CLASSES,
    ),
    "frequency_one_hot": lambda: (
        source(),
        LabelMapper(3, "frequency"),
        CATEGORICAL(from_logits=True),
        ONE_HOT,
    ),
    "iterative_one_hot": lambda: (
        source(),
        LabelMapper(3, "iterative"),
        CATEGORICAL(from_logits=True, label_smoothing=0.1),
        ONE_HOT,
    ),
    "bayesian_smoothed": lambda: (
        source(),
        LabelMapper(3, "bayesian_plus"),
        CATEGORICAL(from_logits=True),
        SMOOTHED,
    ),
    "probabilities": lambda: (
        source("softmax"),
        LabelMapper(3, "iterative"),
        SPARSE(),
        CLASSES,
    ),
    "one_sigmoid": lambda: (
        source("sigmoid", 1),
        LabelMapper(2),
        SPARSE(from_logits=True),
        CLASSES % 2,
    ),
    "binary": lambda: (
        source("sigmoid"),
        LabelMapper(3, multi_label=True),
        keras.losses.BinaryCrossentropy(from_logits=True),
        BINARY,
    ),
    "regression": lambda: (source(), RegressionHead(1), "mse", NUMBERS),
}


class Batches(keras.utils.PyDataset):
    """Batches of arrays, in any structure."""

    def __init__(self, arrange, *arrays):
        super().__init__()
        self.arrange, self.arrays = arrange, arrays

    def __len__(self):
        return -(-SAMPLES // BATCH)

    def __getitem__(self, index):
        rows = slice(BATCH * index, BATCH * index + BATCH)
        return self.arrange(*(array[rows] for array in self.arrays))


def tensorflow_data(*arrays):
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.data.Dataset.from_tensor_slices(arrays).batch(BATCH)


def without_sizes(y):
    """As files that are decoded: TensorFlow knows no size of a sample."""
    tensorflow = pytest.importorskip("tensorflow")

    def unknown(x, labels):
        # It is as it was, and nobody can tell while it is traced.
        size = tensorflow.cast(tensorflow.reduce_sum(0.0 * x), "int32")
        return tensorflow.reshape(x, (-1, FEATURES + size)), labels

    data = tensorflow_data(X, y).map(unknown)
    assert data.element_spec[0].shape[1] is None
    return data


def torch_loader(*arrays):
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(*map(torch.from_numpy, arrays))
    return torch.utils.data.DataLoader(data, batch_size=BATCH)


def grain_data(*arrays):
    grain = pytest.importorskip("grain")
    rows = grain.MapDataset.source(list(zip(*arrays)))
    return rows.batch(BATCH)


def generator(*arrays):
    return (batch for batch in Batches(lambda *parts: parts, *arrays))


def table(y):
    pandas = pytest.importorskip("pandas")
    return {"x": pandas.DataFrame(X), "y": pandas.DataFrame(y)}


def in_dictionary(x, *rest):
    return {"samples": x}, *rest


def in_another_dictionary(x, *rest):
    return {"image": x}, *rest


def in_tuple(x, *rest):
    return (x,), *rest


def as_given(*parts):
    return parts


WAYS = {
    "array": lambda y: {"x": X, "y": y},
    "tensor": lambda y: {
        "x": ops.convert_to_tensor(X),
        "y": ops.convert_to_tensor(y),
    },
    "list": lambda y: {"x": [X], "y": [y]},
    "tuple": lambda y: {"x": (X,), "y": y},
    "dictionary": lambda y: {"x": {"samples": X}, "y": y},
    "table": table,
    "py_dataset": lambda y: {"x": Batches(as_given, X, y)},
    "py_dataset_of_dictionaries": lambda y: {"x": Batches(in_dictionary, X, y)},
    "py_dataset_of_any_name": lambda y: {
        "x": Batches(in_another_dictionary, X, y)
    },
    "py_dataset_of_tuples": lambda y: {"x": Batches(in_tuple, X, y)},
    "tensorflow": lambda y: {"x": tensorflow_data(X, y)},
    "tensorflow_of_dictionaries": lambda y: {
        "x": tensorflow_data(X, y).map(in_dictionary)
    },
    "tensorflow_without_sizes": lambda y: {"x": without_sizes(y)},
    "torch_loader": lambda y: {"x": torch_loader(X, y)},
    "grain": lambda y: {"x": grain_data(X, y)},
    "generator": lambda y: {"x": generator(X, y)},
}
WEIGHTED = {
    "array": lambda y: {"x": X, "y": y, "sample_weight": WEIGHTS},
    "py_dataset": lambda y: {"x": Batches(as_given, X, y, WEIGHTS)},
    "py_dataset_of_dictionaries": lambda y: {
        "x": Batches(in_dictionary, X, y, WEIGHTS)
    },
    "tensorflow": lambda y: {"x": tensorflow_data(X, y, WEIGHTS)},
    "torch_loader": lambda y: {"x": torch_loader(X, y, WEIGHTS)},
    "generator": lambda y: {"x": generator(X, y, WEIGHTS)},
}
VALIDATION = {
    "arrays": lambda y: (X, y),
    "weights": lambda y: (X, y, WEIGHTS),
    "containers": lambda y: ({"samples": X}, [y]),
    "py_dataset": lambda y: Batches(in_dictionary, X, y),
    "tensorflow": lambda y: tensorflow_data(X, y),
    "torch_loader": lambda y: torch_loader(X, y),
}


def unfitted(end):
    network, mapper, loss, labels = ENDS[end]()
    model = ReprogrammedModel(
        network, InputReprogrammer((FEATURES,), value_range=None), mapper
    )
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=None)
    return model, labels


reprogrammed = functools.cache(unfitted)


@functools.cache
def plain():
    inputs = keras.Input((FEATURES,), name="samples")
    outputs = keras.layers.Dense(3)(source()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.0), SPARSE(from_logits=True))
    return model


def forget(model):
    """Leaves the label map as if it had seen no data."""
    mapper = model.label_mapper
    if mapper.needs_data:
        mapper.solved_flag.assign(0)
        mapper.mark_loaded()


def fitted(model, validation=None, **data):
    """The loss, that of validation, and what the label map has become."""
    forget(model)
    history = model.fit(
        **data,
        batch_size=None if "y" not in data else BATCH,
        validation_data=validation,
        shuffle=False,
        verbose=0,
    ).history
    found = [
        ops.convert_to_numpy(variable.value)
        for variable in model.label_mapper.learned_variables
    ]
    return history["loss"], history.get("val_loss"), *found


@functools.cache
def with_arrays(end, weighted):
    model, labels = reprogrammed(end)
    ways = WEIGHTED if weighted else WAYS
    return fitted(model, **ways["array"](labels))


def same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def plain_takes(**data):
    """Whether a plain model trains on data of this kind, on this backend."""
    try:
        plain().fit(**data, shuffle=False, verbose=0)
    except Exception:
        return False
    return True


NOT_IN_KERAS = ("py_dataset_of_any_name",)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", WAYS)
def test_data_of_every_kind_give_the_loss_and_the_map_of_arrays(way, end):
    model, labels = reprogrammed(end)
    if (
        end == "identity"
        and way not in NOT_IN_KERAS
        and not plain_takes(**WAYS[way](CLASSES))
    ):
        pytest.skip("a plain model does not take these data here")
    same(fitted(model, **WAYS[way](labels)), with_arrays(end, False))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("end", ["linear", "iterative_one_hot", "regression"])
@pytest.mark.parametrize("way", WEIGHTED)
def test_sample_weights_of_every_kind_count(way, end):
    model, labels = reprogrammed(end)
    found = fitted(model, **WEIGHTED[way](labels))
    same(found, with_arrays(end, True))
    assert found[0] != with_arrays(end, False)[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("end", ["linear", "iterative_one_hot", "regression"])
@pytest.mark.parametrize("kind", VALIDATION)
def test_validation_data_of_every_kind_give_their_loss(kind, end):
    model, labels = reprogrammed(end)
    data = VALIDATION[kind](labels)
    found = fitted(model, validation=data, x=X, y=labels)
    weights = WEIGHTS if kind == "weights" else None
    loss = model.evaluate(X, labels, BATCH, 0, weights)
    np.testing.assert_allclose(found[1], loss, rtol=1e-3)


@pytest.mark.parametrize("end", ["linear", "iterative_one_hot"])
def test_validation_data_may_be_passed_by_position(end):
    model, labels = reprogrammed(end)
    history = model.fit(X, labels, BATCH, 1, 0, None, 0.0, (X, labels)).history
    assert "val_loss" in history


def copied(model):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def nested(model):
    return keras.Sequential([keras.Input((FEATURES,)), model])


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("end", ENDS)
def test_a_model_around_a_solved_one_trains_and_answers(end):
    source.cache_clear()
    model, labels = unfitted(end)
    model.adapt(X, labels, verbose=0)
    expected = model.predict(X, verbose=0)
    around, loss = nested(model), ENDS[end]()[2]
    around.compile(keras.optimizers.SGD(0.0), loss)
    np.testing.assert_allclose(around.predict(X, verbose=0), expected)
    if model.label_mapper.updates_statistics:
        with pytest.raises(ValueError, match="fit the `ReprogrammedModel`"):
            around.fit(X, labels, verbose=0)
    else:
        assert np.isfinite(around.fit(X, labels, verbose=0).history["loss"])
    assert model.label_mapper.solved


@pytest.mark.parametrize("end", ENDS)
def test_a_clone_of_a_solved_model_answers_the_same(end):
    model, labels = reprogrammed(end)
    forget(model)
    model.adapt(X, labels, verbose=0)
    clone = copied(model)
    np.testing.assert_allclose(
        clone.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6
    )


@pytest.mark.parametrize("end", ENDS)
def test_a_model_that_was_saved_trains_on_and_answers_the_same(end, tmp_path):
    model, labels = reprogrammed(end)
    forget(model)
    model.adapt(X, labels, verbose=0)
    again = reloaded(model, tmp_path)
    np.testing.assert_allclose(
        again.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6
    )
    assert np.isfinite(again.fit(X, labels, verbose=0).history["loss"]).all()


UNSOLVED = [end for end in ENDS if ENDS[end]()[1].needs_data]


@pytest.mark.parametrize("end", UNSOLVED)
@pytest.mark.parametrize(
    "use",
    [
        lambda model, y, loss: model(X),
        lambda model, y, loss: nested(model)(X),
        lambda model, y, loss: nested(model).predict(X, verbose=0),
        lambda model, y, loss: train(nested(model), y, loss),
        lambda model, y, loss: copied(model).predict(X, verbose=0),
        lambda model, y, loss: train(copied(model), y, loss),
    ],
    ids=["call", "nested", "predict", "fit", "clone", "fit_clone"],
)
def test_a_map_that_saw_no_data_raises_wherever_it_is_used(use, end):
    # A step that fails on JAX leaves its variables without values.
    source.cache_clear()
    model, labels = unfitted(end)
    with pytest.raises(ValueError, match="call `adapt`|`fit` of a model"):
        use(model, labels, ENDS[end]()[2])


def train(model, labels, loss):
    model.compile(keras.optimizers.SGD(0.0), loss)
    model.fit(X, labels, verbose=0)


def test_every_package_that_a_way_needs_is_installed_with_the_tests():
    for name in ("pandas", "grain", "tensorflow"):
        assert importlib.util.find_spec(name), name


@pytest.mark.parametrize("end", UNSOLVED)
def test_weights_of_before_make_a_map_unsolved_again(end):
    source.cache_clear()
    model, labels = unfitted(end)
    start = model.get_weights()
    first = fitted(model, x=X, y=labels)
    model.set_weights(start)
    with pytest.raises(ValueError, match="call `adapt`"):
        model(X)
    model.set_weights(start)
    history = model.fit(X, labels, BATCH, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"], first[0], rtol=1e-4)
