import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import RegressionHead
from keras_reprogram import ReprogrammedModel
from keras_reprogram.models.label_predictions import named_by_data

NAMES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def source() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(6)(inputs))


def made(source, mapping="identity", classes=3, **arguments):
    return ReprogrammedModel(
        source,
        InputReprogrammer((4,), value_range=None),
        LabelMapper(classes, mapping, **arguments),
    )


def samples(number=5):
    return np.random.default_rng(0).normal(size=(number, 4)).astype("float32")


class Folders(keras.utils.PyDataset):
    """Batches with the names of their classes, as those of folders have."""

    def __init__(self, names=NAMES):
        super().__init__()
        self.class_names = list(names)

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return samples(6), np.arange(6) % 3


def softmax(logits):
    values = np.exp(logits - logits.max(-1, keepdims=True))
    return values / values.sum(-1, keepdims=True)


def test_the_most_probable_names_come_first_with_their_probabilities(source):
    model = made(source, class_names=NAMES)
    found = model.predict_labels(samples(), top=2, verbose=0)
    expected = softmax(model.predict(samples(), verbose=0))
    assert [len(each) for each in found] == 5 * [2]
    for row, predictions in zip(expected, found):
        best, second, _ = np.argsort(-row)
        assert [each.name for each in predictions] == [
            NAMES[best],
            NAMES[second],
        ]
        np.testing.assert_allclose(
            [each.probability for each in predictions],
            row[[best, second]],
            rtol=1e-5,
        )


def test_classes_without_names_have_their_labels(source):
    model = made(source)
    found = model.predict_labels(samples(1), top=10, verbose=0)
    assert {each.name for each in found[0]} == {"0", "1", "2"}
    total = sum(each.probability for each in found[0])
    assert total == pytest.approx(1.0)


def test_sums_of_probabilities_are_normalized():
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(6, activation="softmax")(inputs)
    model = made(keras.Model(inputs, outputs), class_names=NAMES)
    found = model.predict_labels(samples(2), top=3, verbose=0)
    for predictions in found:
        total = sum(each.probability for each in predictions)
        assert total == pytest.approx(1.0)


def test_independent_targets_have_a_probability_each(source):
    model = made(source, np.eye(6)[:, :3], multi_label=True, class_names=NAMES)
    found = model.predict_labels(samples(2), top=3, verbose=0)
    logits = model.predict(samples(2), verbose=0)
    for row, predictions in zip(logits, found):
        for each in predictions:
            logit = row[NAMES.index(each.name)]
            assert each.probability == pytest.approx(
                1 / (1 + np.exp(-logit)), rel=1e-4
            )


def test_numbers_and_positions_have_no_names(source):
    model = ReprogrammedModel(
        source, InputReprogrammer((4,), value_range=None), RegressionHead(1)
    )
    model.adapt(samples(), np.arange(5.0), verbose=0)
    with pytest.raises(ValueError, match="use `predict`"):
        model.predict_labels(samples(), verbose=0)
    inputs = keras.Input((2, 4))
    steps = ReprogrammedModel(
        keras.Model(inputs, keras.layers.Dense(6)(inputs)),
        InputReprogrammer((2, 4), value_range=None),
        LabelMapper(3, "identity"),
    )
    with pytest.raises(ValueError, match="classes of positions"):
        steps.predict_labels(np.ones((3, 2, 4)), verbose=0)


def test_a_data_set_of_folders_names_the_classes(source):
    model = made(source, "linear")
    model.adapt(Folders(), verbose=0)
    assert model.label_mapper.class_names == NAMES
    # In the same order, or labels would mean other classes.
    model.evaluate(Folders(), verbose=0)
    for names in (NAMES[::-1], NAMES[:2]):
        with pytest.raises(ValueError, match="in that order. Received"):
            model.evaluate(Folders(names), verbose=0)
    assert model.label_mapper.class_names == NAMES


def test_a_test_set_does_not_name_the_classes(source):
    model = made(source, "linear")
    model.adapt(samples(), np.arange(5) % 3, verbose=0)
    model.evaluate(Folders(), verbose=0)
    assert model.label_mapper.class_names is None


def test_names_of_other_numbers_of_classes_are_left_alone(source):
    mapper = made(source).label_mapper
    named_by_data(mapper, Folders(NAMES[:2]), None, samples())
    assert mapper.class_names is None


def test_a_wrong_number_of_names_is_a_value_error(source):
    with pytest.raises(ValueError, match="a name for each target class"):
        made(source, class_names=NAMES[:2])
    for names in ("cat", ["cat", "cat", "owl"], ["cat", 1, "owl"], [], [""]):
        with pytest.raises(ValueError, match="`class_names` must"):
            LabelMapper(3, class_names=names)
    with pytest.raises(ValueError, match="of which there are 0"):
        ReprogrammedModel(
            source,
            InputReprogrammer((4,), value_range=None),
            RegressionHead(1, class_names=["size"]),
        )


def test_names_are_saved_with_the_model_and_in_a_program_file(source, tmp_path):
    names = ["Katze", "犬", 'o"wl']
    model = made(source, class_names=names)
    model.save(tmp_path / "whole.keras")
    whole = keras.saving.load_model(tmp_path / "whole.keras")
    model.save_program(tmp_path / "named.program")
    program = ReprogrammedModel.load_program(tmp_path / "named.program", source)
    for copy in (whole, program):
        assert copy.label_mapper.class_names == tuple(names)
        assert copy.predict_labels(samples(), verbose=0) == (
            model.predict_labels(samples(), verbose=0)
        )
    made(source).save_program(tmp_path / "plain.program")
    plain = ReprogrammedModel.load_program(tmp_path / "plain.program", source)
    assert plain.label_mapper.class_names is None
