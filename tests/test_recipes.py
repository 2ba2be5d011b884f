import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram import InputReprogrammer
from keras_reprogram.recipes import few_samples
from keras_reprogram.sources import JoinedSource


def source(name="one", size=6, seed=0, dtype=None):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((size, size, 3))
    pooled = keras.layers.AveragePooling2D(2, dtype=dtype)(inputs)
    pooled = keras.layers.Flatten()(pooled)
    hidden = keras.layers.Dense(8, "relu", dtype=dtype)(pooled)
    stages = keras.layers.Concatenate()([pooled, hidden])
    return keras.Model(inputs, stages, name=name)


def data(count=30, classes=2):
    generator = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = generator.integers(0, 100, (count, 4, 4, 1))
    images[:, 0] += 100 * labels[:, None, None] // (classes - 1)
    return images.astype("uint8"), labels


def chosen(model):
    return model.label_mapper.cross_validation


def test_one_model_is_returned_that_predicts_and_evaluates():
    images, labels = data(count=60, classes=3)
    model = few_samples(source(), images, labels, verbose=0)
    loss, accuracy = model.evaluate(images, labels, verbose=0)
    assert accuracy > 0.9
    assert loss < 0.7
    assert chosen(model).chosen in chosen(model).candidates
    assert chosen(model).scores.shape[1] == 5


def test_several_sources_are_joined(tmp_path):
    images, labels = data()
    sources = [source(), source("two", size=8, seed=1)]
    model = few_samples(sources, images, labels, verbose=0)
    assert isinstance(model.source, JoinedSource)
    assert chosen(model).chosen == "ridge, joined"
    expected = model.predict(images, verbose=0)
    model.save_program(tmp_path / "joined.program")
    loaded = keras_reprogram.ReprogrammedModel.load_program(
        tmp_path / "joined.program", sources
    )
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0), expected, atol=1e-5
    )


def test_the_model_is_saved_whole_and_trained_on(tmp_path):
    images, labels = data()
    model = few_samples(source(), images, labels, verbose=0)
    expected = model.predict(images, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0), expected, atol=1e-5
    )
    before, _ = model.evaluate(images, labels, verbose=0)
    model.fit(images, labels, epochs=3, verbose=0)
    assert model.evaluate(images, labels, verbose=0)[0] < before + 0.01


def test_data_sets_are_what_their_arrays_are(capsys):
    images, labels = data()

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            rows = slice(10 * index, 10 * index + 10)
            return images[rows], labels[rows]

    expected = few_samples(source(), images, labels, verbose=0)
    assert expected.label_mapper.class_names is None
    batches = Batches()
    batches.class_names = ["cat", "dog"]
    found = few_samples(source(), batches, verbose=1)
    assert found.label_mapper.class_names == ("cat", "dog")
    assert "| cat " in capsys.readouterr().out
    np.testing.assert_allclose(
        found.predict(images, verbose=0),
        expected.predict(images, verbose=0),
        atol=1e-5,
    )


def test_views_are_a_candidate_and_a_model_of_them_is_made():
    images, labels = data()
    model = few_samples(
        (source(), InputReprogrammer((4, 4, 1), (6, 6, 3), pattern=None)),
        images,
        labels,
        views=["identity", "horizontal"],
        verbose=0,
    )
    assert "ridge, one, views" in chosen(model).candidates


def test_groups_and_class_weights_are_what_scores_are_of():
    images, labels = data()
    labels = (np.arange(30) % 5 == 0).astype("int64")
    model = few_samples(
        source(),
        images,
        labels,
        class_weight="balanced",
        groups=np.arange(30) // 5,
        folds=3,
        verbose=0,
    )
    # Labels that nothing predicts.
    assert 0.2 < chosen(model).mean.mean() < 0.8


def test_augmented_copies_are_a_candidate_where_an_augmentation_is_passed():
    images, labels = data()
    given = images.copy()
    shift = keras_reprogram.inputs.RandomShift(0.2)
    models = [
        few_samples(
            [source(), source("two", size=8, seed=1)],
            images,
            labels,
            augmentation=shift,
            verbose=0,
        )
        for _ in range(2)
    ]
    assert "ridge, joined, augmented" in chosen(models[0]).candidates
    np.testing.assert_array_equal(images, given)
    # The seed of the recipe is that of the copies too.
    np.testing.assert_array_equal(
        chosen(models[0]).scores, chosen(models[1]).scores
    )
    assert models[0].predict(images, verbose=0).shape == (30, 2)
    plain = few_samples(source(), images, labels, verbose=0)
    assert not any("augmented" in name for name in chosen(plain).candidates)


def test_layers_of_floats_augment_integers():
    images, labels = data()
    noise = keras.layers.GaussianNoise(1.0)
    model = few_samples(source(), images, labels, augmentation=noise, verbose=0)
    assert "ridge, one, augmented" in chosen(model).candidates


def test_trials_are_scored_until_their_time_is_over():
    images, labels = data()
    model = few_samples(
        source(), images, labels, trial_seconds=0.01, folds=2, verbose=0
    )
    names = chosen(model).candidates
    assert any("attentive probe" in name for name in names)
    assert any("program" in name for name in names)


def test_features_are_cached_for_the_next_call(tmp_path, capsys):
    images, labels = data()
    for _ in range(2):
        few_samples(
            source(), images, labels, cache_directory=tmp_path, verbose=0
        )
    assert len(list(tmp_path.iterdir())) == 1
    assert capsys.readouterr().out == ""


def test_candidates_are_shown_unless_it_is_silent(capsys):
    images, labels = data()
    few_samples(source(), images, labels)
    shown = capsys.readouterr().out
    assert "| ridge, one" in shown.replace("  ", "")
    assert "passes" in shown and "chosen" in shown and "recall" in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": None}, "pass `y`"),
        ({"y": np.full(30, 0.5)}, "integers"),
        ({"y": np.zeros(30, "int64")}, "two classes"),
        ({"x": np.zeros((0, 4, 4, 1)), "y": np.zeros(0)}, "no batches"),
        ({"y": np.arange(29) % 2}, "30 samples and `y`"),
        ({"sources": []}, "At least one source"),
        ({"folds": 1}, "folds"),
        ({"trial_seconds": -1}, "trial_seconds"),
        ({"views": ["upside down"]}, "views"),
        ({"canvases": ()}, "canvases"),
        ({"augmentation": "flip"}, "augmentation"),
        ({"augmentation": keras.layers.RandomCrop(2, 2)}, "keep the shape"),
        ({"x": np.full((30, 4, 4, 1), np.nan, "float32")}, "finite"),
    ],
)
def test_what_cannot_be_compared_is_a_value_error(change, message):
    images, labels = data()
    given = {"sources": source(), "x": images, "y": labels, "verbose": 0}
    with pytest.raises(ValueError, match=message):
        few_samples(**{**given, **change})


def test_predictions_of_samples_left_out_are_kept():
    images, labels = data()
    model = few_samples(source(), images, labels, verbose=0)
    found = chosen(model)
    logits = found.predictions[np.argsort(found.sample_indices)]
    assert logits.shape == (30, 2)
    assert np.isclose(
        np.mean(logits.argmax(axis=1) == labels),
        found.mean[found.chosen_index],
    )


def test_samples_of_another_range_are_read_in_it():
    images, labels = data()
    expected = few_samples(source(), images, labels, verbose=0)
    found = few_samples(
        source(), images / 255, labels, value_range=(0, 1), verbose=0
    )
    np.testing.assert_allclose(
        found.predict(images / 255, verbose=0),
        expected.predict(images, verbose=0),
        rtol=1e-2,
        atol=1e-2,
    )
