import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram import methods
from keras_reprogram.bank import ProgramBank
from keras_reprogram.black_box import QueriedTextSource
from keras_reprogram.black_box import Reinforce
from keras_reprogram.inputs import FixedTokens
from keras_reprogram.inputs import FreeEmbeddings
from keras_reprogram.inputs import SeriesReprogrammer
from keras_reprogram.inputs import SoftPrompt
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import inspect_source

TOKENS = np.array([[2, 1, 0, 0], [0, 3, 1, 1]], "int32")


def source_of(asked=None, num_tokens=50_000, length=6, **kwargs):
    def classify(token_ids):
        assert token_ids.dtype == "int32"
        if asked is not None:
            asked.extend(token_ids.tolist())
        share = (token_ids % 7).mean(axis=1) / 7
        return np.stack([share, 1 - share], axis=1)

    return QueriedTextSource(classify, num_tokens, length, 2, **kwargs)


def remapped(source, context=1, candidates=(49_999, 30_523, 257, 4_097)):
    return ReprogrammedModel(
        source,
        TokenReprogrammer(
            TokenRemapping(4, candidates=list(candidates), context=context),
            layout=[FixedTokens([101]), "sample", FixedTokens([49_001])],
        ),
        LabelMapper(2, "identity"),
    )


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("context", [1, 3])
def test_the_function_gets_the_ids_of_the_chosen_tokens(policy, context):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        asked = []
        model = remapped(source_of(asked, padding_token=5), context)
    finally:
        keras.config.set_dtype_policy(before)
    mapping = model.input_reprogrammer.mapping
    mapping.theta.assign(np.tile(10.0 * np.eye(4), (context, 1, 1)))
    model.predict(TOKENS, verbose=0)
    of = [49_999, 30_523, 257, 4_097]
    assert asked[0] == [101, of[2], of[1], 49_001, 5, 5]
    if context == 1:
        assert asked[1] == [101, of[3], of[1], of[1], 49_001, 5]
    # In training a token is drawn, and is a token too.
    outputs = model.input_reprogrammer(TOKENS, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "int32"
    found = ops.convert_to_numpy(outputs)
    assert set(found.ravel()) <= {101, 49_001, 5, *of}


@pytest.mark.numpy_alone
def test_texts_in_the_sources_own_tokens_are_sent_as_they_are():
    asked = []
    model = ReprogrammedModel(
        source_of(asked, start_token=2),
        TokenReprogrammer(SourceTokens()),
        LabelMapper(2, "identity"),
    )
    model.predict(TOKENS, verbose=0)
    assert asked == [[2, 1, 0, 0, 0, 0], [3, 1, 1, 0, 0, 0]]
    with pytest.raises(ValueError, match="positions for 6 steps"):
        model.predict(np.ones((1, 7), "int32"), verbose=0)


@pytest.mark.numpy_alone
def test_a_source_says_which_tokens_it_takes():
    specification = inspect_source(source_of(padding_token=1, start_token=3))
    assert specification.num_tokens == 50_000
    assert specification.max_sequence_length == 6
    assert (specification.padding_token, specification.start_token) == (1, 3)
    asked = []
    fingerprint(source_of(asked, num_tokens=30), probe=True)
    assert asked and np.max(asked) < 30 and np.min(asked) >= 0


def test_a_program_is_a_file_for_the_same_vocabulary(tmp_path):
    model, source = remapped(source_of()), source_of()
    model.save_program(tmp_path / "a.program")
    with pytest.warns(UserWarning, match="was not compared"):
        copy = ReprogrammedModel.load_program(tmp_path / "a.program", source)
    np.testing.assert_array_equal(
        copy.predict(TOKENS, verbose=0), model.predict(TOKENS, verbose=0)
    )
    with pytest.raises(ValueError, match="another source"):
        ReprogrammedModel.load_program(
            tmp_path / "a.program", source_of(num_tokens=50_001)
        )
    with pytest.raises(ValueError, match="below 1000"):
        ReprogrammedModel.load_program(
            tmp_path / "a.program",
            source_of(num_tokens=1000),
            check_source=False,
        )


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "make",
    [
        lambda: TokenReprogrammer(FreeEmbeddings(4)),
        lambda: TokenReprogrammer(
            TokenRemapping(4), layout=[SoftPrompt(1), "sample"]
        ),
        lambda: TokenReprogrammer(TokenRemapping(4, candidates=[50_000])),
        lambda: TokenReprogrammer(TokenRemapping(4), target_length=7),
        lambda: InputReprogrammer((6,)),
        lambda: SeriesReprogrammer((32, 1)),
    ],
)
def test_a_layer_that_makes_no_token_ids_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        ReprogrammedModel(source_of(), make(), LabelMapper(2, "identity"))


