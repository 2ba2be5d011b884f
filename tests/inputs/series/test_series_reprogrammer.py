import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import SeriesReprogrammer
from keras_reprogram.inputs import StatisticsPrompt
from keras_reprogram.inputs import TextPrototypes
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.sources import TextSource
from keras_reprogram.sources import inspect_source


def source(**kwargs):
    backbone = keras_hub.models.GPT2Backbone(
        **{
            "vocabulary_size": 30,
            "num_layers": 1,
            "num_heads": 2,
            "hidden_dim": 8,
            "intermediate_dim": 16,
            "max_sequence_length": 32,
            **kwargs,
        }
    )
    return TextSource(backbone, "sequence")


def completed(reprogrammer, **kwargs):
    model = source(**kwargs)
    reprogrammer.resolve(inspect_source(model), None)
    return reprogrammer, ops.convert_to_numpy(model.token_embeddings.value)


def samples(length=40, channels=3):
    generator = np.random.default_rng(0)
    return generator.normal(5, 2, (2, length, channels)).astype("float32")


@pytest.mark.parametrize(
    "length, patch_length, stride, patches",
    [(336, 16, 8, 42), (512, 16, 8, 64), (40, 16, 7, 5), (16, 16, 8, 2)],
)
def test_the_number_of_patches_is_the_papers(
    length, patch_length, stride, patches
):
    reprogrammer = SeriesReprogrammer(
        (length, 1), patch_length=patch_length, stride=stride
    )
    assert reprogrammer.num_patches == patches
    series = np.arange(length)
    padded = np.pad(series, (0, stride), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, patch_length)
    expected = windows[::stride]
    np.testing.assert_array_equal(series[reprogrammer.patch_steps], expected)


def test_every_channel_is_a_series_of_its_own_scale():
    reprogrammer, _ = completed(SeriesReprogrammer((40, 3), prototypes=5))
    x = samples()
    series = ops.convert_to_numpy(reprogrammer.series(ops.array(x)))
    series = series.reshape(2, 3, 40)
    expected = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1)[:, None]
    np.testing.assert_allclose(
        series, expected.transpose(0, 2, 1), rtol=1e-4, atol=1e-5
    )
    units = x * np.array([1, 1000, 1e-3], "float32") + 3
    np.testing.assert_allclose(
        ops.convert_to_numpy(reprogrammer(units)["embeddings"]),
        ops.convert_to_numpy(reprogrammer(x)["embeddings"]),
        atol=2e-2,
    )


def test_a_series_that_does_not_vary_is_finite():
    reprogrammer, _ = completed(SeriesReprogrammer((40, 1), prototypes=5))
    embeddings = reprogrammer(np.full((2, 40, 1), 7.0))["embeddings"]
    assert np.isfinite(ops.convert_to_numpy(embeddings)).all()


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "bfloat16"])
def test_a_constant_is_zero_and_large_values_are_standardized(dtype):
    reprogrammer, _ = completed(
        SeriesReprogrammer((40, 1), prototypes=5, dtype=dtype)
    )
    x = np.stack([np.full((40, 1), 101325.7), 1e5 * samples(channels=1)[0]])
    seen = []
    series = reprogrammer.series
    reprogrammer.series = lambda inputs: seen.append(series(inputs)) or seen[-1]
    embeddings = reprogrammer(ops.convert_to_tensor(x, "float32"))["embeddings"]
    found = ops.convert_to_numpy(ops.cast(seen[0], "float32"))
    np.testing.assert_array_equal(found[0], 0.0)
    expected = (x[1, :, 0] - x[1].mean()) / x[1].std()
    np.testing.assert_allclose(found[1], expected, rtol=1e-2, atol=1e-2)
    assert seen[0].dtype == ops.cast(0.0, reprogrammer.compute_dtype).dtype
    embeddings = ops.convert_to_numpy(ops.cast(embeddings, "float32"))
    assert np.isfinite(embeddings).all()


