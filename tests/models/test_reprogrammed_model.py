import types

import keras
import numpy as np
import pytest
from keras import ops
from tiny import Sequence
from tiny import reprogrammed

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import adaptation
from keras_reprogram.outputs import FrequencyMapping
from keras_reprogram.outputs import IterativeMapping

BACKEND = keras.config.backend()

MAPPINGS = [
    "identity",
    "random",
    "frequency",
    "iterative",
    "bayesian",
    "bayesian_plus",
    "linear",
]


def matrix_of(model):
    return ops.convert_to_numpy(model.label_mapper.matrix)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_training_changes_the_ends_alone(source, images, labels, mapping):
    model = reprogrammed(source, mapping)
    before = source.get_weights()
    theta = ops.convert_to_numpy(model.input_reprogrammer.pattern.theta.value)
    history = model.fit(
        images,
        labels,
        epochs=3,
        batch_size=8,
        verbose=0,
        validation_data=(images, labels),
    ).history
    for old, new in zip(before, source.get_weights()):
        np.testing.assert_array_equal(old, new)
    trained = ops.convert_to_numpy(model.input_reprogrammer.pattern.theta.value)
    assert (trained != theta).any()
    assert len(model.trainable_weights) == (3 if mapping == "linear" else 1)
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    assert model.predict(images, verbose=0).shape == (24, 3)


