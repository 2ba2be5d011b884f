import itertools

import keras
import numpy as np
import pytest
import texts
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import SPSA
from keras_reprogram.black_box import QueriedTextSource
from keras_reprogram.black_box import Reinforce
from keras_reprogram.black_box.reinforce import advantages
from keras_reprogram.callbacks import ResumeTraining
from keras_reprogram.inputs import SoftPrompt
from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs import TokenReprogrammer

TOKENS = np.array([[1, 2, 0], [2, 1, 1], [1, 0, 0], [2, 2, 2]], "int32")
LABELS = np.array([0, 1, 0, 1])
POINTS = np.random.default_rng(0).normal(size=(20, 2))
LOSS = keras.losses.SparseCategoricalCrossentropy


def classify(token_ids):
    places = np.arange(1, token_ids.shape[1] + 1)[:, None]
    scores = np.exp(np.sum(POINTS[token_ids] / places, axis=1))
    return scores / scores.sum(axis=1, keepdims=True)


def model_of(estimator="auto", context=1, optimizer="sgd", function=classify):
    model = ReprogrammedModel(
        QueriedTextSource(function, 20, 3, 2),
        TokenReprogrammer(
            TokenRemapping(3, candidates=[4, 9, 17], context=context)
        ),
        LabelMapper(2, "identity"),
    )
    model.compile(optimizer, LOSS(), gradient_estimator=estimator)
    return model


def theta_of(model):
    return ops.convert_to_numpy(model.input_reprogrammer.mapping.theta.value)


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def expected_loss(theta, sample, label):
    """The mean loss over the draws of a sample, by their probabilities."""
    side, last = len(theta) // 2, len(sample) - 1
    of_steps = [
        tuple(
            sample[min(max(step + offset, 0), last)]
            for offset in range(-side, side + 1)
        )
        for step in range(len(sample))
    ]
    contexts = sorted(set(of_steps))
    shares = {
        context: softmax(sum(theta[j][t] for j, t in enumerate(context)))
        for context in contexts
    }
    total = 0.0
    for choice in itertools.product(range(3), repeat=len(contexts)):
        chosen = dict(zip(contexts, choice))
        probability = np.prod([shares[c][chosen[c]] for c in contexts])
        ids = np.zeros((1, 3), "int32")
        ids[0, : len(sample)] = [[4, 9, 17][chosen[c]] for c in of_steps]
        total -= probability * np.log(classify(ids)[0, label])
    return total


@pytest.mark.parametrize(
    "context, sample", [(1, [1, 2]), (1, [2, 2]), (3, [1, 2, 1])]
)
def test_the_mean_over_all_draws_is_the_gradient_of_the_expected_loss(
    context, sample
):
    model = model_of(context=context)
    padded = np.array([sample + [0] * (3 - len(sample))], "int32")
    theta = np.random.default_rng(1).normal(size=(context, 3, 3))
    model.input_reprogrammer.mapping.theta.assign(theta)
    policy = model.input_reprogrammer.token_policy(padded)
    probabilities = ops.convert_to_numpy(policy.probabilities)[0]
    first = ops.convert_to_numpy(policy.first_steps)[0]
    drawn = [step for step in range(len(sample)) if first[step] == step]
    draws = []
    for choice in itertools.product(range(3), repeat=len(drawn)):
        # A number in the middle of the interval that chooses a candidate.
        numbers = np.full((1, 3), 0.5, "float32")
        for step, index in zip(drawn, choice):
            shares = probabilities[step]
            numbers[0, step] = shares[:index].sum() + 0.5 * shares[index]
        choices = policy.choose(ops.convert_to_tensor(numbers))
        ids = policy.source_inputs(choices)
        loss = -np.log(classify(ops.convert_to_numpy(ids))[0, 0])
        weight = np.prod(
            [probabilities[step][i] for step, i in zip(drawn, choice)]
        )
        one = ops.convert_to_tensor(np.ones((1, 1), "float32"))
        score = ops.convert_to_numpy(policy.score([choices], one))
        draws.append((weight, loss, score))
    assert sum(weight for weight, _, _ in draws) == pytest.approx(1.0, abs=1e-5)
    # The mean over all pairs of draws, each with the other as its baseline.
    mean = 0.0
    for (one, first_loss, score), (
        two,
        second_loss,
        other,
    ) in itertools.product(draws, draws):
        losses = ops.convert_to_tensor([[first_loss], [second_loss]], "float32")
        (gain,), (other_gain,) = ops.convert_to_numpy(advantages(losses))
        mean += one * two * (gain * score + other_gain * other) / 2
    expected = np.zeros_like(theta)
    for index in np.ndindex(*theta.shape):
        step = np.zeros_like(theta)
        step[index] = 1e-4
        high, low = (
            expected_loss(theta + sign * step, sample, 0) for sign in (1, -1)
        )
        expected[index] = (high - low) / 2e-4
    np.testing.assert_allclose(mean, expected, atol=1e-4)
    assert np.abs(expected).max() > 0.01


THETA_OF_EVERY_BACKEND = {
    1: [0.0399, 0.0202, -0.0601, -0.3539, 0.4388, -0.085],
    3: [0.0762, -0.2538, 0.1777, -0.3539, 0.3905, -0.0366],
}