@pytest.mark.parametrize("unit", [1e-21, 1e19])
def test_what_the_source_reads_does_not_depend_on_the_unit(unit):
    reprogrammer, _ = completed(SeriesReprogrammer((40, 3), prototypes=5))
    found, expected = (
        ops.convert_to_numpy(reprogrammer(x)["embeddings"])
        for x in (samples() * np.float32(unit), samples())
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_prompt_tokens_and_statistics_stand_before_the_patches():
    reprogrammer, table = completed(
        SeriesReprogrammer((40, 3), prototypes=5, prompt_tokens=[7, 3])
    )
    outputs = reprogrammer(samples())
    embeddings = ops.convert_to_numpy(outputs["embeddings"])
    assert embeddings.shape == (6, 2 + 9 + 5, 8)
    assert ops.convert_to_numpy(outputs["padding_mask"]).min() == 1
    np.testing.assert_allclose(embeddings[4, :2], table[[7, 3]])
    bare, _ = completed(
        SeriesReprogrammer((40, 3), prototypes=5, statistics=False)
    )
    assert bare(samples())["embeddings"].shape == (6, 5, 8)


def test_outputs_at_the_patches_are_arranged_by_channel():
    reprogrammer, _ = completed(
        SeriesReprogrammer((40, 3), prototypes=5, prompt_tokens=[7, 3])
    )
    outputs = np.random.default_rng(0).random((6, 16, 8), "float32")
    aligned = ops.convert_to_numpy(
        reprogrammer.select_outputs(outputs, samples())
    )
    assert aligned.shape == (2, 3, 5, 8)
    np.testing.assert_array_equal(aligned[1, 2], outputs[5, 11:])


def attention(prototypes, patches, table):
    """The same, written out, with the prototypes computed from the left."""
    p = {
        weight.name: ops.convert_to_numpy(weight.value)
        for weight in prototypes.weights
    }
    if prototypes.candidates:
        table = table[prototypes.chosen]
    unit = p["unit"]
    words = p["combination"] @ (table / unit) + p["shift"]
    heads, size = prototypes.heads, prototypes.size
    mixed = []
    for head in range(heads):
        part = slice(head * size, head * size + size)
        query = (patches @ p["query"] + p["query_bias"])[..., part]
        keys, values = words @ p["key"][:, part], words @ p["value"][:, part]
        scores = np.exp(query @ keys.T / np.sqrt(size))
        mixed.append(scores / scores.sum(axis=-1, keepdims=True) @ values)
    mixed = np.concatenate(mixed, axis=-1)
    return (mixed @ p["result"] + p["result_bias"]) * unit


@pytest.mark.parametrize("candidates", [None, [3, 8, 1, 20]])
@pytest.mark.parametrize("head_width", [None, 6])
def test_attention_is_what_it_says(head_width, candidates):
    prototypes = TextPrototypes(
        4, heads=2, head_width=head_width, candidates=candidates
    )
    table = source().token_embeddings
    prototypes.build_on(SourceEmbeddings(table), patch_width=6)
    prototypes.shift.assign(np.arange(4.0)[:, None])
    patches = np.random.default_rng(0).normal(size=(2, 5, 6))
    patches = patches.astype("float32")
    expected = attention(prototypes, patches, ops.convert_to_numpy(table.value))
    for right in (True, False):
        prototypes.from_the_right = right
        found = ops.convert_to_numpy(prototypes(patches))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_folded_keys_and_values_are_used_until_they_are_unfolded():
    prototypes = TextPrototypes(4, heads=2, dropout=0.0)
    prototypes.build_on(
        SourceEmbeddings(source().token_embeddings), patch_width=6
    )
    patches = np.random.default_rng(0).normal(size=(2, 5, 6))
    before = ops.convert_to_numpy(prototypes(patches))
    prototypes.fold()
    prototypes.combination.assign(
        2 * ops.convert_to_numpy(prototypes.combination.value)
    )
    folded = ops.convert_to_numpy(prototypes(patches))
    np.testing.assert_allclose(folded, before, atol=1e-6)
    trained = ops.convert_to_numpy(prototypes(patches, training=True))
    assert np.abs(trained - before).max() > 1e-5
    # Training forgets what was folded.
    live = ops.convert_to_numpy(prototypes(patches))
    np.testing.assert_allclose(live, trained, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SeriesReprogrammer((40,)),
        lambda: SeriesReprogrammer((10, 1)),
        lambda: SeriesReprogrammer((40, 1), prototypes=0),
        lambda: SeriesReprogrammer((40, 1), stride=0),
        lambda: SeriesReprogrammer((40, 1), statistics=3),
        lambda: SeriesReprogrammer((40, 1), prompt_tokens=[-1]),
        lambda: SeriesReprogrammer((40, 1), pooling="last"),
        lambda: SeriesReprogrammer((40, 1), missing_values="zero"),
        lambda: SeriesReprogrammer(
            (40, 1), statistics=StatisticsPrompt(num_lags=30)
        ),
        lambda: completed(SeriesReprogrammer((40, 1), prompt_tokens=[30])),
        lambda: completed(SeriesReprogrammer((200, 1))),
        lambda: completed(SeriesReprogrammer((40, 1)), max_sequence_length=9),
        lambda: SeriesReprogrammer((40, 1)).resolve(
            inspect_source(
                keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
            ),
            None,
        ),
        lambda: TextPrototypes(candidates=[]),
        lambda: TextPrototypes(dropout=1.0),
    ],
)
def test_what_does_not_fit_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def same_weights(*layers):
    specification = inspect_source(source())
    for layer in layers:
        layer.resolve(specification, None)
        layer.set_weights(layers[0].get_weights())