def test_training_lowers_the_loss(source, images, labels):
    model = reprogrammed(source, "random")
    losses = model.fit(images, labels, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_the_ends_and_source_compose_to_the_prediction(source, images):
    model = reprogrammed(source, "random")
    canvas = model.input_reprogrammer(images)
    outputs = ops.convert_to_numpy(source(canvas, training=False))
    logits = model.predict_source(images)
    np.testing.assert_allclose(logits, outputs, atol=1e-5)
    np.testing.assert_allclose(
        model.predict(images, verbose=0), logits @ matrix_of(model), atol=1e-5
    )


def test_defaults_take_images_of_any_size(source):
    model = ReprogrammedModel(source, InputReprogrammer(), LabelMapper(3))
    model.adapt(np.ones((4, 5, 5, 3)), np.arange(4) % 3, verbose=0)
    assert model.predict(np.ones((2, 9, 7, 1)), verbose=0).shape == (2, 3)
    bare = ReprogrammedModel(source)
    assert bare.output_shape == (None, 6)


def test_an_input_reprogrammer_may_be_built_before_its_source_is_known(images):
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    source = keras.Model(inputs, keras.layers.Dense(6)(pooled))
    source.preprocessor = types.SimpleNamespace(
        image_converter=types.SimpleNamespace(
            scale=[0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0], image_size=None
        )
    )
    early = InputReprogrammer((4, 4, 1), (8, 8, 3))
    early.build((None, 4, 4, 1))
    outputs = [
        ReprogrammedModel(source, layer, LabelMapper(3, "random"))
        for layer in (early, InputReprogrammer((4, 4, 1), (8, 8, 3)))
    ]
    np.testing.assert_allclose(
        *(model.predict(images, verbose=0) for model in outputs)
    )


def test_an_input_reprogrammer_can_be_shared(source, images):
    shared = InputReprogrammer((4, 4, 1))
    models = [
        ReprogrammedModel(source, shared, LabelMapper(3, "random"))
        for _ in range(2)
    ]
    first, second = (model.predict_source(images) for model in models)
    np.testing.assert_array_equal(first, second)
    inputs = keras.Input((9, 9, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    other = keras.Model(inputs, keras.layers.Dense(6)(pooled))
    with pytest.raises(ValueError, match="make a new one"):
        ReprogrammedModel(other, shared)


def test_adapt_solves_the_map_before_training(source, images, labels):
    model = reprogrammed(source, "frequency")
    with pytest.raises(ValueError, match="call `adapt`"):
        model.predict(images, verbose=0)
    model.adapt(images, labels, batch_size=7, verbose=0)
    expected = FrequencyMapping().statistics(
        model.predict_source(images), labels, 3
    )
    np.testing.assert_allclose(
        matrix_of(model), FrequencyMapping().matrix(expected)
    )


def test_fit_adapts_only_a_map_that_has_seen_no_data(source, images, labels):
    model = reprogrammed(source, "frequency")
    model.fit(images, labels, verbose=0)
    first = matrix_of(model)
    model.fit(images[::-1], (labels + 1) % 3, verbose=0)
    np.testing.assert_array_equal(matrix_of(model), first)


def test_fit_does_not_adapt_to_its_validation_split(
    source, images, labels, monkeypatch
):
    model = reprogrammed(source)
    sizes = []
    adapt = adaptation.adapt
    monkeypatch.setattr(
        adaptation,
        "adapt",
        lambda model, x, *rest, **settings: (
            sizes.append(len(x)),
            adapt(model, x, *rest, **settings),
        ),
    )
    model.fit(images, labels, validation_split=0.25, verbose=0)
    assert sizes == [18]


def test_adapt_shows_a_progress_bar(source, images, labels, capsys):
    model = reprogrammed(source)
    model.adapt(images, labels, batch_size=8)
    assert "3/3" in capsys.readouterr().out
    model.adapt(images, labels, batch_size=8, verbose=0)
    assert not capsys.readouterr().out


def tensorflow_dataset(images, labels):
    tensorflow = pytest.importorskip("tensorflow")
    dataset = tensorflow.data.Dataset.from_tensor_slices((images, labels))
    return dataset.batch(8)


def torch_loader(images, labels):
    torch = pytest.importorskip("torch")
    dataset = torch.utils.data.TensorDataset(
        torch.from_numpy(images), torch.from_numpy(labels)
    )
    return torch.utils.data.DataLoader(dataset, batch_size=8)


@pytest.mark.parametrize("make", [Sequence, tensorflow_dataset, torch_loader])
@pytest.mark.parametrize("mapping", ["iterative", "linear"])
def test_data_of_every_kind_gives_the_same_map(
    source, images, labels, make, mapping
):
    model, reference = (
        reprogrammed(source, mapping, compiled=True) for _ in range(2)
    )
    data = make(images, labels)
    for one in (model, reference):
        one.compile(
            keras.optimizers.SGD(0.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    model.fit(data, epochs=2, verbose=0)
    reference.fit(images, labels, epochs=2, verbose=0)
    np.testing.assert_allclose(
        matrix_of(model), matrix_of(reference), rtol=1e-4, atol=1e-5
    )
    assert np.isfinite(model.evaluate(data, verbose=0)).all()
    assert model.predict(data, verbose=0).shape == (24, 3)
    assert model.predict_source(data).shape == (24, 6)


def test_the_label_map_is_found_from_a_generator_that_training_takes_whole(
    source, images, labels
):
    taken = []

    def batches():
        for start in range(0, 24, 8):
            taken.append(start)
            yield images[start : start + 8], labels[start : start + 8]

    model, expected = (
        reprogrammed(source, "frequency"),
        reprogrammed(source, "frequency"),
    )
    history = model.fit(batches(), verbose=0).history
    expected.fit(Sequence(images, labels), shuffle=False, verbose=0)
    assert taken == [0, 8, 16] and np.isfinite(history["loss"]).all()
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model.label_mapper.matrix),
        ops.convert_to_numpy(expected.label_mapper.matrix),
    )


def test_endless_data_are_bounded(source, images, labels):
    tensorflow = pytest.importorskip("tensorflow")
    dataset = tensorflow.data.Dataset.from_tensor_slices((images, labels))
    model = reprogrammed(source)
    data = dataset.repeat().batch(8)
    history = model.fit(data, steps_per_epoch=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and model.label_mapper.solved


def test_keras_features_work_together(source, images, labels, tmp_path):
    model = reprogrammed(source, "iterative")
    checkpoint = tmp_path / "best.weights.h5"
    model.fit(
        images,
        labels,
        epochs=3,
        batch_size=8,
        verbose=0,
        class_weight={0: 1.0, 1: 2.0, 2: 0.5},
        validation_data=(images, labels, np.ones(24)),
        callbacks=[
            keras.callbacks.ModelCheckpoint(
                checkpoint,
                monitor="val_loss",
                save_best_only=True,
                save_weights_only=True,
            ),
            keras.callbacks.EarlyStopping(patience=5),
        ],
    )
    model.fit(images, labels, sample_weight=np.ones(24), verbose=0)
    trained = matrix_of(model)
    model.load_weights(checkpoint)
    assert matrix_of(model).shape == trained.shape
    assert np.isfinite(model.train_on_batch(images, labels)).all()


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has it on the others")
def test_several_steps_an_execution(source, images, labels):
    model = reprogrammed(source, IterativeMapping(3, "step"))
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=2,
    )
    history = model.fit(images, labels, batch_size=4, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert (matrix_of(model).sum(axis=0) == 1).all()


def test_backup_and_restore_continue_with_the_same_map(
    source, images, labels, tmp_path
):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    model = reprogrammed(source, "iterative")
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            images, labels, epochs=4, verbose=0, callbacks=[backup(), Stop()]
        )
    restored = reprogrammed(source, "iterative")
    maps = []

    class First(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            maps.append((epoch, matrix_of(self.model)))

    restored.fit(
        images, labels, epochs=4, verbose=0, callbacks=[backup(), First()]
    )
    assert [epoch for epoch, _ in maps] == [2, 3]
    np.testing.assert_array_equal(maps[0][1], matrix_of(model))


@pytest.mark.parametrize("mapping", ["linear", "iterative", "random"])
def test_keras_file_round_trip(source, images, labels, mapping, tmp_path):
    model = reprogrammed(source, mapping)
    model.fit(images, labels, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0),
        model.predict(images, verbose=0),
        atol=1e-6,
    )
    count = len(model.trainable_weights)
    assert len(loaded.trainable_weights) == count
    before = loaded.source.get_weights()
    loaded.fit(images, labels, epochs=2, verbose=0)
    for old, new in zip(before, loaded.source.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("mapping", ["linear", "random"])
def test_a_clone_is_frozen_as_well(source, images, labels, mapping):
    model = reprogrammed(source, mapping)
    model.adapt(images, labels, verbose=0)
    clone = keras.models.clone_model(model)
    assert len(clone.trainable_weights) == len(model.trainable_weights)
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(
        clone.predict(images, verbose=0),
        model.predict(images, verbose=0),
        atol=1e-6,
    )
    frozen = clone.get_layer("frozen_source").source
    before = frozen.get_weights()
    clone.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    clone.fit(images, labels, verbose=0)
    for old, new in zip(before, frozen.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_a_copy_from_the_config_is_a_reprogrammed_model(source):
    model = reprogrammed(source, "iterative")
    copy = ReprogrammedModel.from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    assert len(copy.trainable_weights) == 1


def test_unfreezing_the_model_leaves_the_source_frozen(source, images, labels):
    model = reprogrammed(source)
    model.trainable = True
    source.trainable = True
    before = source.get_weights()
    model.fit(images, labels, epochs=2, verbose=0)
    for old, new in zip(before, source.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("trainable_source_layers, penalties", [(0, 1), (1, 2)])
def test_penalties_are_of_what_is_trained(
    images, labels, trainable_source_layers, penalties
):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activity_regularizer="l2")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(6, kernel_regularizer="l2")(x)
    pattern = UniversalPattern(initializer="ones", regularizer="l2")
    model = ReprogrammedModel(
        keras.Model(inputs, outputs),
        InputReprogrammer((4, 4, 1), pattern=pattern),
        LabelMapper(3, "random"),
        trainable_source_layers,
    )
    model(images[:2])
    found = [float(ops.convert_to_numpy(loss)) for loss in model.losses]
    assert len(found) == penalties
    np.testing.assert_allclose(max(found), 0.01 * 8 * 8 * 3, rtol=1e-5)


def test_penalties_of_a_program_enter_the_loss(source, images, labels):
    class Penalised(UniversalPattern):
        def call(self, canvas=None, training=None):
            self.add_loss(ops.multiply(ops.mean(self.theta), 5.0))
            return super().call(canvas, training)

    losses = []
    for kind in (UniversalPattern, Penalised):
        model = ReprogrammedModel(
            source,
            InputReprogrammer((4, 4, 1), pattern=kind(initializer="ones")),
            LabelMapper(3, "identity"),
        )
        model.compile(
            keras.optimizers.SGD(0.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=None,
        )
        trained = model.fit(images, labels, verbose=0).history["loss"][0]
        losses.append((trained, model.evaluate(images, labels, verbose=0)))
    np.testing.assert_allclose(np.subtract(*losses[::-1]), 5.0, rtol=1e-4)


def test_a_step_does_not_ask_the_source_for_all_its_weights(images, labels):
    asked = []

    class Counted(keras.layers.Dense):
        @property
        def weights(self):
            asked.append(self)
            return super().weights

    inputs = keras.Input((8, 8, 3))
    outputs = Counted(6)(keras.layers.Flatten()(inputs))
    model = reprogrammed(keras.Model(inputs, outputs), "random")
    model.fit(images, labels, batch_size=4, verbose=0)
    counts = []
    for batch_size in (len(images), 2):
        asked.clear()
        model.fit(images, labels, batch_size=batch_size, verbose=0)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_summary_counts_what_is_trained(source):
    lines = []
    reprogrammed(source).summary(print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    assert "Trainable params: 213" in text  # 8*8*3 values, 6*3 and a bias of 3


def test_a_compiled_source_keeps_its_metrics_to_itself(source, images, labels):
    source.compile("adam", "mse", metrics=["mae"])
    source.fit(np.ones((2, 8, 8, 3)), np.ones((2, 6)), verbose=0)
    model = reprogrammed(source, "random")
    assert set(model.evaluate(images, labels, verbose=0, return_dict=True)) == {
        "loss",
        "accuracy",
    }


def test_a_bfloat16_source_with_a_float32_program(images, labels):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, dtype="bfloat16")(inputs)
    x = keras.layers.GlobalAveragePooling2D(dtype="bfloat16")(x)
    source = keras.Model(inputs, keras.layers.Dense(6, dtype="bfloat16")(x))
    model = reprogrammed(source, "iterative")
    model.fit(images, labels, epochs=2, verbose=0)
    assert model.input_reprogrammer.pattern.theta.dtype == "float32"
    assert np.isfinite(model.predict(images, verbose=0)).all()


def test_a_source_of_probabilities(images, labels):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    source = keras.Model(inputs, keras.layers.Dense(6, "softmax")(x))
    for mapping in ("linear", "bayesian_plus", "iterative"):
        model = reprogrammed(source, mapping, compiled=False)
        assert model.label_mapper.from_logits is None  # as it was given
        assert model.label_mapper.reading.activation == "softmax"
        model.compile(
            "adam",
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=mapping == "linear"
            ),
        )
        losses = model.fit(images, labels, epochs=2, verbose=0).history["loss"]
        assert np.isfinite(losses).all()


def test_one_hot_labels_with_a_categorical_loss(source, images, labels):
    model = reprogrammed(source)
    model.compile(
        "adam", keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    history = model.fit(images, np.eye(3)[labels], epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_a_series_source(labels):
    inputs = keras.Input((40,))
    source = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            (10,),
            placement="tile",
            pattern=UniversalPattern("everywhere", activation=None),
            value_range=None,
        ),
        LabelMapper(3, "identity", sources_per_target=2),
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    series = np.random.default_rng(0).normal(size=(24, 10))
    history = model.fit(series, labels, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.predict(series, verbose=0).shape == (24, 3)


@pytest.mark.parametrize("mapping", ["linear", "iterative"])
def test_a_source_of_pixels_is_reprogrammed_to_segment(mapping):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    pixels = keras.layers.Conv2D(16, 1)(keras.layers.Rescaling(1 / 128)(inputs))
    generator = np.random.default_rng(0)
    labels = np.repeat(generator.integers(0, 2, (24, 1, 8)), 8, axis=1)
    images = (labels[..., None] * 120 + 40).astype("uint8")
    model = ReprogrammedModel(
        keras.Model(inputs, pixels),
        InputReprogrammer((8, 8, 1)),
        LabelMapper(2, mapping),
    )
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=-1
    )
    model.compile(keras.optimizers.Adam(0.05), loss)
    labels[:, 7] = -1
    model.fit(images, labels, batch_size=8, epochs=12, verbose=0)
    predictions = model.predict(images, verbose=0)
    assert predictions.shape == (24, 8, 8, 2)
    correct = predictions.argmax(axis=-1)[:, :7] == labels[:, :7]
    assert correct.mean() >= 0.95


def test_an_unknown_argument_is_a_value_error(source):
    with pytest.raises(ValueError, match="unknown arguments.*unfrozen"):
        ReprogrammedModel(source, InputReprogrammer((4, 4, 1)), unfrozen=1)


@pytest.mark.numpy_alone
def test_a_model_that_is_not_trained_is_copied_as_such(source):
    model = ReprogrammedModel(
        source,
        InputReprogrammer((4, 4, 1)),
        LabelMapper(3),
        trainable=False,
    )
    copy = ReprogrammedModel.from_config(model.get_config())
    assert not model.trainable_weights
    assert not copy.trainable_weights
