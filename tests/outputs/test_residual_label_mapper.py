import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram.outputs import AttributeMapping
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.outputs import ResidualLabelMapper

GROUPS = [[0, 4], [1, 3], [2, 5]]
MAPPINGS = {
    "linear": LinearMapping(trainable=False),
    "identity": "identity",
    "groups": GROUPS,
    "matrix": np.random.default_rng(3).normal(size=(6, 3)),
}
LABELS = np.arange(24) % 3


def features(*positions, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(24, *positions, 6)).astype("float32")


def residual_of(seed=1):
    return np.random.default_rng(seed).normal(size=(3, 3)).astype("float32")


def solved(mapper, outputs, labels=LABELS):
    mapper.build((None, *outputs.shape[1:]))
    if mapper.needs_data:
        mapper.adapt([(outputs, labels)])
    return mapper


def predictions(mapper, outputs):
    return ops.convert_to_numpy(mapper(outputs))


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
def test_scores_are_mixed_from_those_of_the_map(mapping):
    outputs = features()
    scores = predictions(solved(LabelMapper(3, mapping), outputs), outputs)
    mapper = solved(ResidualLabelMapper(3, mapping), outputs)
    np.testing.assert_allclose(predictions(mapper, outputs), scores, rtol=1e-5)
    assert [weight.path for weight in mapper.trainable_weights] == [
        mapper.residual.path
    ]
    residual = residual_of()
    mapper.residual.assign(residual)
    expected = scores @ (np.eye(3) + residual)
    np.testing.assert_allclose(
        predictions(mapper, outputs), expected, rtol=1e-3, atol=1e-5
    )
    folded = mapper.folded()
    assert type(folded) is LabelMapper and not folded.trainable_weights
    np.testing.assert_allclose(
        predictions(folded, outputs), expected, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("activation", ["linear", "softmax", "sigmoid"])
def test_a_folded_map_reads_the_source_alike(activation):
    outputs = features(5)
    if activation != "linear":
        outputs = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
    labels = np.tile(LABELS[:, None], (1, 5))
    mapper = solved(
        ResidualLabelMapper(3, source_activation=activation), outputs, labels
    )
    mapper.residual.assign(residual_of())
    np.testing.assert_allclose(
        predictions(mapper.folded(), outputs),
        predictions(mapper, outputs),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_map_that_is_solved_again_starts_again():
    outputs = features()
    mapper = solved(ResidualLabelMapper(3), outputs)
    mapper.residual.assign(residual_of())
    mapper.adapt([(outputs, LABELS)])
    assert not ops.convert_to_numpy(mapper.residual.value).any()


@pytest.fixture(scope="module")
def source() -> keras.Model:
    inputs = keras.Input((4, 4, 1))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)


def test_only_the_residual_is_trained_and_a_file_and_a_bank_hold_it(
    source, tmp_path
):
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1)), ResidualLabelMapper(3)
    )
    model.input_reprogrammer.trainable = False
    model.compile(
        keras.optimizers.Adam(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = np.random.default_rng(0).integers(0, 256, size=(24, 4, 4, 1))
    model.adapt(images, LABELS, verbose=0)
    mapper = model.label_mapper
    kept = ops.convert_to_numpy(mapper.dense.value).copy()
    history = model.fit_label_map(images, LABELS, epochs=5, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(ops.convert_to_numpy(mapper.dense), kept)

    expected = model.predict_on_batch(images)
    model.save_program(tmp_path / "residual.program")
    copy = ReprogrammedModel.load_program(tmp_path / "residual.program", source)
    np.testing.assert_allclose(copy.predict_on_batch(images), expected, 1e-6)
    bank = ProgramBank(source, (4, 4, 1), 3)
    bank.add({"residual": model})
    answers = bank.answer(list(images), ["residual"] * 24)
    np.testing.assert_allclose(answers, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ResidualLabelMapper(3, "linear"),
        lambda: ResidualLabelMapper(3, "iterative"),
        lambda: solved(
            ResidualLabelMapper(3, "identity", source_activation="softmax"),
            features(),
        ),
        lambda: solved(
            ResidualLabelMapper(3, AttributeMapping([GROUPS], 1)), features()
        ).folded(),
    ],
)
def test_what_has_no_frozen_scores_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
