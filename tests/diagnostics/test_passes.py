import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram.diagnostics.passes import check_repeatable
from keras_reprogram.diagnostics.passes import flattened
from keras_reprogram.diagnostics.passes import planned_passes
from keras_reprogram.diagnostics.passes import scaled_blocks
from keras_reprogram.diagnostics.passes import target_shape

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 1), "uint8")
LABELS = np.arange(7) % 2


def any_size():
    inputs = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(5)(pooled))


class CountedBatches:
    def __init__(self):
        self.seen = 0

    def add(self, number):
        self.seen += number


def run(plan, x=IMAGES, y=LABELS, batch_size=3):
    progress = CountedBatches()
    arrays, labels = plan.run(x, y, ["logits"], batch_size, progress)
    assert progress.seen == 3
    np.testing.assert_array_equal(labels, y)
    return arrays["logits"]


def scaled(outputs):
    outputs = keras.ops.convert_to_numpy(outputs)
    deviations = outputs - outputs.mean(axis=0)
    return outputs / np.linalg.norm(deviations, axis=1).mean()


@pytest.mark.numpy_alone
def test_there_is_a_pass_for_every_source_and_canvas(source):
    plans = planned_passes({"a": any_size(), "b": source}, [4, (6, 8)])
    assert [(plan.name, plan.input_shapes) for plan in plans] == [
        ("a", ((4, 4, 3),)),
        ("a", ((6, 8, 3),)),
        ("b", ((8, 8, 3),)),
    ]
    assert plans[1].canvas == "6x8x3"


@pytest.mark.numpy_alone
def test_sources_in_a_list_are_named_as_the_models(source):
    plans = planned_passes([source, source, any_size()], [4])
    names = [plan.name for plan in plans]
    assert names[:2] == [source.name, f"{source.name}_2"]
    assert len(planned_passes(source)) == 1


def test_samples_are_resized_and_outputs_are_scaled(source):
    (plan,) = planned_passes([source])
    resized = InputReprogrammer((4, 4, 1), (8, 8, 3), pattern=None)(IMAGES)
    expected = scaled(source(resized))
    np.testing.assert_allclose(run(plan), expected, rtol=1e-4)


def test_probabilities_are_read_as_logarithms(source):
    softmax = keras.Model(source.input, keras.ops.softmax(source.output))
    (plan,) = planned_passes([softmax])
    resized = InputReprogrammer((4, 4, 1), (8, 8, 3), pattern=None)(IMAGES)
    expected = scaled(keras.ops.log_softmax(source(resized)))
    np.testing.assert_allclose(run(plan), expected, rtol=1e-3)


def test_an_input_transformation_is_copied_with_its_weights(source):
    given = InputReprogrammer((4, 4, 1), (8, 8, 3), placement="pad")
    given(IMAGES)
    theta = np.linspace(-1, 1, 192)
    given.pattern.theta.assign(theta)
    (plan,) = planned_passes([(source, given)])
    expected = scaled(source(given(IMAGES)))
    np.testing.assert_allclose(run(plan), expected, rtol=1e-4)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(given.pattern.theta), theta, rtol=1e-6
    )


def test_data_sets_lists_of_labels_and_missing_channels_are_accepted(source):
    (plan,) = planned_passes([source])
    expected = run(plan)
    found = run(plan, IMAGES[..., 0], LABELS.tolist())
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    batches = [
        (IMAGES[start : start + 3], LABELS[start : start + 3])
        for start in (0, 3, 6)
    ]
    arrays, labels = plan.run(batches, None, ["logits"], 3, CountedBatches())
    np.testing.assert_allclose(arrays["logits"], expected, rtol=1e-4)
    np.testing.assert_array_equal(labels, LABELS)


def test_joined_sources_are_blocks_of_one_readout(source):
    pooled = any_size()
    (plan,) = planned_passes([[source, pooled]], [4])
    assert plan.name == f"{source.name}+{pooled.name}"
    assert plan.canvas == "8x8x3 + 4x4x3"
    parts = [
        scaled(each(InputReprogrammer((4, 4, 1), shape, pattern=None)(IMAGES)))
        for each, shape in ((source, (8, 8, 3)), (pooled, (4, 4, 3)))
    ]
    expected = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(run(plan), expected, rtol=1e-4)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "sources",
    [
        [],
        {},
        None,
        ["efficientnet"],
        [(any_size(), "resize")],
        [(any_size(), InputReprogrammer(), 4)],
    ],
)
def test_other_sources_raise(sources):
    with pytest.raises(ValueError, match="Received: "):
        planned_passes(sources)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("canvas", [0, 2.5, (4, 4, 4), "large"])
def test_other_canvases_raise(canvas):
    with pytest.raises(ValueError, match="canvases"):
        planned_passes([any_size()], [canvas])


def test_samples_without_labels_or_of_another_number_raise(source):
    (plan,) = planned_passes([source])
    with pytest.raises(ValueError, match="label"):
        plan.run(IMAGES, None, ["logits"], 3, CountedBatches())
    with pytest.raises(ValueError, match="7 samples and 6 labels"):
        plan.run(IMAGES, LABELS[:6], ["logits"], 3, CountedBatches())


def test_outputs_that_are_not_finite_raise():
    inputs = keras.Input((4, 4, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    source = keras.Model(inputs, keras.ops.log(pooled))
    (plan,) = planned_passes({"logarithm": source})
    with pytest.raises(ValueError, match="'logarithm'"):
        plan.run(0 * IMAGES, LABELS, ["logits"], 7, CountedBatches())


@pytest.mark.numpy_alone
def test_a_generator_cannot_be_read_twice():
    generator = ((IMAGES, LABELS) for _ in range(2))
    check_repeatable(generator, 1)
    with pytest.raises(ValueError, match="2 sources"):
        check_repeatable(generator, 2)


@pytest.mark.numpy_alone
def test_a_shape_is_that_of_the_first_samples():
    assert target_shape(IMAGES, 3) == (4, 4, 1)
    assert target_shape(IMAGES[..., 0], 3) == (4, 4, 1)
    assert target_shape(IMAGES[..., 0], 2) == (4, 4)
    assert target_shape([(IMAGES, LABELS)], 3) == (4, 4, 1)
    assert target_shape(iter([(IMAGES, LABELS)]), 3) is None


@pytest.mark.numpy_alone
def test_blocks_are_scaled_on_their_own():
    features = np.array([[3.0, 4.0, 7.0, 1.0], [9.0, 12.0, 7.0, 3.0]])
    found = scaled_blocks(features, (2, 1, 1))
    norms = [5.0, 5.0, 1.0, 1.0]
    np.testing.assert_allclose(found, features / norms)


@pytest.mark.numpy_alone
def test_positions_are_averaged():
    outputs = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_allclose(flattened(outputs), [[2, 3], [8, 9]])
