"""Searches placement, program, label map and learning rate, as AutoVP does.

Every trial trains a `ReprogrammedModel` on a part of the labeled digits and is
judged on another part; the best one is scored once on digits that no trial has
seen. The trials are kept in a journal: run the command again to go on where it
was stopped.

    python examples/search.py --trials 20
"""

import common
import keras
import numpy as np
import optuna
from quickstart import load_data

import keras_reprogram
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.inputs import UniversalPattern

PATTERNS = {
    "universal": lambda region: UniversalPattern(region),
    "sigmoid": lambda region: UniversalPattern(region, activation="sigmoid"),
    "grid": lambda region: UniversalPattern(region, basis=Grid(8)),
    "masked": lambda region: SampleMaskedPattern(),
}


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "search")
    parser.add_argument("--data", help="as for quickstart.py")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--train-images", type=int, default=400)
    parser.add_argument("--test-images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    if options.quick:
        options.trials, options.epochs = 2, 1
        options.train_images = options.test_images = 80
    (samples, labels), test = load_data(options)
    held_out = np.arange(len(labels)) % 4 == 3
    parts = (
        (samples[~held_out], labels[~held_out]),
        (samples[held_out], labels[held_out]),
    )
    classifier = common.load_classifier(options.preset)

    def objective(trial: optuna.Trial) -> float:
        return train(trial, classifier, *parts, options)[1]

    options.output.mkdir(parents=True, exist_ok=True)
    journal = optuna.storages.journal.JournalFileBackend(
        str(options.output / "trials.journal")
    )
    state = optuna.trial.TrialState
    study = optuna.create_study(
        study_name="digits",
        storage=optuna.storages.JournalStorage(journal),
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        load_if_exists=True,
    )
    # The same seed again would propose the same trials again.
    study.sampler = optuna.samplers.TPESampler(
        seed=options.seed + len(study.trials)
    )
    for trial in study.get_trials(states=(state.RUNNING,)):  # it was killed
        study.tell(trial.number, state=state.FAIL)
        study.enqueue_trial(trial.params)
    finished = len(study.get_trials(states=(state.COMPLETE, state.PRUNED)))
    # A learning rate may prove too high: that trial failed, not the search.
    study.optimize(
        objective,
        n_trials=max(options.trials - finished, 0),
        catch=(ValueError,),
    )

    # === Report ===
    table = study.trials_dataframe(attrs=("number", "value", "params", "state"))
    table.to_csv(options.output / "trials.csv", index=False)
    print(table.sort_values("value", ascending=False).head(10).to_string())
    print(f"\nBest on validation: {study.best_value:.3f} {study.best_params}")
    model, _ = train(study.best_trial, classifier, *parts, options)
    predictions = model.predict(test[0], verbose=0).argmax(axis=1)
    print(f"Test accuracy: {common.accuracy(test[1], predictions):.3f}")
    model.save_program(options.output / "best.program")


def train(trial, classifier, training, validation, options):
    """Trains what a trial proposes; its value is the last epoch's."""
    keras.utils.set_random_seed(options.seed)
    placement, region = "resize", "everywhere"
    if trial.suggest_categorical("placement", ["resize", "pad"]) == "pad":
        scale = trial.suggest_float("inner_size", 0.4, 0.9)
        placement = Pad(round(scale * options.canvas))
        region = trial.suggest_categorical("region", ["outside", "everywhere"])
    pattern = trial.suggest_categorical("pattern", list(PATTERNS))
    mapping = trial.suggest_categorical(
        "mapping", ["linear", "bayesian_plus", "iterative", "frequency"]
    )
    rate = trial.suggest_float("learning_rate", 5e-4, 2e-2, log=True)
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        InputReprogrammer(
            training[0].shape[1:],
            (options.canvas, options.canvas, 3),
            placement,
            PATTERNS[pattern](region),
        ),
        keras_reprogram.LabelMapper(int(training[1].max()) + 1, mapping),
    )
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(
        *training,
        validation_data=validation,
        epochs=options.epochs,
        verbose=0,
        callbacks=[Pruning(trial)],
    ).history
    return model, history["val_accuracy"][-1]


class Pruning(keras.callbacks.Callback):
    """Ends a trial that is worse than the others were at this epoch."""

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.trial.report(logs["val_accuracy"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


if __name__ == "__main__":
    main()
