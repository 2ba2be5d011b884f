from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram import callbacks
from keras_reprogram import methods
from keras_reprogram.generators import ConditionalGenerator
from keras_reprogram.generators import ProjectionDiscriminator
from keras_reprogram.generators import hinge
from keras_reprogram.generators.adversarial_training import LabeledSamples

CLASSES = 2


def source() -> keras.Model:
    noise = keras.Input((4,))
    states = keras.layers.Dense(3, activation="tanh")(noise)
    states = keras.layers.BatchNormalization()(states)
    return keras.Model(noise, keras.layers.Dense(2)(states))


def features() -> keras.Model:
    samples = keras.Input((2,))
    states = keras.layers.Dense(16, activation="leaky_relu")(samples)
    return keras.Model(samples, states)


def data(number: int = 32) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(number) % CLASSES
    samples = np.random.default_rng(0).normal(scale=0.1, size=(number, 2))
    return (samples + labels[:, None] - 0.5).astype("float32"), labels


def made(**arguments) -> ConditionalGenerator:
    keras.utils.set_random_seed(0)
    return methods.inrep_plus(
        source(), CLASSES, features(), num_blocks=1, **arguments
    )


def values(variables) -> list[np.ndarray]:
    return [np.array(ops.convert_to_numpy(each.value)) for each in variables]


@pytest.fixture(scope="module")
def trained() -> ConditionalGenerator:
    model = made(learning_rate=0.05)
    before = values(model.generator.source.variables)
    x, y = data(64)
    history = model.fit(x, y, batch_size=64, epochs=80, verbose=0)
    # The source is as it was, its statistics included.
    after = values(model.generator.source.variables)
    assert all((old == new).all() for old, new in zip(before, after))
    assert set(history.history) == {
        "loss",
        "discriminator_loss",
        "generator_loss",
    }
    return model


def test_it_learns_to_generate_classes(trained):
    drawn = [trained.generate([label] * 50).mean() for label in range(2)]
    assert drawn[0] < -0.2 and drawn[1] > 0.2


def test_a_seed_draws_the_same_samples_and_another_one_others(trained):
    labels = [0, 1, 1]
    drawn = trained.generate(labels, seed=3)
    assert drawn.shape == (3, 2)
    np.testing.assert_allclose(drawn, trained.generate(labels, 3), 1e-6)
    assert (drawn != trained.generate(labels, seed=4)).any()
    assert (drawn[1] != drawn[2]).any()


def test_it_is_saved_whole_and_its_program_alone(trained, tmp_path):
    trained.save(tmp_path / "whole.keras")
    whole = keras.saving.load_model(tmp_path / "whole.keras")
    drawn = trained.generate([0, 1])
    np.testing.assert_allclose(whole.generate([0, 1]), drawn, rtol=1e-5)
    whole.fit(*data(), verbose=0)
    trained.generator.save_program(tmp_path / "generator.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "generator.program", trained.generator.source
    )
    samples = {
        "labels": np.array([0, 1]),
        "noise": np.random.default_rng(0).standard_normal((2, 3), "float32"),
    }
    np.testing.assert_allclose(copy.predict(samples, verbose=0), drawn, 1e-5)


@pytest.mark.parametrize("left_out", ["generator", "discriminator"])
def test_each_loss_has_a_gradient_for_its_own_model_alone(
    left_out, monkeypatch
):
    # With a step of plain descent, a gradient is the change of a variable.
    model = made(optimizer=keras.optimizers.SGD(1.0))
    monkeypatch.setattr(hinge, f"{left_out}_loss", zero)
    variables = [
        model.generator.input_reprogrammer.embeddings,
        model.discriminator.class_vectors,
    ]
    before = values(variables)
    model.train_on_batch(*data(8))
    changed = [
        (old != new).any() for old, new in zip(before, values(variables))
    ]
    assert changed == [left_out != "generator", left_out != "discriminator"]


def zero(scores: Any, *arguments: Any) -> Any:
    return 0.0 * ops.sum(scores)


