"""What losses and metrics expect is compared with what label maps return."""

import keras
import numpy as np
import pytest
from compiled import model
from compiled import warned
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import ReprogrammedModel
from keras_reprogram.losses import MaskedBinaryCrossentropy
from keras_reprogram.models.compiled_loss import CompiledLoss
from keras_reprogram.outputs import RegressionHead

losses, metrics = keras.losses, keras.metrics


SPARSE = losses.SparseCategoricalCrossentropy
EXPECTING = {
    True: [
        SPARSE(from_logits=True),
        losses.CategoricalCrossentropy(from_logits=True),
        losses.BinaryCrossentropy(from_logits=True),
        MaskedBinaryCrossentropy(),
    ],
    False: [
        SPARSE(),
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        losses.sparse_categorical_crossentropy,
        "categorical_crossentropy",
        "CategoricalFocalCrossentropy",
        "kl_divergence",
        MaskedBinaryCrossentropy(from_logits=False),
        [SPARSE()],
    ],
    None: ["mse", lambda y, p: ops.mean(p), losses.CategoricalHinge()],
}


@pytest.mark.parametrize(
    "expected, loss",
    [(k, loss) for k, given in EXPECTING.items() for loss in given],
)
def test_a_loss_that_expects_something_else_is_named_once(expected, loss):
    for activation, mapping, returned in [
        ("softmax", "identity", False),
        (None, "identity", True),
        ("sigmoid", "identity", True),
        ("softmax", "linear", True),
    ]:
        reprogrammed = model(activation, mapping)
        assert reprogrammed.label_mapper.returns_logits is returned
        found = warned(reprogrammed, loss)
        assert len(found) == (expected not in (None, returned))
        if found:
            assert f"from_logits={returned}" in found[0]


def test_a_number_is_neither_logits_nor_probabilities():
    inputs = keras.Input((6,))
    source = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    end = InputReprogrammer((6,), value_range=None)
    head = ReprogrammedModel(source, end, RegressionHead())
    assert not warned(head, "binary_crossentropy")


@pytest.mark.parametrize(
    "identifier", ["SparseCategoricalCrossentropy", SPARSE()]
)
def test_integers_are_checked_under_a_loss_of_any_form(identifier):
    loss = CompiledLoss.given(identifier)
    assert loss.expects_integers and not loss.expects_one_hot
    reprogrammed = model("softmax")
    reprogrammed.compile("sgd", identifier)
    with pytest.raises(ValueError, match="from 0 to 2"):
        reprogrammed.evaluate(np.zeros((2, 6)), np.array([0, 3]))


@pytest.mark.parametrize("mapping", ["identity", "iterative", "linear"])
def test_a_label_that_the_loss_ignores_counts_nowhere(mapping):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(12, 6))
    y = np.arange(12) % 3
    hidden = np.where(np.arange(12) < 3, 255, y)
    outcomes = []
    for labels, rows in [(hidden, slice(None)), (y, slice(3, None))]:
        reprogrammed = model(mapping=mapping)
        reprogrammed.compile(
            keras.optimizers.SGD(0.0),
            SPARSE(from_logits=True, ignore_class=255),
            metrics=["accuracy"],
        )
        history = reprogrammed.fit(x[rows], labels[rows], verbose=0).history
        matrix = ops.convert_to_numpy(reprogrammed.label_mapper.matrix)
        outcomes.append((history["accuracy"], matrix))
    for ours, theirs in zip(*outcomes):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