@pytest.mark.parametrize(
    "context", [pytest.param(1, marks=pytest.mark.numpy_alone), 3]
)
def test_draws_are_the_same_on_every_backend(context):
    asked = []

    def function(token_ids):
        asked.append(token_ids)
        return classify(token_ids)

    model = model_of(
        Reinforce(3, points_per_batch=2),
        context,
        keras.optimizers.SGD(1.0),
        function,
    )
    theta = np.random.default_rng(1).normal(size=(context, 3, 3))
    model.input_reprogrammer.mapping.theta.assign(theta)
    history = model.fit(
        TOKENS, LABELS, batch_size=2, epochs=2, shuffle=False, verbose=0
    ).history
    assert history["queries"][-1] == model.num_queries == sum(map(len, asked))
    assert model.num_queries <= 3 * len(TOKENS) * 2  # some are remembered
    change = theta_of(model) - theta
    np.testing.assert_allclose(change[:, 0], 0.0, atol=1e-7)  # padding
    np.testing.assert_allclose(
        change[0, 1:].ravel(), THETA_OF_EVERY_BACKEND[context], atol=1e-4
    )


@pytest.mark.numpy_alone
def test_training_that_is_resumed_draws_what_it_would_have(tmp_path):
    thetas = []
    for parts in ((4,), (2, 4)):
        for epochs in parts:
            model = model_of(Reinforce(2), optimizer=keras.optimizers.Adam(0.1))
            model.fit(
                TOKENS,
                LABELS,
                batch_size=2,
                epochs=epochs,
                shuffle=False,
                verbose=0,
                callbacks=[
                    ResumeTraining(tmp_path / f"{len(parts)}.npz", keep=True)
                ],
            )
        thetas.append(theta_of(model))
    np.testing.assert_allclose(*thetas, atol=1e-6)


def test_a_sample_counts_by_its_weight():
    model = model_of(Reinforce(2), optimizer=keras.optimizers.SGD(1.0))
    before = theta_of(model)
    tokens, weights = np.array([[1, 1, 1], [2, 2, 2]]), np.array([0.0, 1.0])
    model.train_on_batch(tokens, np.array([0, 1]), weights)
    change = np.abs(theta_of(model) - before).max(axis=(0, 2))
    assert change[1] < 1e-7 < change[2]


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", LOSS()])
def test_the_losses_of_samples_average_to_that_of_the_batch(loss):
    model = model_of()
    model.compile("sgd", loss, gradient_estimator=Reinforce())
    predictions = ops.convert_to_tensor(classify(TOKENS), "float32")
    weights = ops.convert_to_tensor([1.0, 2.0, 0.5, 1.0])
    labels = ops.convert_to_tensor(LABELS)
    found = model.sample_losses(labels, predictions, weights)
    whole = model.compute_loss(TOKENS, labels, predictions, weights)
    assert found.shape == (4,)
    assert float(ops.mean(found)) == pytest.approx(float(whole), rel=1e-5)


def test_a_loss_that_is_a_mean_already_is_a_value_error():
    model = model_of()
    model.compile(
        "sgd",
        lambda y, y_pred: -ops.mean(y_pred[:, 0]),
        gradient_estimator=Reinforce(),
    )
    with pytest.raises(ValueError, match="a loss of each sample"):
        model.fit(TOKENS, LABELS, verbose=0)


def learned(estimator, optimizer=None):
    generator = np.random.default_rng(0)
    labels = np.arange(64) % 2
    tokens = np.where(generator.random((64, 3)) < 0.9, labels[:, None], 0) + 1
    model = model_of(
        estimator, optimizer=optimizer or keras.optimizers.Adam(0.5)
    )
    model.fit(tokens, labels, batch_size=32, epochs=8, verbose=0)
    predictions = model.predict(tokens, verbose=0).argmax(axis=1)
    return model, (predictions == labels).mean()


@pytest.mark.numpy_alone
def test_choices_are_learned_from_queries():
    model, accuracy = learned("auto")
    assert model.gradient_estimator == Reinforce()
    assert accuracy > 0.85


@pytest.mark.numpy_alone
def test_spsa_moves_choices_too():
    model, _ = learned(SPSA(2, smoothing=1.0))
    assert np.abs(theta_of(model) - theta_of(model_of())).max() > 0.1


def test_a_text_model_with_a_gradient_can_be_queried_too():
    tokens, labels = texts.sentences(20)
    model = texts.model_of(TokenRemapping(8, candidates=5, context=3))
    model.compile(
        keras.optimizers.SGD(0.1),
        LOSS(from_logits=True),
        gradient_estimator=Reinforce(2),
    )
    before = theta_of(model)
    model.fit(tokens, labels, batch_size=16, verbose=0)
    assert model.num_queries == 2 * 20
    assert np.abs(theta_of(model) - before).max() > 1e-5


@pytest.mark.numpy_alone
def test_an_estimator_that_does_not_fit_is_a_value_error(twelve_classes):
    with pytest.raises(ValueError, match="at least 2 draws"):
        Reinforce(1)
    with pytest.raises(ValueError, match="has no gradient"):
        model_of(None)
    images = ReprogrammedModel(
        twelve_classes, InputReprogrammer((8, 8, 1)), LabelMapper(3)
    )
    sparse = texts.model_of(SparseCombination(8))
    prompt = texts.model_of(
        TokenRemapping(8, candidates=5), [SoftPrompt(1), "sample"]
    )
    for model in (images, sparse, prompt):
        with pytest.raises(ValueError, match="draws source tokens"):
            model.compile("sgd", LOSS(), gradient_estimator=Reinforce())
