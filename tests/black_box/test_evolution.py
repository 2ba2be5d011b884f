import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import CMAES
from keras_reprogram.callbacks import ResumeTraining
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import UniversalPattern

pytest.importorskip("cma")


def minimized(estimator, loss, steps):
    session = estimator.session(5)
    point = np.zeros(5, "float32")
    for step in range(steps):
        offsets = estimator.sample_directions(5, step, session)
        losses = loss(point + ops.convert_to_numpy(offsets))
        losses = ops.convert_to_tensor(losses.astype("float32"))
        gradient = estimator.gradient(offsets, losses, step, session)
        point = point - ops.convert_to_numpy(gradient)
    return point


def test_it_finds_the_minimum_of_a_narrow_valley():
    scales = np.array([1, 3, 10, 30, 100.0])

    def valley(rows):
        return np.sum(scales * (rows - 0.3) ** 2, axis=1)

    point = minimized(CMAES(10, sigma0=0.3), valley, steps=120)
    np.testing.assert_allclose(point, 0.3, atol=1e-2)


def test_the_same_seed_searches_alike():
    def bowl(rows):
        return np.sum((rows - 1) ** 2, axis=1)

    one, same, other = (
        minimized(CMAES(6, seed=seed), bowl, 3) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_it_leaves_the_generator_of_numpy_alone():
    def bowl(rows):
        return np.sum(rows**2, axis=1)

    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    minimized(CMAES(6), bowl, 2)
    assert np.random.rand() == expected


def test_a_search_goes_on_from_the_losses_that_it_was_told():
    def valley(rows):
        return np.sum(np.array([1, 9, 1, 1, 30.0]) * (rows - 0.3) ** 2, axis=1)

    estimator = CMAES(6)
    session, other = estimator.session(5), estimator.session(5)
    for _ in range(4):
        session.tell(valley(session.ask()))
    other.replay(np.stack(session.losses_told))
    np.testing.assert_array_equal(other.ask(), session.ask())
    # A generation that was not answered is asked for again.
    np.testing.assert_array_equal(other.ask(), session.ask())


@pytest.fixture
def network():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="tanh")(x)
    return keras.Model(inputs, keras.layers.Dense(6)(keras.layers.Flatten()(x)))


def reprogrammed(network, mapping):
    return ReprogrammedModel(
        network,
        InputReprogrammer(
            (4, 4, 1), pattern=UniversalPattern(basis=Grid(2)), scale=255.0
        ),
        LabelMapper(2, mapping),
    )


def test_a_program_evolves_in_fit(network):
    generator = np.random.default_rng(0)
    labels = np.arange(32) % 2
    images = generator.integers(0, 156, (32, 4, 4, 1))
    images[labels == 1, :2] += 99
    model = reprogrammed(network, [[0, 1, 2], [3, 4, 5]])
    model.compile(
        keras.optimizers.SGD(1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=CMAES(8, sigma0=0.3),
    )
    before = model.evaluate(images, labels, verbose=0, return_dict=True)["loss"]
    history = model.fit(
        images, labels, batch_size=32, epochs=25, verbose=0
    ).history
    after = model.evaluate(images, labels, verbose=0, return_dict=True)["loss"]
    assert after < before - 0.02
    assert history["queries"][-1] == 25 * 8 * 32


def test_a_search_that_is_interrupted_goes_on_with_its_covariance(
    network, tmp_path
):
    x = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1))
    y = np.arange(16) % 2
    programs = []
    for parts in ([6], [2, 4, 6]):
        for epochs in parts:
            # A model of its own each time, as in a process of its own.
            model = reprogrammed(network, [[0, 1, 2], [3, 4, 5]])
            model.compile(
                keras.optimizers.SGD(1.0),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                gradient_estimator=CMAES(6, sigma0=0.3),
            )
            resume = ResumeTraining(
                tmp_path / f"{len(parts)}.npz", keep=epochs < 6
            )
            model.fit(
                x, y, 8, epochs, verbose=0, shuffle=False, callbacks=[resume]
            )
        programs.append(model.input_reprogrammer.get_weights()[0])
    assert np.abs(programs[0]).max() > 0
    np.testing.assert_allclose(*programs, atol=1e-6)


def test_the_same_model_goes_on_with_the_search_of_its_file(network, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1))
    model = reprogrammed(network, [[0, 1, 2], [3, 4, 5]])
    model.compile(
        keras.optimizers.SGD(1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=CMAES(6),
    )
    resume = ResumeTraining(tmp_path / "training.npz", keep=True)
    for epochs in (2, 3):
        model.fit(
            x, np.arange(16) % 2, 8, epochs, verbose=0, callbacks=[resume]
        )
    assert len(model.query_state.session.losses_told) == 3 * 2


def test_it_needs_plain_steps_and_a_map_that_is_not_trained(network):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = reprogrammed(network, "linear")
    with pytest.raises(ValueError, match="without trained weights"):
        model.compile(
            keras.optimizers.SGD(1.0), loss, gradient_estimator=CMAES()
        )
    model = reprogrammed(network, [[0], [1]])
    with pytest.raises(ValueError, match="moves the program itself"):
        model.compile("adam", loss, gradient_estimator=CMAES())
    with pytest.raises(ValueError, match="at least 3"):
        CMAES(2)