@pytest.mark.numpy_alone
def test_a_bank_holds_no_programs_of_tokens():
    source = source_of()
    bank = ProgramBank(source, (6,), 2)
    with pytest.raises(ValueError, match="serve others by their own models"):
        bank.add({"a": remapped(source)})


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "arguments",
    [
        {"function": 3},
        {"num_tokens": 0},
        {"num_tokens": 2**24 + 1},
        {"max_sequence_length": 0},
        {"padding_token": 30},
        {"padding_token": -1},
        {"start_token": 0.5},
        {"num_classes": 0},
    ],
)
def test_arguments_that_make_no_sense_are_value_errors(arguments):
    given = {
        "function": len,
        "num_tokens": 30,
        "max_sequence_length": 4,
        "num_classes": 2,
        **arguments,
    }
    with pytest.raises(ValueError, match="Received: "):
        QueriedTextSource(**given)


@pytest.mark.parametrize("token", [-1, 30])
def test_inputs_that_are_no_tokens_are_not_asked_about(token):
    source = source_of(num_tokens=30, length=2)
    with pytest.raises(Exception, match="tokens are from 0 to 29"):
        source.predict(np.array([[1, token]], "int32"), verbose=0)
    assert source.num_queries == 0


@pytest.mark.numpy_alone
def test_a_method_learns_choices_of_tokens_by_queries():
    model = methods.token_remapping(source_of(), 2, 4, context=3, candidates=5)
    assert model.gradient_estimator == Reinforce()
    model.fit(TOKENS, np.array([0, 1]), verbose=0)
    assert model.num_queries > 0
    model.compile("auto", "sparse_categorical_crossentropy")
    model.fit(TOKENS, np.array([0, 1]), verbose=0)
    assert float(model.optimizer.learning_rate) == 0.5


class Unreachable(Exception):
    """An error of the user's own function."""


@pytest.mark.parametrize("estimator", [Reinforce(), "auto"])
@pytest.mark.parametrize("call", ["fit", "predict", "evaluate"])
def test_an_error_of_the_function_is_raised_as_it_is(call, estimator):
    def fail(token_ids):
        raise Unreachable("no network")

    model = remapped(QueriedTextSource(fail, 50_000, 6, 2))
    if estimator != "auto":
        model.compile(
            keras.optimizers.Adam(),
            keras.losses.SparseCategoricalCrossentropy(),
            gradient_estimator=estimator,
        )
    labels = () if call == "predict" else (np.array([0, 1]),)
    with pytest.raises(Unreachable, match="no network"):
        getattr(model, call)(TOKENS, *labels, verbose=0)


def test_the_function_is_asked_about_samples_alone():
    asked = []
    model = remapped(source_of(asked))
    model.compile(
        keras.optimizers.Adam(),
        keras.losses.SparseCategoricalCrossentropy(),
        gradient_estimator=Reinforce(draws=2),
    )
    model.fit(TOKENS, np.array([0, 1]), verbose=0)
    assert len(asked) == model.source.num_queries <= 6


@pytest.mark.numpy_alone
def test_a_program_that_is_frozen_after_compiling_is_not_trained():
    model = remapped(source_of())
    model.compile(
        keras.optimizers.Adam(),
        keras.losses.SparseCategoricalCrossentropy(),
        gradient_estimator=Reinforce(draws=2),
    )
    model.input_reprogrammer.trainable = False
    with pytest.raises(ValueError, match="no program to train by queries"):
        model.fit(TOKENS, np.array([0, 1]), verbose=0)