def missing(start=0, stop=40):
    x = samples()
    x[0, :start, 1] = x[0, stop:, 1] = np.nan
    return x


@pytest.mark.parametrize("how", ["interpolate", "mask"])
def test_without_missing_values_nothing_is_changed(how):
    plain = SeriesReprogrammer((40, 3), prototypes=5)
    other = SeriesReprogrammer((40, 3), prototypes=5, missing_values=how)
    same_weights(plain, other)
    found, expected = other(samples()), plain(samples())
    for name, value in expected.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(found[name]),
            ops.convert_to_numpy(value),
            atol=1e-5,
        )


def test_nan_stays_nan_unless_it_may_mark_missing_values():
    plain, _ = completed(SeriesReprogrammer((40, 3), prototypes=5))
    embeddings = ops.convert_to_numpy(plain(missing(9))["embeddings"])
    assert np.isnan(embeddings[1]).any(axis=1).any()
    assert np.isfinite(embeddings[[0, 2, 3, 4, 5]]).all()


def test_what_is_missing_is_on_the_line_between_its_neighbors():
    layer, _ = completed(
        SeriesReprogrammer((40, 3), prototypes=5, missing_values="interpolate")
    )
    x = missing(9, 33)
    x[1, 10:20, 2] = np.nan
    series = ops.convert_to_numpy(layer.series(x))
    values = x.transpose(0, 2, 1).reshape(6, 40)
    steps = np.arange(40)
    for row, found in zip(values, series):
        known = ~np.isnan(row)
        there = row[known]
        expected = np.interp(steps, steps[known], there)
        np.testing.assert_allclose(
            found, (expected - there.mean()) / there.std(), atol=1e-4
        )
    mask = ops.convert_to_numpy(layer(x)["padding_mask"])
    assert mask.min() == 1


@pytest.mark.parametrize(
    "start, stop, masked",
    [(25, 40, [0, 1]), (0, 17, [3, 4]), (0, 16, [2, 3, 4])],
)
def test_patches_without_any_value_are_masked(start, stop, masked):
    layer, _ = completed(
        SeriesReprogrammer((40, 3), prototypes=5, missing_values="mask")
    )
    x = missing(start, stop)
    outputs = layer(x)
    expected = np.ones((6, 9 + 5), int)
    expected[1, [9 + patch for patch in masked]] = 0
    np.testing.assert_array_equal(
        ops.convert_to_numpy(outputs["padding_mask"]), expected
    )
    assert np.isfinite(ops.convert_to_numpy(outputs["embeddings"])).all()
    ones = np.ones((6, 14, 8), "float32")
    selected = ops.convert_to_numpy(layer.select_outputs(ones, x))
    np.testing.assert_array_equal(
        selected.reshape(6, 5, 8)[..., 0], expected[:, 9:]
    )


