import keras
import numpy as np
import pytest
from texts import bert
from texts import model_of

from keras_reprogram import ForecastHead
from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import RegressionHead
from keras_reprogram import ReprogrammedModel
from keras_reprogram import SeriesReprogrammer
from keras_reprogram import visualization
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import FreeEmbeddings
from keras_reprogram.inputs import SoftPrompt
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.outputs import FixedMapping
from keras_reprogram.sources import TextSource

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.numpy_alone


def images(label_mapper, shape=(8, 8, 3), **settings):
    inputs = keras.Input(shape)
    outputs = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)
    layer = InputReprogrammer(shape, value_range=None, **settings)
    return ReprogrammedModel(source, layer, label_mapper)


MATRIX = np.array([[0.5, 0.0], [-0.9, 0.0], [0.0, 0.3], [0.1, 0.7]])


def fixed(**settings):
    return LabelMapper(2, FixedMapping(MATRIX), **settings)


def titles(figure):
    return [axis.get_title() for axis in figure.axes]


def bars(axis):
    names = [label.get_text() for label in axis.get_yticklabels()]
    values = [bar.get_width() for bar in axis.patches]
    return dict(zip(names, np.round(values, 4)))


def test_both_ends_of_a_program_are_drawn():
    model = images(fixed(class_names=["cat", "dog"]))
    figure = visualization.plot_program(model, ["a", "b", "c", "d"])
    pattern, cat, dog = figure.axes[:3]
    assert titles(figure)[:3] == ["pattern", "cat", "dog"]
    np.testing.assert_allclose(pattern.images[0].get_array(), 0.5)
    assert bars(cat) == {"d": 0.1, "a": 0.5, "b": -0.9}
    assert bars(dog) == {"c": 0.3, "d": 0.7}


def test_the_other_plots_take_the_model_as_well():
    model = images(fixed(class_names=["cat", "dog"]))
    for plot in (visualization.plot_pattern, visualization.plot_mask):
        assert (
            plot(model)
            .axes[0]
            .get_title()
            .endswith(plot(model.input_reprogrammer).axes[0].get_title())
        )
    samples = np.zeros((2, 8, 8, 3))
    assert len(visualization.plot_inputs(model, samples).axes) == 2
    figure = visualization.plot_label_map(model, strongest=1)
    assert titles(figure) == ["cat", "dog"]
    assert bars(figure.axes[0]) == {"1": -0.9}


def test_a_pattern_over_time_is_a_line():
    model = images(fixed(), (16,))
    axis = visualization.plot_program(model).axes[0]
    assert axis.lines[0].get_xdata().tolist() == list(range(16))


def test_a_sparse_combination_is_drawn_by_its_weights():
    mapping = SparseCombination(3, nonzeros=2)
    model = model_of(mapping, pooling="mean")
    mapping.chosen.assign([[4, 9], [5, 5], [1, 2]])
    mapping.combination.assign([[0.5, -1.0], [1.0, 2.0], [0.0, 1.0]])
    figure = visualization.plot_program(solved(model))
    assert titles(figure)[:3] == ["token 0", "token 1", "token 2"]
    assert bars(figure.axes[0]) == {"4": 0.5, "9": -1.0}
    assert bars(figure.axes[1]) == {"5": 3.0}
    assert bars(figure.axes[2]) == {"2": 1.0}


def solved(model):
    mapper = model.label_mapper
    if mapper.needs_data and not mapper.solved:
        labels = np.arange(4) % 2
        model.adapt(np.ones((4, 3), "int32"), labels, verbose=0)
    return model


def test_other_token_mappings_are_drawn_by_the_nearest_tokens():
    mapping = FreeEmbeddings(2)
    model = solved(model_of(mapping, pooling="mean"))
    rows = keras.ops.convert_to_numpy(mapping.source_rows(dtype="float32"))
    mapping.embeddings.assign(2 * rows[[7, 11]])
    figure = visualization.plot_program(model, strongest=1)
    assert bars(figure.axes[0]) == {"7": 1.0}
    assert bars(figure.axes[1]) == {"11": 1.0}
    # It starts as single source tokens.
    mapping = DenseCombination(2, candidates=[5, 8], seed=0)
    model = solved(model_of(mapping, pooling="mean"))
    figure = visualization.plot_program(model, strongest=1)
    assert set(bars(figure.axes[0])) <= {"5", "8"}


def test_a_token_remapping_is_drawn_by_its_probabilities():
    mapping = TokenRemapping(2, candidates=[5, 8])
    model = solved(model_of(mapping, pooling="mean"))
    mapping.theta.assign([[[0.0, np.log(3.0)], [0.0, 0.0]]])
    names = [f"t{index}" for index in range(mapping.source_embeddings.size)]
    figure = visualization.plot_program(model, token_names=names)
    assert bars(figure.axes[0]) == {"t5": 0.25, "t8": 0.75}
    assert bars(figure.axes[1]) == {"t8": 0.5, "t5": 0.5}


