import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import ReprogrammedModel
from keras_reprogram.outputs import AttentiveProbe
from keras_reprogram.outputs.targets import IGNORED

BLOCKS = (5, 12, 7)
WIDTH = 4
LABELS = np.arange(24) % 3


def features(seed=0):
    generator = np.random.default_rng(seed)
    means = generator.normal(size=(3, sum(BLOCKS)))[LABELS]
    noise = generator.normal(size=means.shape)
    return (means + noise).astype("float32")


def adapted(**settings):
    settings = {"width": WIDTH, "block_sizes": BLOCKS, "seed": 0, **settings}
    probe = AttentiveProbe(3, **settings)
    probe.build((None, sum(BLOCKS)))
    probe.adapt(
        [(features()[:16], LABELS[:16]), (features()[16:], LABELS[16:])]
    )
    return probe


def values_of(probe):
    return {
        name: np.float64(ops.convert_to_numpy(getattr(probe, name)))
        for name in probe.shapes
    }


def layer_norm(tokens):
    mean, variance = tokens.mean(-1), tokens.var(-1)
    return (tokens - mean[..., None]) / np.sqrt(variance + 1e-12)[..., None]


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def papers_probe(tokens, query, key, value, projection, heads):
    """The published block: a query token, keys and values of all heads."""
    count, blocks, _ = tokens.shape

    def split(rows):
        return rows.reshape(*rows.shape[:-1], heads, -1)

    q, k, v = split(query), split(tokens @ key), split(tokens @ value)
    scores = np.einsum("hk,nlhk->nhl", q, k) / np.sqrt(q.shape[-1])
    mixed = np.einsum("nhl,nlhk->nhk", softmax(scores), v)
    return mixed.reshape(count, -1) @ projection


def test_attention_is_that_of_the_paper_over_normalized_tokens():
    heads, head = 2, 4
    generator = np.random.default_rng(1)
    query, key = (generator.normal(size=s) for s in ((8,), (WIDTH, 8)))
    value, merging = (
        generator.normal(size=s) for s in ((WIDTH, 8), (8, WIDTH))
    )
    probe = adapted(num_heads=heads)
    # A query token is the same for all samples: its product with the keys.
    products = key.reshape(WIDTH, heads, head) * query.reshape(heads, head)
    probe.query.assign(products.sum(axis=-1).T / np.sqrt(head))
    probe.value_kernel.assign(
        value.reshape(WIDTH, heads, head).transpose(1, 0, 2)
    )
    probe.output_kernel.assign(merging.reshape(heads, head, WIDTH))
    found = values_of(probe)
    outputs, start, tokens = features(7), 0, []
    for size in BLOCKS:
        rows = slice(start, start + size)
        block = outputs[:, rows]
        block = block / np.linalg.norm(block, axis=1, keepdims=True)
        block = block - found["block_mean"][rows]
        tokens.append(layer_norm(block @ found["projection"][rows]))
        start += size
    tokens = np.stack(tokens, axis=1)
    fused = papers_probe(tokens, query, key, value, merging, heads)
    fused = (fused - found["fused_mean"]) / found["fused_scale"]
    expected = fused @ found["kernel"] + found["bias"]
    np.testing.assert_allclose(
        ops.convert_to_numpy(probe(outputs)), expected, rtol=0.01, atol=0.01
    )
    attention = ops.convert_to_numpy(probe.attention(outputs))
    assert attention.shape == (24, heads, len(BLOCKS))
    np.testing.assert_allclose(attention.sum(axis=-1), 1.0, rtol=1e-5)


def test_training_starts_from_a_classifier_of_standardized_features():
    probe = adapted()
    outputs = ops.convert_to_numpy(probe(features()))
    assert (outputs.argmax(axis=1) == LABELS).mean() > 0.6
    fused = ops.convert_to_numpy(probe.fused(probe.tokens(features())))
    found = values_of(probe)
    fused = (fused - found["fused_mean"]) / found["fused_scale"]
    np.testing.assert_allclose(fused.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(fused.std(axis=0), 1, rtol=1e-3)
    square = np.square(ops.convert_to_numpy(probe.tokens(features()))).sum(-1)
    np.testing.assert_allclose(square.mean(axis=0), 1, rtol=1e-4)


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_a_probe_of_low_precision_computes_in_float32(policy):
    found = adapted(dtype=policy)(features())
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(
        ops.convert_to_numpy(found),
        ops.convert_to_numpy(adapted()(features())),
        rtol=1e-3,
        atol=1e-4,
    )


def test_noise_and_dropout_are_of_training_alone():
    exact = ops.convert_to_numpy(adapted()(features()))
    for settings in ({"jitter": 0.0}, {"dropout": 0.0}):
        probe = adapted(**settings)
        np.testing.assert_array_equal(
            ops.convert_to_numpy(probe(features(), training=False)), exact
        )
        noisy = ops.convert_to_numpy(probe(features(), training=True))
        assert (noisy != exact).any()
    share = (noisy == exact).all(axis=1).mean()
    assert 0.2 < share < 0.8
    probe = adapted(jitter=0.0, dropout=0.0)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(probe(features(), training=True)), exact
    )


