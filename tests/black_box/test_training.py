import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import SPSA
from keras_reprogram.black_box import OneSided
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import TwoSided
from keras_reprogram.black_box import probabilities_from_top_k
from keras_reprogram.callbacks import QueryBudget
from keras_reprogram.callbacks import RestoreBest
from keras_reprogram.callbacks import ResumeTraining
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import RandomShift
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs.images import coordinator
from keras_reprogram.outputs import LinearMapping

ESTIMATORS = {
    "one_sided": OneSided(4, 0.01),
    "two_sided": TwoSided(4, 0.01, orthogonal=True, points_per_batch=3),
    "spsa": SPSA(4, 0.01),
}


def reprogrammed(
    source, estimator, mapping="linear", augmentation=None, from_logits=True
):
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            (8, 8, 1),
            pattern=UniversalPattern(basis=Grid(4)),
            scale=255.0,
            augmentation=augmentation,
        ),
        LabelMapper(3, mapping),
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits),
        metrics=["accuracy"],
        gradient_estimator=estimator,
    )
    return model


def values(model):
    return [
        ops.convert_to_numpy(variable.value)
        for variable in model.program_variables
    ]


@pytest.mark.parametrize(
    "mapping", [LinearMapping(initial="random"), "iterative"]
)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_program_learns_from_queries(
    twelve_classes, bright_quadrants, name, mapping
):
    estimator = dataclasses.replace(ESTIMATORS[name], directions=12)
    model = reprogrammed(twelve_classes, estimator, mapping)
    model.adapt(*bright_quadrants, verbose=0)
    before = model.evaluate(*bright_quadrants, verbose=0, return_dict=True)
    history = model.fit(
        *bright_quadrants, batch_size=16, epochs=12, verbose=0
    ).history
    assert history["loss"][-1] < 0.95 * before["loss"]
    if mapping != "iterative":
        assert history["accuracy"][-1] >= 0.9


def test_the_program_itself_learns_with_a_map_that_is_fixed(
    twelve_classes, bright_quadrants
):
    groups = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    model = reprogrammed(twelve_classes, TwoSided(16, orthogonal=True), groups)
    start = model.evaluate(*bright_quadrants, verbose=0, return_dict=True)
    model.fit(*bright_quadrants, batch_size=48, epochs=40, verbose=0)
    end = model.evaluate(*bright_quadrants, verbose=0, return_dict=True)
    assert end["loss"] < start["loss"] - 0.1


def test_all_directions_together_are_the_step_of_the_gradient(
    twelve_classes, bright_quadrants
):
    images, labels = bright_quadrants
    steps = []
    for estimator in (None, TwoSided(48, smoothing=0.01, orthogonal=True)):
        model = reprogrammed(twelve_classes, estimator, [[0], [1], [2]])
        model.optimizer.learning_rate.assign(1.0)
        model.compile(
            keras.optimizers.SGD(1.0), model.loss, gradient_estimator=estimator
        )
        model.fit(images, labels, batch_size=48, shuffle=False, verbose=0)
        steps.append(values(model)[0])
    error = np.linalg.norm(steps[0] - steps[1]) / np.linalg.norm(steps[0])
    assert error < 0.02


def test_a_linear_map_has_its_exact_gradient(twelve_classes, bright_quadrants):
    images, labels = bright_quadrants
    maps = []
    for estimator in (None, OneSided(2)):
        keras.utils.set_random_seed(0)
        model = reprogrammed(twelve_classes, estimator)
        model.adapt(images, labels, verbose=0)
        model.fit(images, labels, batch_size=48, shuffle=False, verbose=0)
        maps.append(values(model)[1])
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-4)


def test_queries_are_counted_in_the_history(twelve_classes, bright_quadrants):
    model = reprogrammed(twelve_classes, TwoSided(3))
    history = model.fit(
        *bright_quadrants, batch_size=32, epochs=2, verbose=0
    ).history
    assert history["queries"] == [6 * 48, 2 * 6 * 48]
    assert model.num_queries == 2 * 6 * 48


