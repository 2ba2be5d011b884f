"""Every page trains its method, on one tiny source of each modality."""

import pkgutil

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram import methods
from keras_reprogram.black_box import OneSided
from keras_reprogram.inputs import padded_graphs
from keras_reprogram.sources import CellRule
from keras_reprogram.sources import GraphNetwork
from keras_reprogram.sources import TextSource
from keras_reprogram.sources import cellular_automaton

# They return a `ConditionalGenerator`, whose own tests train it.
OF_GENERATORS = {"inrep_plus"}
PAGES = [
    page.name
    for page in pkgutil.iter_modules(methods.__path__)
    if page.name not in OF_GENERATORS
]


def image_source() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.AveragePooling2D(4)(x)
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(x))
    return keras.Model(inputs, outputs)


def stages_source() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    coarse = keras.layers.AveragePooling2D(8)(inputs / 255)
    fine = keras.layers.AveragePooling2D(4)(inputs / 255)
    stages = [keras.layers.Flatten()(stage) for stage in (coarse, fine)]
    return keras.Model(inputs, ops.concatenate(stages, axis=-1))


def waveform_source() -> keras.Model:
    inputs = keras.Input((128,))
    x = keras.layers.Reshape((8, 16))(inputs)
    x = keras.layers.Dense(8, "relu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(6, "softmax")(x))


def regressor() -> keras.Model:
    inputs = keras.Input((16, 2))
    flat = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(flat))


def forecaster() -> keras.Model:
    inputs = keras.Input((32,))
    return keras.Model(inputs, keras.layers.Dense(8)(inputs))


def automaton() -> keras.Model:
    step = cellular_automaton((6, 6, 6), CellRule(hidden_units=4))
    step.set_weights([np.full(each.shape, 0.02) for each in step.weights])
    return step


def text_backbone() -> keras.Model:
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=40,
        num_layers=1,
        num_heads=1,
        hidden_dim=8,
        intermediate_dim=8,
        max_sequence_length=32,
    )
    # Matrices as they start are so small that no step looks at the others.
    for weight in backbone.weights:
        if len(weight.shape) > 1:
            weight.assign(10 * weight)
    return backbone


def images() -> tuple[np.ndarray, np.ndarray]:
    """Noise of 8x8 pixels, with one of three quadrants brighter."""
    labels = np.arange(24) % 3
    values = np.random.default_rng(0).integers(0, 100, size=(24, 8, 8, 1))
    for image, label in zip(values, labels):
        row, column = divmod(int(label), 2)
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 150
    return values.astype("uint8"), labels


def rows() -> tuple[np.ndarray, np.ndarray]:
    values, labels = images()
    return values.reshape(24, 64), labels


def series() -> tuple[np.ndarray, np.ndarray]:
    """Slow and fast oscillations."""
    labels = np.arange(24) % 2
    steps = np.arange(32)[None] / 32 * np.where(labels, 1, 4)[:, None]
    return np.sin(2 * np.pi * steps).astype("float32"), labels


def tokens() -> tuple[np.ndarray, np.ndarray]:
    """Sequences of tokens from one half of the vocabulary or the other."""
    labels = np.arange(24) % 2
    values = np.random.default_rng(0).integers(1, 10, size=(24, 6))
    return (values + 10 * labels[:, None]).astype("int32"), labels


def gaps() -> tuple[np.ndarray, np.ndarray]:
    """Sequences with a gap, which is to be filled in with what follows it."""
    values = np.random.default_rng(0).integers(0, 20, size=(24, 1))
    values = np.repeat(values, 6, axis=1)
    labels = np.where(np.arange(6) == 2, values, -1)
    values[:, 2] = 20
    return values, labels


def forecasts() -> tuple[np.ndarray, np.ndarray]:
    values = np.sin(np.arange(24)[:, None] + np.arange(40)[None] / 3)[..., None]
    return values[:, :32], values[:, 32:]


def many_forecasts() -> tuple[np.ndarray, np.ndarray]:
    """Two channels whose sum and difference are simple series."""
    steps = np.arange(24)[:, None] + np.arange(40)[None]
    slow, fast = np.sin(steps / 5), np.sin(steps)
    values = np.stack([slow + fast, slow - fast], axis=-1).astype("float32")
    return values[:, :32], values[:, 32:]