def test_samples_without_a_weight_or_a_label_do_not_count():
    probes = [
        AttentiveProbe(3, WIDTH, block_sizes=BLOCKS, seed=0) for _ in range(3)
    ]
    ignored = np.where(np.arange(24) < 6, IGNORED, LABELS)
    batches = (
        (features()[6:], LABELS[6:], None),
        (features(), ignored, np.ones(24)),
        (features(), LABELS, 3.0 * (np.arange(24) > 5)),
    )
    for probe, batch in zip(probes, batches):
        probe.build((None, sum(BLOCKS)))
        probe.adapt([batch])
    first, second, third = map(values_of, probes)
    np.testing.assert_allclose(second["kernel"], first["kernel"], rtol=1e-3)
    # Projections take no account of weights.
    assert not np.allclose(third["block_mean"], first["block_mean"])


@pytest.fixture(scope="module")
def source() -> keras.Model:
    inputs = keras.Input((6,))
    blocks = [
        keras.layers.Dense(size, activation="tanh")(inputs) for size in BLOCKS
    ]
    return keras.Model(inputs, ops.concatenate(blocks, axis=-1))


@pytest.mark.parametrize("way", ["fit", "fit_label_map"])
def test_training_has_noise_and_a_file_answers_the_same(source, way, tmp_path):
    x = np.random.default_rng(0).normal(size=(24, 6)).astype("float32")
    x += 2 * np.eye(3, 6)[LABELS]
    model = ReprogrammedModel(
        source,
        InputReprogrammer((6,), pattern=None, value_range=None),
        AttentiveProbe(3, WIDTH, jitter=30.0, seed=0),
    )
    assert model.label_mapper.blocks == BLOCKS
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = getattr(model, way)(x, LABELS, epochs=2, verbose=0)
    loss = model.evaluate(x, LABELS, verbose=0)[0]
    assert min(history.history["loss"]) > 1.05 * loss
    model.save_program(tmp_path / "probe.program")
    copy = ReprogrammedModel.load_program(tmp_path / "probe.program", source)
    np.testing.assert_allclose(
        copy.predict_on_batch(x), model.predict_on_batch(x), 1e-5, 1e-6
    )
    probe = model.label_mapper
    assert AttentiveProbe.from_config(probe.get_config()).blocks == BLOCKS


def test_trained_numbers_are_few():
    probe = AttentiveProbe(3, width=8, block_sizes=(1000, 3000), num_heads=4)
    probe.build((None, 4000))
    count = sum(int(np.prod(w.shape)) for w in probe.trainable_weights)
    assert count == 2 * 64 + 4 * 8 + 4 * 2 + 2 * 8 * 16 + 8 * 3 + 3
    expected = probe.expected_variables(None, (None, 4000))
    assert [variable.shape for variable in expected] == [
        tuple(variable.shape) for variable in probe.learned_variables
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: AttentiveProbe(1),
        lambda: AttentiveProbe(3, width=0),
        lambda: AttentiveProbe(3, num_heads=1.5),
        lambda: AttentiveProbe(3, block_sizes=(3, -1)),
        lambda: AttentiveProbe(3, jitter=-1),
        lambda: AttentiveProbe(3, dropout=1.0),
        lambda: AttentiveProbe(3).build((None, 24)),
        lambda: AttentiveProbe(3, block_sizes=(24,)).build((None, 24)),
        lambda: AttentiveProbe(3, block_sizes=(4, 4)).build((None, 24)),
        lambda: AttentiveProbe(3, block_sizes=BLOCKS).build((None, 5, 24)),
        lambda: adapted().adapt([]),
        lambda: adapted().adapt([(features() * np.nan, LABELS)]),
        lambda: adapted().adapt([(features(), LABELS + 1)]),
    ],
)
def test_bad_settings_and_samples_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_a_probe_without_data_answers_nothing():
    probe = AttentiveProbe(3, block_sizes=BLOCKS)
    with pytest.raises(ValueError, match="call `adapt`"):
        probe(features())


def test_a_block_that_does_not_vary_is_no_number_that_is_not():
    outputs = features()
    outputs[:, :5] = 1.0
    outputs[:, 5:17] = 0.0
    probe = AttentiveProbe(3, WIDTH, block_sizes=BLOCKS)
    probe.build((None, 24))
    probe.adapt([(outputs, LABELS)])
    assert np.isfinite(ops.convert_to_numpy(probe(outputs))).all()