def test_a_soft_prompt_is_drawn_by_the_nearest_source_tokens():
    prompt = SoftPrompt(2)
    model = solved(model_of(SourceTokens(), [prompt, "sample"], pooling="mean"))
    rows = model.input_reprogrammer.mapping.source_rows(dtype="float32")
    rows = keras.ops.convert_to_numpy(rows)
    prompt.embeddings.assign(-3 * rows[[2, 4]])
    figure = visualization.plot_program(model, strongest=1)
    assert titles(figure)[:2] == ["prompt 0", "prompt 1"]
    prompt.embeddings.assign(3 * rows[[2, 4]])
    figure = visualization.plot_program(model, strongest=1)
    assert bars(figure.axes[1]) == {"4": 1.0}


def test_prototypes_and_forecasts_are_drawn():
    source = TextSource(bert(), "sequence")
    model = ReprogrammedModel(
        source,
        SeriesReprogrammer((32, 1), prototypes=3, patch_length=8, stride=8),
        ForecastHead(4),
    )
    past = np.random.default_rng(0).normal(size=(4, 32, 1))
    model.adapt(past, past[:, :4], verbose=0)
    head = model.label_mapper
    kernel = np.zeros(head.kernel.shape, "float32")
    kernel[0] = [1.0, 2.0, 3.0, 4.0]
    kernel[1, 2] = 4.0
    head.kernel.assign(kernel)
    part = model.input_reprogrammer.prototypes
    weights = np.zeros(part.combination.shape, "float32")
    weights[1, 6] = -2.0
    part.combination.assign(weights)
    figure = visualization.plot_program(model)
    assert titles(figure)[:4] == [
        "prototype 0",
        "prototype 1",
        "prototype 2",
        "forecast",
    ]
    assert bars(figure.axes[1]) == {"6": -2.0}
    drawn = figure.axes[3].lines[0].get_data()
    np.testing.assert_allclose(drawn, [[1, 2, 3, 4], [1, 2, 5, 4]])


def staged(mapper):
    inputs = keras.Input((4,))
    stages = [keras.layers.Dense(2)(inputs), keras.layers.Dense(3)(inputs)]
    source = keras.Model(inputs, keras.layers.Concatenate()(stages))
    return ReprogrammedModel(
        source, InputReprogrammer((4,), pattern=None, value_range=None), mapper
    )


def test_stage_features_are_drawn_by_the_norm_of_their_weights():
    matrix = np.array([[3.0, 1.0], [4.0, 0.0], [0.0, 2.0], [0, 0], [0, 0]])
    figure = visualization.plot_program(
        staged(LabelMapper(2, FixedMapping(matrix)))
    )
    assert titles(figure)[:2] == ["class 0", "class 1"]
    assert bars(figure.axes[0]) == {"stage 0": 5.0}
    assert bars(figure.axes[1]) == {"stage 0": 1.0, "stage 1": 2.0}


def test_a_regression_head_is_drawn_by_its_kernel():
    model = images(RegressionHead(), pattern=None)
    data = np.random.default_rng(0).normal(size=(6, 8, 8, 3))
    model.adapt(data, data[:, 0, 0, 0], verbose=0)
    model.label_mapper.kernel.assign([[1.0], [-2.0], [0.0], [0.0]])
    figure = visualization.plot_program(model, target_names=["age"])
    assert titles(figure)[0] == "age"
    assert bars(figure.axes[0]) == {"0": 1.0, "1": -2.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: visualization.plot_program(np.eye(3)), "ReprogrammedModel"),
        (lambda: visualization.plot_program(images(fixed()), ["a"]), "name"),
        (
            lambda: visualization.plot_program(
                images(fixed()), target_names=["a"]
            ),
            "name",
        ),
        (lambda: visualization.plot_program(images(LabelMapper(2))), "adapt"),
        (lambda: visualization.plot_label_map(images(LabelMapper(2))), "adapt"),
        (
            lambda: visualization.plot_label_map(images(RegressionHead())),
            "plot_program",
        ),
        (
            lambda: visualization.plot_pattern(model_of(FreeEmbeddings(2))),
            "plot_program",
        ),
        (lambda: visualization.plot_program(images(fixed()), most=0), "most"),
    ],
)
def test_what_cannot_be_drawn_is_a_value_error(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}.*Received: |adapt"):
        call()


def test_a_pattern_that_depends_on_the_sample_is_left_out():
    model = images(fixed(), (32, 32, 3), pattern=CoordinatorPattern())
    assert titles(visualization.plot_program(model)) == ["class 0", "class 1"]