def molecules() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Chains of two to four nodes, and a product of their features."""
    sizes = 2 + np.arange(24) % 3
    generator = np.random.default_rng(0)
    graphs = [
        {
            "nodes": 0.5 + generator.random((size, 2)),
            "adjacency": np.eye(size, k=1) + np.eye(size, k=-1),
        }
        for size in sizes
    ]
    products = [graph["nodes"].prod() for graph in graphs]
    return padded_graphs(graphs), np.array(products, "float32")


def numbers() -> tuple[np.ndarray, np.ndarray]:
    """Series whose mean is the target."""
    values = np.random.default_rng(0).normal(size=(24, 16, 2))
    return values.astype("float32"), values.mean(axis=(1, 2))[:, None]


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """States of an automaton of which all cells are to become white."""
    values = np.random.default_rng(0).random(size=(24, 6, 6, 6))
    return values.astype("float32"), np.ones((24, 6, 6, 4), "float32")


def of_images(**arguments):
    return "image", images, {"target_shape": (8, 8, 1), **arguments}


def of_three(**arguments):
    return of_images(num_classes=3, **arguments)


# The rates of some papers are made for canvases of 224x224 and large sources.
CASES = {
    "acavp": of_three(learning_rate=1.0),
    "adversarial_reprogramming": of_three(),
    "adapts": (
        "forecaster",
        many_forecasts,
        {"target_shape": (32, 2), "learning_rate": 0.01},
    ),
    "alf": ("stages", images, {"num_classes": 3, "target_shape": (8, 8, 1)}),
    "attr_vr": of_images(
        attributes=[[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]],
        top_k=1,
        inner_size=12,
        learning_rate=10.0,
    ),
    "auto_vp": of_three(inner_size=10, learning_rate=0.01),
    "bar": of_three(sources_per_target=4, gradient_estimator=OneSided(4)),
    # A program file holds no encoder but the source, which is not black.
    "black_vip": of_three(exact_gradient=True, learning_rate=0.01),
    "blm_vp": of_three(inner_size=10, learning_rate=0.1),
    "deep_graph": (
        "graph",
        molecules,
        {"target_shape": (4, 2), "num_added_nodes": 1, "learning_rate": 0.01},
    ),
    "evp": of_three(inner_size=10, learning_rate=1.0),
    "ilm_vp": of_three(inner_size=10, learning_rate=0.1),
    "lor_vp": of_three(),
    "neural_cellular_automata": (
        "automaton",
        pictures,
        {"num_steps": 3, "learning_rate": 0.01},
    ),
    "overlaid_table": (
        "image",
        rows,
        {"num_classes": 3, "target_shape": (64,), "value_range": (0, 255)},
    ),
    "r2dl": (
        "pooled text",
        tokens,
        {"num_classes": 2, "vocabulary_size": 20, "nonzeros": 2},
    ),
    "rendered_tokens": (
        "image",
        tokens,
        {
            "num_classes": 2,
            "target_shape": (6,),
            "vocabulary_size": 20,
            "patch_size": 4,
        },
    ),
    "remap": ("regressor", numbers, {"target_shape": (16, 2)}),
    "reprogbert": (
        "text",
        gaps,
        {
            "num_classes": 20,
            "vocabulary_size": 21,
            "candidates": 20,
        },
    ),
    "rvp": of_images(
        attributes=[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]],
        inner_size=12,
        learning_rate=10.0,
    ),
    "similarity_mapping": (
        "waveform",
        series,
        {
            "num_classes": 2,
            "target_shape": (32,),
            "regularization": 1e-3,
            "seed": 0,
        },
    ),
    "smm": of_three(filters=(4, 8), patch_size=4),
    "time_llm": (
        "text",
        forecasts,
        {"horizon": 8, "target_shape": (32, 1), "prototypes": 4},
    ),
    "token_remapping": (
        "pooled text",
        tokens,
        {
            "num_classes": 2,
            "vocabulary_size": 20,
            "candidates": 20,
            "mapping": "linear",
            "learning_rate": 0.05,
        },
    ),
    "trainable_layers": of_three(),
    "visual_prompting": of_three(size=2, learning_rate=10.0),
    "voice2series": (
        "waveform",
        series,
        {
            "num_classes": 2,
            "target_shape": (32,),
            "copies": 2,
            "regularization": 1e-3,
            "seed": 0,
        },
    ),
    "warp": (
        "text",
        tokens,
        {"words": [[20, 21], [30]], "mask_token": 4, "learning_rate": 0.01},
    ),
    "watermark": of_three(),
}


@pytest.fixture(scope="module")
def sources() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(0)
    backbone = text_backbone()
    return {
        "automaton": automaton(),
        "image": image_source(),
        "stages": stages_source(),
        "waveform": waveform_source(),
        "forecaster": forecaster(),
        "regressor": regressor(),
        "graph": GraphNetwork(3, None, units=4, num_convolutions=1),
        "text": TextSource(backbone, "sequence"),
        "pooled text": TextSource(backbone, "mean"),
    }


def values_of(model: ReprogrammedModel) -> list[np.ndarray]:
    """What is trained before the source, or behind it if that is all."""
    weights = (
        model.input_reprogrammer.trainable_weights
        or model.label_mapper.trainable_weights
    )
    return [np.array(ops.convert_to_numpy(weight.value)) for weight in weights]


def loss_of(model: ReprogrammedModel, x: np.ndarray, y: np.ndarray) -> float:
    return float(ops.convert_to_numpy(model.loss(y, model.predict_on_batch(x))))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_trains_its_method_and_a_file_answers_the_same(
    name, sources, tmp_path
):
    kind, data, arguments = CASES[name]
    source, (x, y) = sources[kind], data()
    model = getattr(methods, name)(source, **arguments)
    model.adapt(x, y, verbose=0)
    loss, program = loss_of(model, x, y), values_of(model)
    model.fit(x, y, batch_size=24, epochs=6, verbose=0)
    assert loss_of(model, x, y) < loss
    trained = values_of(model)
    assert any((new != old).any() for new, old in zip(trained, program))

    model.save_program(tmp_path / "page.program")
    copy = ReprogrammedModel.load_program(tmp_path / "page.program", source)
    np.testing.assert_allclose(
        copy.predict_on_batch(x), model.predict_on_batch(x), 1e-6
    )