def test_the_share_of_real_ones_rises_after_the_first_steps():
    model = made()
    model.num_steps.assign(101)
    shares = []
    # `steps_made` counts the step itself.
    for step in (1, 30, 31, 51, 101, 500):
        model.steps_made.assign(step)
        shares.append(float(ops.convert_to_numpy(model.real_share())))
    np.testing.assert_allclose(shares, [0.0, 0.0, 0.65, 0.75, 1.0, 1.0])
    model.num_steps.assign(0)  # not known
    assert float(ops.convert_to_numpy(model.real_share())) == 0.5
    model.positive_unlabeled = False
    assert float(ops.convert_to_numpy(model.real_share())) == 0.0


def test_fit_counts_its_steps_anew():
    model = made()
    x, y = data(24)
    for _ in range(2):
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        counts = values([model.num_steps, model.steps_made])
        assert [int(count) for count in counts] == [6, 6]
    model.evaluate(x, y, verbose=0)
    assert int(ops.convert_to_numpy(model.steps_made.value)) == 6


@pytest.mark.numpy_alone
def test_steps_are_those_of_samples_that_are_not_validated():
    model = made()
    x, y = data(24)
    model.fit([x], [y], 4, 2, 0, validation_split=0.5)
    counts = values([model.num_steps, model.steps_made])
    assert [int(count) for count in counts] == [6, 6]


class Stopped(Exception):
    pass


