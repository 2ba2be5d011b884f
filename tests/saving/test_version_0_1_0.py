import copy
import json
import pathlib
import zipfile

import pytest

import keras_reprogram
from keras_reprogram.configurable import PACKAGE
from keras_reprogram.saving import program_classes
from keras_reprogram.saving import program_header
from keras_reprogram.saving import version_0_1_0
from keras_reprogram.saving.version_0_1_0 import translated

pytestmark = pytest.mark.numpy_alone

FOLDER = pathlib.Path(__file__).parents[1] / "data" / "programs_0_1_0"
ODD = [None, True, 3, 0.5, "text", [], [[3]], {}, {"class_name": []}]


def header_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("program.json"))


def described(name, **config):
    return {
        "module": "keras_reprogram.anything",
        "class_name": name,
        "config": config,
        "registered_name": f"{PACKAGE}>{name}",
    }


def translated_end(description):
    return translated({"input_reprogrammer": description})["inputs"][0]


def objects(value):
    if isinstance(value, dict):
        if "registered_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


def test_every_name_and_key_of_its_files_is_one_of_today():
    seen = set()
    for path in sorted(FOLDER.glob("*.program")):
        header = translated(header_of(path))
        for end in (*header["inputs"], header["output"]):
            for each in objects(end):
                cls = program_classes.class_of(each)
                assert set(each["config"]) <= program_classes.keys_of(cls), path
                seen.add(each["class_name"])
    assert seen >= set(version_0_1_0.CLASSES.values())
    assert seen >= set(version_0_1_0.KEYS)


def test_names_are_renamed_at_any_depth():
    pattern = described("UniversalProgram", squash="tanh")
    found = translated_end(
        described("InputReprogrammer", program=pattern, clip=False)
    )
    assert found == {
        **described("InputReprogrammer"),
        "config": {
            "pattern": {
                **described("UniversalPattern"),
                "config": {"activation": "tanh"},
            },
            "clip": False,
        },
    }
    layout = [described("FixedTokens", tokens=[1]), "sample"]
    layout.append(described("MaskToken", tokens=[3]))
    found = translated_end(described("TokenReprogrammer", layout=layout))
    assert found["config"]["layout"] == [
        described("FixedTokens", token_ids=[1]),
        "sample",
        described("MaskToken", token_id=3),
    ]


def test_a_users_class_of_an_old_name_is_left_alone():
    mine = {**described("UniversalProgram", squash="tanh")}
    mine["registered_name"] = "mine>UniversalProgram"
    assert translated_end(copy.deepcopy(mine)) == mine


@pytest.mark.parametrize(
    "from_logits, expected", [(False, "softmax"), (None, None), (True, None)]
)
@pytest.mark.parametrize("name", ["LabelMapper", "RegressionHead"])
def test_all_probabilities_are_those_of_a_softmax(name, from_logits, expected):
    found = translated_end(described(name, from_logits=from_logits))
    assert found["config"].get("source_activation") == expected


@pytest.mark.parametrize(
    "size, before, after",
    [
        (None, 0, "auto"),
        (None, 5, 5),
        (None, None, None),
        (8, 0, 0),
        (8, -1, None),  # no token: no padding
        (8, 8, None),
    ],
)
def test_0_was_the_padding_of_every_source(size, before, after):
    mapping = described("FreeEmbeddings", vocabulary_size=size)
    if size is None:
        mapping = described("SourceTokens", vocabulary_size=None)
    found = translated_end(
        described("TokenReprogrammer", tokens=mapping, padding_token=before)
    )
    assert found["config"]["padding_token"] == after


@pytest.mark.parametrize(
    "value_range, scale, after",
    [
        (None, None, ([0.0, 1.0], 1.0)),
        (None, 2.0, (None, 2.0)),
        ([0, 255], None, ([0, 255], None)),
    ],
)
def test_patches_without_a_range_were_in_the_unit_range(
    value_range, scale, after
):
    settings = dict(value_range=value_range, scale=scale, offset=None)
    for name, expected in [("TokenPatches", after), ("Pad", None)]:
        found = translated_end(
            described(
                "InputReprogrammer", placement=described(name), **settings
            )
        )["config"]
        expected = expected or (value_range, scale)
        assert (found["value_range"], found["scale"]) == expected


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_what_is_not_of_its_form_is_left_to_the_reader(odd):
    for name in [*version_0_1_0.CLASSES, *version_0_1_0.KEYS, "LabelMapper"]:
        keys = {"tokens", "start", "mapping", "padding_token", "from_logits"}
        keys |= {"placement", "value_range"}
        translated_end(described(name, **dict.fromkeys(keys, odd)))
        translated_end({**described(name), "config": odd})
        translated_end({**described(name), "class_name": odd})
        translated_end({**described(name), "registered_name": odd})
    translated(dict.fromkeys(("input_reprogrammer", "label_mapper"), odd))
    translated({})


def test_an_old_and_a_new_key_are_not_what_it_wrote():
    both = described("InputReprogrammer", program=None, pattern="everywhere")
    assert translated_end(copy.deepcopy(both)) == both
    with pytest.raises(ValueError, match="no such configuration"):
        program_classes.build(both)


def test_depth_is_no_trouble():
    value = []
    for _ in range(100_000):
        value = [value]
    translated({"input_reprogrammer": value})
    while value:
        value = value.pop()  # Python's own end of it would be recursive


@pytest.mark.parametrize("odd", ODD, ids=str)
@pytest.mark.parametrize(
    "place", [(), ("config",), ("config", "program"), ("class_name",)], ids=str
)
def test_an_odd_header_of_its_version_is_a_value_error(place, odd, tmp_path):
    contents = {}
    with zipfile.ZipFile(FOLDER / "program_grid.program") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(contents["program.json"])
    path = ("input_reprogrammer", *place)
    value = header
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = odd
    if place == ("config", "program") and odd is None:
        return  # a program without a pattern
    contents["program.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(tmp_path / "odd.program", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="Received: "):
        keras_reprogram.ReprogrammedModel.load_program(
            tmp_path / "odd.program", source_of(header), check_source=False
        )


def source_of(header):
    import keras

    inputs = keras.Input(header["source"]["input_shape"][1:])
    outputs = keras.layers.Dense(header["source"]["output_shape"][-1])(
        keras.layers.Flatten()(inputs)
    )
    return keras.Model(inputs, outputs)


def test_files_of_today_have_a_version_of_their_own():
    assert program_header.VERSION > version_0_1_0.FORMAT_VERSION