def test_the_patches_of_a_padded_series_are_those_of_the_series():
    x = samples()[:, :, :1]
    padded = np.pad(x, ((0, 0), (0, 16), (0, 0)), constant_values=np.nan)
    short = SeriesReprogrammer((40, 1), 5, statistics=False)
    long = SeriesReprogrammer(
        (56, 1), 5, statistics=False, missing_values="mask"
    )
    same_weights(short, long)
    found, expected = long(padded), short(x)
    assert ops.convert_to_numpy(found["padding_mask"])[0].tolist() == [
        *[1] * 5,
        0,
        0,
    ]
    np.testing.assert_allclose(
        ops.convert_to_numpy(found["embeddings"])[:, :5],
        ops.convert_to_numpy(expected["embeddings"]),
        atol=1e-5,
    )


@pytest.mark.parametrize("how", ["interpolate", "mask"])
def test_a_channel_without_values_is_finite_and_not_valid(how):
    layer, _ = completed(
        SeriesReprogrammer(
            (40, 3), prototypes=5, statistics=False, missing_values=how
        )
    )
    x = missing(40)
    outputs = layer(x)
    assert np.isfinite(ops.convert_to_numpy(outputs["embeddings"])).all()
    assert ops.convert_to_numpy(outputs["padding_mask"]).any(axis=1).all()
    assert ops.convert_to_numpy(layer.valid(x)).tolist() == [False, True]
    with pytest.raises(ValueError, match="channel 1"):
        layer.check_values(x)
    x[0, 5, 1], x[1, 0, 0] = 1.0, np.inf
    layer.check_values(x)
    assert ops.convert_to_numpy(layer.valid(x)).tolist() == [True, False]


@pytest.mark.parametrize("pooling", ["mean", "concatenate"])
def test_outputs_are_pooled_without_masked_patches(pooling):
    layer, _ = completed(
        SeriesReprogrammer(
            (40, 3), prototypes=5, pooling=pooling, missing_values="mask"
        )
    )
    outputs = np.random.default_rng(0).random((6, 14, 8), "float32")
    found = ops.convert_to_numpy(layer.select_outputs(outputs, missing(0, 16)))
    rows = [row[9:].mean(axis=0) for row in outputs]
    rows[1] = outputs[1, 9:11].mean(axis=0)
    expected = np.reshape(rows, (2, 3, 8))
    if pooling == "mean":
        expected = expected.mean(axis=1)
    np.testing.assert_allclose(found, expected.reshape(2, -1), atol=1e-6)
    # One output for a series, of a source that pools by itself.
    found = ops.convert_to_numpy(layer.select_outputs(outputs[:, 0], samples()))
    expected = outputs[:, 0].reshape(2, 3, 8)
    if pooling == "mean":
        expected = expected.mean(axis=1)
    np.testing.assert_allclose(found, expected.reshape(2, -1), atol=1e-6)
    described = layer.describe_outputs(inspect_source(source()))
    assert described.num_classes == found.shape[1]
    assert described.num_position_axes == 0
    assert sum(described.block_sizes) == found.shape[1]
    assert layer.expected_outputs((None, None, 8)) == (None, found.shape[1])


@pytest.mark.numpy_alone
def test_parts_belong_to_one_layer():
    prototypes, statistics = TextPrototypes(4, heads=2), StatisticsPrompt()
    for kwargs in (
        {"prototypes": prototypes},
        {"prototypes": 4, "statistics": statistics},
    ):
        completed(SeriesReprogrammer((40, 1), **kwargs))
        with pytest.raises(ValueError, match="one place.*new one"):
            completed(SeriesReprogrammer((40, 1), **kwargs))