class Stopping(keras.utils.PyDataset):
    """Batches of which one cannot be read."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise Stopped("stopped")
        return data(8)


def test_an_interrupted_fit_leaves_all_values():
    model = made()
    # TensorFlow makes an error of its own of it.
    with pytest.raises(Exception, match="[Ss]topped"):
        model.fit(Stopping(), shuffle=False, verbose=0)
    assert np.isfinite(model.generator.source.get_weights()[0]).all()
    assert np.isfinite(model.generate([0, 1])).all()


class Interrupting(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise Stopped


@pytest.mark.numpy_alone
def test_training_is_resumed_without_the_source(tmp_path):
    x, y = data(16)
    model = made()
    whole = model.fit(x, y, 8, 2, 0, shuffle=False)
    path = tmp_path / "generator.npz"
    with pytest.raises(Stopped):
        resume = callbacks.ResumeTraining(path)
        made().fit(x, y, 8, 2, 0, [resume, Interrupting()], shuffle=False)
    other = made()
    resume = callbacks.ResumeTraining(path)
    rest = other.fit(x, y, 8, 2, 0, [resume], shuffle=False)
    for name, losses in rest.history.items():
        np.testing.assert_allclose(losses, whole.history[name][1:], rtol=1e-5)
    for one, found in zip(values(model.variables), values(other.variables)):
        np.testing.assert_allclose(found, one, rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_no_number_is_a_value_error_and_undone():
    model = made(optimizer=keras.optimizers.SGD(1e38))
    before = values(model.trainable_variables)
    with pytest.raises(ValueError, match="finite"):
        model.fit(*data(), batch_size=8, verbose=0)
    after = values(model.trainable_variables)
    assert all((old == new).all() for old, new in zip(before, after))


def test_a_source_without_a_gradient_is_warned_of():
    noise = keras.Input((4,))
    rounded = keras.Model(noise, keras.layers.Dense(2)(ops.round(noise)))
    model = methods.inrep_plus(rounded, CLASSES, features(), num_blocks=0)
    with pytest.warns(UserWarning, match="No gradient reaches the generator"):
        model.fit(*data(), batch_size=8, verbose=0)


def test_labels_that_are_floats_are_not_rounded():
    model = methods.inrep_plus(source(), 1000, features(), num_blocks=0)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = ConditionalGenerator(
            model.generator, ProjectionDiscriminator(features(), 1000), 3
        )
    finally:
        keras.config.set_dtype_policy("float32")
    samples = {"labels": np.array([900.0, 901.0], "float32")}
    samples["noise"] = np.zeros((2, 3), "float32")
    found = values_of(model(samples))
    expected = values_of(model.generator(samples))
    np.testing.assert_array_equal(found, expected)
    assert (found[0] != found[1]).any()


def test_a_generator_is_any_model_of_labels_and_noise():
    noise = keras.Input((3,), name="noise")
    labels = keras.Input((), name="labels", dtype="int32")
    states = keras.layers.Concatenate()(
        [noise, keras.layers.Embedding(CLASSES, 2)(labels)]
    )
    network = keras.Model(
        {"noise": noise, "labels": labels}, keras.layers.Dense(2)(states)
    )
    model = ConditionalGenerator(
        network, ProjectionDiscriminator(features(), CLASSES), 3
    )
    model.compile()
    before = values(network.trainable_variables)
    model.fit(*data(), verbose=0)
    after = values(network.trainable_variables)
    assert all((old != new).any() for old, new in zip(before, after))
    assert model.generate([1, 0]).shape == (2, 2)


NOT_VALID = {
    "NaN": (np.full((8, 2), np.nan, "float32"), np.zeros(8, "int32")),
    "classes": (np.zeros((8, 2), "float32"), np.full(8, CLASSES)),
    "shape": (np.zeros((8, 3), "float32"), np.zeros(8, "int32")),
    "negative": (np.zeros((8, 2), "float32"), np.full(8, -1)),
    "one-hot": (np.zeros((8, 2), "float32"), np.eye(8, 2)),
    "none": (np.zeros((8, 2), "float32"), None),
}


@pytest.mark.parametrize("name", NOT_VALID)
def test_arrays_that_are_not_valid_are_a_value_error(name):
    with pytest.raises(ValueError, match="Received"):
        made().fit(*NOT_VALID[name], verbose=0)


def test_single_batches_that_are_not_valid_change_nothing():
    model = made()
    before = values(model.variables)
    for name in ("NaN", "classes", "shape"):
        for method in (model.train_on_batch, model.test_on_batch):
            with pytest.raises(ValueError, match="Received"):
                method(*NOT_VALID[name])
    after = values(model.variables)
    assert all((old == new).all() for old, new in zip(before, after))


def test_labels_of_predict_are_checked():
    noise = np.zeros((2, 3), "float32")
    with pytest.raises(ValueError, match="Received"):
        made().predict({"labels": np.array([0, 7]), "noise": noise})


@pytest.mark.parametrize("name", ["NaN", "classes", "shape"])
def test_batches_that_are_not_valid_are_a_value_error(name):
    batches = (batch for batch in [NOT_VALID[name]])
    with pytest.raises(ValueError, match="Received"):
        made().fit(batches, verbose=0)


def test_samples_far_out_of_the_range_of_generated_ones_are_warned_of():
    model = made()
    x, y = data()
    with pytest.warns(UserWarning, match="range of generated ones"):
        model.fit(255 * x, y, verbose=0)


def test_samples_without_weight_change_nothing():
    x, y = data(16)
    found = []
    for scale in (1.0, -1.0):
        model = made(optimizer=keras.optimizers.SGD(0.1))
        samples = np.concatenate([x[:8], scale * x[8:]])
        weights = np.repeat([1.0, 0.0], 8)
        model.fit(samples, y, 16, sample_weight=weights, verbose=0)
        found.append(values(model.trainable_variables))
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_step_scores_real_and_generated_samples():
    model = made()
    x, y = data(4)
    scores = model(LabeledSamples(ops.convert_to_tensor(x), y))
    assert [tuple(each.shape) for each in scores] == 3 * [(4,)]
    fake, fooled = values_of(scores.fake), values_of(scores.fooled)
    np.testing.assert_allclose(fake, fooled, rtol=1e-6)


def values_of(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


def test_settings_that_do_not_fit_are_a_value_error():
    model = made()
    for arguments in (
        {"loss": "mse"},
        {"metrics": ["mae"]},
        {"loss_weights": [1.0, 2.0]},
    ):
        with pytest.raises(ValueError, match="its own losses"):
            model.compile(**arguments)
    for optimizer in (None, ["adam", "adam"]):
        with pytest.raises(ValueError, match="must be one optimizer"):
            model.compile(optimizer)
    with pytest.raises(ValueError, match="must take what the generator"):
        images = keras.Input((3,))
        other = keras.Model(images, keras.layers.Dense(4)(images))
        ConditionalGenerator(
            model.generator, ProjectionDiscriminator(other, 2), 3
        )
    with pytest.raises(ValueError, match="`discriminator` must"):
        ConditionalGenerator(model.generator, features(), 3)
    for labels in ([0, CLASSES], [0.5], [-1], [], ["0"], 0):
        with pytest.raises(ValueError, match="Received"):
            model.generate(labels)
