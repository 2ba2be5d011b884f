"""One sample becomes an input for each of several sources."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import OneSided
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import InputTransformation
from keras_reprogram.inputs import JoinedTransformation
from keras_reprogram.inputs import RandomShift
from keras_reprogram.inputs import SeriesReprogrammer
from keras_reprogram.inputs import TokenPatches
from keras_reprogram.sources import JoinedSource
from keras_reprogram.sources import inspect_source

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
X = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 1)).astype("uint8")
Y = np.arange(12) % 2


def image_source(size, classes=3):
    inputs = keras.Input((size, size, 3))
    outputs = keras.layers.Dense(classes)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)


def pair(*shapes, **settings):
    return JoinedTransformation(
        [InputReprogrammer(shape, **settings) for shape in shapes]
    )


def test_each_source_has_its_own_shape_scaling_and_pattern():
    small, large = image_source(6), image_source(8)
    joined = pair((4, 4, 1), None, placement="pad")
    source = JoinedSource([small, large])
    joined.resolve(inspect_source(source), source)
    assert joined.sample_shape == (4, 4, 1)
    alone = [InputReprogrammer((4, 4, 1), placement="pad") for _ in range(2)]
    found = joined(X)
    assert [each.shape for each in found] == [(12, 6, 6, 3), (12, 8, 8, 3)]
    for each, source, values in zip(alone, (small, large), found):
        each.resolve(inspect_source(source), source)
        wanted = each(X)
        np.testing.assert_allclose(
            ops.convert_to_numpy(values), ops.convert_to_numpy(wanted)
        )
    assert len(joined.trainable_variables) == 2


@pytest.mark.numpy_alone
def test_samples_of_different_shapes_or_dtypes_are_a_value_error():
    source = JoinedSource([image_source(6), image_source(6)])
    specification = inspect_source(source)
    with pytest.raises(
        ValueError, match=r"transformations\[1\].*of \(5, 5, 1\)"
    ):
        pair((4, 4, 1), (5, 5, 1)).resolve(specification, source)
    tokens = InputReprogrammer(
        (8,), (8, 8, 3), placement=TokenPatches(10, 2), value_range=None
    )
    with pytest.raises(ValueError, match=r"one dtype.*for int32"):
        JoinedTransformation([InputReprogrammer((4, 4, 1)), tokens])


@pytest.mark.numpy_alone
def test_what_is_no_list_of_transformations_is_a_value_error():
    one = InputReprogrammer((4, 4, 1))
    series = SeriesReprogrammer((16, 2), 8, 4)
    for given, message in [
        (one, "two or more"),
        ([one], "two or more"),
        ([one, one], "make one for each"),
        ([one, LabelMapper(2)], "`InputTransformation`s"),
        ([one, pair(None, None)], "in one list"),
        ([one, series], "makes 2 for each of 1 sources"),
    ]:
        with pytest.raises(ValueError, match=message):
            JoinedTransformation(given)


class Recording(InputTransformation):
    """A transformation whose hooks record that they were called."""

    def __init__(self, valid=None, **kwargs):
        super().__init__(**kwargs)
        self.called = []
        self.is_valid = valid

    def resolve(self, specification, source):
        self.called.append("resolve")
        self.read = source

    @property
    def sample_shape(self):
        return (3,)

    def call(self, inputs, training=False):
        return inputs

    def check_values(self, samples):
        self.called.append("check_values")

    def check_sample_shape(self, shape):
        self.called.append("check_sample_shape")

    def check_variables(self):
        self.called.append("check_variables")

    def valid(self, samples):
        return self.is_valid

    @property
    def valid_values(self):
        return "numbers" if self.is_valid is None else "counts"

    def merge(self, samples):
        return samples["first"]

    def training_callbacks(self):
        return [keras.callbacks.Callback()]

    @contextlib.contextmanager
    def inference(self):
        self.called.append("inference")
        yield

    @contextlib.contextmanager
    def same_samples(self):
        self.called.append("same_samples")
        yield


@pytest.mark.numpy_alone
def test_every_hook_reaches_every_transformation():
    inputs = keras.Input((3,))
    sources = [
        keras.Model(inputs, keras.layers.Dense(size)(inputs)) for size in (2, 4)
    ]
    rows = [ops.convert_to_tensor([True, True, False])]
    rows.append(ops.convert_to_tensor([False, True, True]))
    parts = [Recording(), Recording(rows[0]), Recording(rows[1])]
    joined = JoinedTransformation(parts)
    source = JoinedSource([*sources, sources[0]])
    joined.resolve(inspect_source(source), source)
    samples = np.ones((3, 3), "float32")
    joined.check_values(samples)
    joined.check_sample_shape((3,))
    joined.check_variables()
    with joined.inference(), joined.same_samples():
        pass
    wanted = "resolve check_values check_sample_shape check_variables"
    for part in parts:
        assert part.called == [*wanted.split(), "inference", "same_samples"]
    np.testing.assert_array_equal(
        ops.convert_to_numpy(joined.valid(samples)), [False, True, False]
    )
    assert (
        JoinedTransformation([Recording(), Recording()]).valid(samples) is None
    )
    assert joined.valid_values == "numbers and counts"
    assert len(joined.training_callbacks()) == 3
    assert joined.merge({"first": 1}) == 1
    assert parts[1].read(ops.convert_to_tensor(samples)).shape == (3, 4)
    assert joined.for_each_source() == parts


@pytest.fixture
def model():
    transformations = [
        InputReprogrammer((4, 4, 1), placement="pad") for _ in range(2)
    ]
    model = ReprogrammedModel(
        [image_source(6), image_source(8, 2)], transformations, LabelMapper(2)
    )
    model.compile(keras.optimizers.SGD(0.1), LOSS)
    return model


def test_a_joined_model_is_fitted_saved_and_cloned(model, tmp_path):
    before = [variable.numpy() for variable in model.source.weights]
    model.fit(X, Y, verbose=0)
    for old, variable in zip(before, model.source.weights):
        np.testing.assert_array_equal(old, variable.numpy())
    wanted = model.predict(X, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), wanted)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(X, verbose=0), wanted)


@pytest.mark.numpy_alone
def test_a_probe_of_joined_sources_is_fitted_on_cached_outputs():
    probes = [InputReprogrammer(pattern=None) for _ in range(2)]
    model = ReprogrammedModel([image_source(6)] * 2, probes, LabelMapper(2))
    history = model.fit_label_map(X, Y, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    shifting = [
        InputReprogrammer(pattern=None),
        InputReprogrammer(pattern=None, augmentation=RandomShift()),
    ]
    model = ReprogrammedModel([image_source(6)] * 2, shifting, LabelMapper(2))
    with pytest.raises(ValueError, match="use `fit`.*RandomShift"):
        model.fit_label_map(X, Y, verbose=0)


@pytest.mark.numpy_alone
def test_a_pattern_reads_the_source_of_its_own_part():
    sources = [image_source(6, 2), image_source(8, 5)]
    model = ReprogrammedModel(
        sources,
        [
            InputReprogrammer((4, 4, 1)),
            InputReprogrammer((4, 4, 1), pattern=CoordinatorPattern()),
        ],
        LabelMapper(2, "random"),
    )
    assert model.input_reprogrammer.uses_source
    canvas = np.ones((2, 8, 8, 3), "float32")
    _, second = model.input_reprogrammer.for_each_source()
    read = second.pattern.encode(ops.convert_to_tensor(canvas))
    np.testing.assert_allclose(
        ops.convert_to_numpy(read),
        ops.convert_to_numpy(sources[1](255 * canvas)),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.numpy_alone
def test_programs_of_both_parts_are_found_by_queries():
    calls = []

    def answer(images):
        calls.append(len(images))
        return images.reshape(len(images), -1)[:, :3]

    queried = QueriedSource(answer, (6, 6, 3), 3, from_logits=True)
    model = ReprogrammedModel(
        [image_source(6), queried],
        [InputReprogrammer((4, 4, 1)), InputReprogrammer((4, 4, 1))],
        LabelMapper(2, "random"),
    )
    with pytest.raises(ValueError, match="has no gradient"):
        model.compile("sgd", LOSS, gradient_estimator=None)
    model.compile("sgd", LOSS, gradient_estimator=OneSided(2))
    model.train_on_batch(X[:4], Y[:4])
    assert model.num_queries == sum(calls) == 3 * 4
    with pytest.raises(ValueError, match="export"):
        model.export("model")


@pytest.mark.numpy_alone
def test_a_part_without_gradient_matters_where_it_has_a_program():
    inputs = keras.Input((6, 6, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    integers = keras.Model(inputs, keras.layers.Dense(3)(x))

    def model_with(pattern):
        return ReprogrammedModel(
            [image_source(6), integers],
            [
                InputReprogrammer((4, 4, 1)),
                InputReprogrammer((4, 4, 1), pattern=pattern),
            ],
            LabelMapper(2, "random"),
        )

    model = model_with(None)
    model.compile("sgd", LOSS, gradient_estimator=None)
    model.train_on_batch(X, Y)
    with pytest.raises(ValueError, match="uint8 between"):
        model_with("everywhere").compile("sgd", LOSS, gradient_estimator=None)