def test_training_is_the_same_from_the_same_seed(
    twelve_classes, bright_quadrants
):
    programs = []
    for points_per_batch in (None, 1):
        keras.utils.set_random_seed(0)
        model = reprogrammed(
            twelve_classes,
            TwoSided(2, seed=3, points_per_batch=points_per_batch),
            augmentation=RandomShift(0.1, seed=1),
        )
        model.fit(*bright_quadrants, batch_size=16, epochs=2, verbose=0)
        programs.append(values(model))
    for one, other in zip(*programs):
        np.testing.assert_allclose(one, other, atol=1e-4)


PROGRAMS_OF_EVERY_BACKEND = {
    "one_sided": [1.3679, 2.1984, -2.1891, 1.6127],
    "two_sided": [-2.1585, 0.6457, -3.0547, 2.5062],
    "spsa": [-0.3638, -0.7046, 1.6668, -1.5938],
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_training_is_the_same_on_every_backend(name):
    generator = np.random.default_rng(0)
    inputs = keras.Input((2, 2, 3))
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)
    source.set_weights([generator.normal(size=(12, 3)), np.zeros(3)])
    model = ReprogrammedModel(
        source,
        InputReprogrammer((2, 2, 3)),
        LabelMapper(2, [[0], [1]]),
    )
    model.compile(
        keras.optimizers.SGD(0.005),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=ESTIMATORS[name],
    )
    images = generator.uniform(0, 1, (8, 2, 2, 3)).astype("float32")
    model.fit(images, np.arange(8) % 2, 4, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(
        model.input_reprogrammer.get_weights()[0].reshape(-1)[:4],
        PROGRAMS_OF_EVERY_BACKEND[name],
        rtol=1e-3,
    )


def test_a_random_augmentation_goes_on_from_step_to_step(
    twelve_classes, bright_quadrants
):
    shift = RandomShift(0.1, seed=1)
    model = reprogrammed(twelve_classes, OneSided(2), augmentation=shift)
    before = ops.convert_to_numpy(shift.generator.state.value)
    model.fit(*bright_quadrants, batch_size=16, epochs=1, verbose=0)
    after = ops.convert_to_numpy(shift.generator.state.value)
    assert (before != after).any()


def test_a_budget_ends_training_before_it_is_exceeded(
    twelve_classes, bright_quadrants
):
    model = reprogrammed(twelve_classes, TwoSided(2))
    history = model.fit(
        *bright_quadrants,
        batch_size=16,
        epochs=5,
        verbose=0,
        callbacks=[
            RestoreBest(bright_quadrants),
            QueryBudget(max_queries=300),
        ],
        validation_data=bright_quadrants,
    ).history
    assert history["queries"] == [192, 256]  # steps of 64
    with pytest.raises(ValueError, match="budget is spent"):
        model.fit(*bright_quadrants, verbose=0, callbacks=[QueryBudget(256)])


def test_a_budget_counts_what_validation_asks(twelve_classes, bright_quadrants):
    for budget in (150, 700):
        source, calls = behind_a_function(twelve_classes)
        model = reprogrammed(source, TwoSided(2))
        model.fit(
            *bright_quadrants,
            batch_size=16,
            epochs=9,
            verbose=0,
            callbacks=[QueryBudget(budget)],
            validation_data=bright_quadrants,
            validation_batch_size=16,
        )
        assert budget - 2 * 64 <= source.num_queries <= budget + 16


def test_a_budget_without_queries_is_a_value_error(
    twelve_classes, bright_quadrants
):
    model = reprogrammed(twelve_classes, None)
    with pytest.raises(ValueError, match="sends no queries"):
        model.fit(*bright_quadrants, callbacks=[QueryBudget(100)], verbose=0)


def test_queries_are_counted_before_training(twelve_classes, bright_quadrants):
    source, _ = behind_a_function(twelve_classes)
    model = ReprogrammedModel(
        source, InputReprogrammer((8, 8, 1)), LabelMapper(3, "frequency")
    )
    assert model.num_queries == 0
    model.adapt(*bright_quadrants, verbose=0)
    assert model.num_queries == 48


def test_training_that_goes_on_has_spent_what_it_had(
    twelve_classes, bright_quadrants, tmp_path
):
    def spent(epochs, source):
        model = reprogrammed(source, TwoSided(2))
        resume = ResumeTraining(tmp_path / "training.npz", keep=True)
        history = model.fit(
            *bright_quadrants,
            batch_size=16,
            epochs=epochs,
            verbose=0,
            callbacks=[resume],
        ).history
        return history["queries"]

    assert spent(1, twelve_classes) == [192]
    assert spent(2, twelve_classes) == [384]
    (tmp_path / "training.npz").unlink()
    before = spent(1, behind_a_function(twelve_classes)[0])
    after = spent(2, behind_a_function(twelve_classes)[0])
    assert after[0] == before[0] + 192


def test_the_estimator_is_saved_with_the_model(
    twelve_classes, bright_quadrants, tmp_path
):
    model = reprogrammed(twelve_classes, SPSA(2))
    model.fit(*bright_quadrants, batch_size=16, verbose=0)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    assert copy.gradient_estimator == SPSA(2)
    np.testing.assert_allclose(
        copy.predict(bright_quadrants[0], verbose=0),
        model.predict(bright_quadrants[0], verbose=0),
        atol=1e-6,
    )
    copy.fit(*bright_quadrants, batch_size=16, verbose=0)


# === Sources behind a function ===


def behind_a_function(twelve_classes, **kwargs):
    softmax = keras.Model(
        twelve_classes.input, keras.layers.Softmax()(twelve_classes.output)
    )
    calls = []

    def classify(images):
        calls.append(len(images))
        return ops.convert_to_numpy(softmax(images, training=False))

    source = QueriedSource(classify, (16, 16, 3), 12, **kwargs)
    return source, calls


def test_a_source_behind_a_function_trains_as_the_network_does(
    twelve_classes, bright_quadrants
):
    source, _ = behind_a_function(twelve_classes)
    probabilities = keras.Model(
        twelve_classes.input, keras.layers.Softmax()(twelve_classes.output)
    )
    outcomes = []
    for each in (source, probabilities):
        keras.utils.set_random_seed(0)
        model = reprogrammed(each, TwoSided(3, smoothing=0.1))
        model.fit(*bright_quadrants, batch_size=16, epochs=2, verbose=0)
        outcomes.append(model.predict(bright_quadrants[0], verbose=0))
    # Differences of losses magnify what rounding changes.
    np.testing.assert_allclose(*outcomes, rtol=0.005, atol=0.02)


def test_a_source_that_names_labels_alone_trains_a_program(
    twelve_classes, bright_quadrants
):
    scores = behind_a_function(twelve_classes)[0].query.function
    name = probabilities_from_top_k(
        lambda rows: scores(rows).argmax(axis=1), 12
    )
    source = QueriedSource(name, (16, 16, 3), 12)
    groups = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    model = reprogrammed(
        source, TwoSided(24, smoothing=1.0), groups, from_logits=False
    )
    before = model.evaluate(*bright_quadrants, verbose=0, return_dict=True)
    model.fit(*bright_quadrants, batch_size=48, epochs=12, verbose=0)
    after = model.evaluate(*bright_quadrants, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"]


def test_the_function_may_be_the_predict_of_a_keras_model(
    twelve_classes, bright_quadrants
):
    source = QueriedSource(
        lambda images: twelve_classes.predict(images, verbose=0),
        (16, 16, 3),
        12,
        from_logits=True,
    )
    by_its_gradient = reprogrammed(twelve_classes, None)
    for model in (
        reprogrammed(source, TwoSided(2)),
        by_its_gradient,
        reprogrammed(source, TwoSided(2)),
    ):
        model.fit(*bright_quadrants, batch_size=48, epochs=2, verbose=0)
        found = model.predict(bright_quadrants[0], verbose=0)
        assert np.isfinite(found).all()


def test_answers_are_not_asked_for_twice(
    twelve_classes, bright_quadrants, tmp_path
):
    images, labels = bright_quadrants
    cache = tmp_path / "answers.sqlite"
    source, calls = behind_a_function(
        twelve_classes, cache=cache, batch_size=20
    )
    model = reprogrammed(source, TwoSided(2), "iterative", from_logits=False)
    history = model.fit(images, labels, batch_size=16, verbose=0).history
    asked = source.num_queries
    # 48 for the map, 4 x 48 for training; nothing else.
    assert asked == history["queries"][0] == sum(calls) == 5 * 48
    assert max(calls) <= 20
    model.evaluate(images, labels, verbose=0)
    model.evaluate(images, labels, verbose=0)
    assert source.num_queries == asked + 48 and source.num_cache_hits == 48

    again, calls = behind_a_function(twelve_classes, cache=cache)
    keras.utils.set_random_seed(0)
    model = reprogrammed(again, TwoSided(2), "iterative", from_logits=False)
    model.adapt(images, labels, verbose=0)
    assert (
        again.num_queries == 0 and again.num_cache_hits >= 48 and calls == [1]
    )


def test_a_program_of_a_queried_source_is_a_file_of_its_own(
    twelve_classes, bright_quadrants, tmp_path
):
    source, _ = behind_a_function(twelve_classes)
    model = reprogrammed(source, OneSided(2))
    model.fit(*bright_quadrants, batch_size=16, verbose=0)
    model.save_program(tmp_path / "a.program")
    copy = ReprogrammedModel.load_program(tmp_path / "a.program", source)
    np.testing.assert_allclose(
        copy.predict(bright_quadrants[0], verbose=0),
        model.predict(bright_quadrants[0], verbose=0),
        atol=1e-4,
    )
    with pytest.raises(ValueError, match="cannot be saved"):
        source.get_config()


def test_a_queried_source_without_an_estimator_is_refused(twelve_classes):
    source, _ = behind_a_function(twelve_classes)
    with pytest.raises(ValueError, match="has no gradient"):
        reprogrammed(source, None)


def test_a_linear_probe_on_a_queried_source_needs_no_estimator(
    twelve_classes, bright_quadrants
):
    source, calls = behind_a_function(twelve_classes)
    model = ReprogrammedModel(
        source,
        InputReprogrammer((8, 8, 1), pattern=None, scale=255.0),
        LabelMapper(3),
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(*bright_quadrants, epochs=3, verbose=0)
    assert source.num_queries == 48  # every epoch but the first is remembered


def test_an_estimator_needs_a_program_and_a_frozen_source(twelve_classes):
    model = ReprogrammedModel(
        twelve_classes,
        InputReprogrammer((8, 8, 1), pattern=None),
        LabelMapper(3),
    )
    with pytest.raises(ValueError, match="no program to train"):
        model.compile("sgd", "mse", gradient_estimator=OneSided())
    model = ReprogrammedModel(twelve_classes, trainable_source_layers=1)
    with pytest.raises(ValueError, match="leave out `trainable_source_layers`"):
        model.compile("sgd", "mse", gradient_estimator=OneSided())


def test_what_was_learned_before_a_failure_is_kept(
    twelve_classes, bright_quadrants
):
    source, calls = behind_a_function(twelve_classes)
    model = reprogrammed(source, TwoSided(2))
    model.adapt(*bright_quadrants, verbose=0)
    before = values(model)
    function = source.query.function

    def failing(images):
        if len(calls) >= 5:
            raise ConnectionError("the service has gone")
        return function(images)

    source.query.function = failing
    with pytest.raises(Exception, match="the service has gone"):
        model.fit(*bright_quadrants, batch_size=16, epochs=4, verbose=0)
    for old, new in zip(before, values(model)):
        assert (old != new).any() and np.isfinite(new).all()
    source.query.function = function
    model.fit(*bright_quadrants, batch_size=16, verbose=0)


class CountedEncoder(keras.layers.Layer):
    """Four features of an image; counts how often it is put into a step."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def call(self, images):
        self.calls += 1
        return ops.reshape(images[:, :2, :2, 0], (-1, 4))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 4)


def coordinated(source, encoder):
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            (8, 8, 1), pattern=CoordinatorPattern(encoder), scale=255.0
        ),
        LabelMapper(3, "linear"),
    )
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=SPSA(4, points_per_batch=3),
    )
    return model


def test_an_encoder_looks_once_at_the_samples_of_a_step(
    twelve_classes, bright_quadrants
):
    encoder = CountedEncoder()
    model = coordinated(twelve_classes, encoder)
    x, y = (part[:16] for part in bright_quadrants)
    model.fit(x, y, batch_size=16, verbose=0)
    encoder.calls = 0
    model.fit(x, y, batch_size=16, epochs=3, verbose=0)
    # In every step, or in a step's one trace.
    assert encoder.calls <= 3
    assert coordinator.SHARED.get() is None


def test_a_coordinator_that_would_ask_uncounted_is_a_value_error(
    twelve_classes,
):
    with pytest.raises(ValueError, match="encoder"):
        coordinated(twelve_classes, None)
