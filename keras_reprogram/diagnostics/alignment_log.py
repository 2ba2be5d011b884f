"""The callback that logs alignment."""

from typing import Any

import keras
import numpy as np

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import positive_integer
from keras_reprogram.diagnostics.alignment import check_one_of
from keras_reprogram.diagnostics.alignment import outputs_on_source_samples
from keras_reprogram.diagnostics.alignment import outputs_on_target_samples
from keras_reprogram.diagnostics.distances import sliced_wasserstein
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor


class AlignmentLog(keras.callbacks.Callback):
    """Adds the alignment with the source's own samples to the logs.

    `"alignment"` is a value of every epoch in the history of `fit`, in its
    progress bar, and for callbacks that come later in the list. See
    `alignment` for what it is. The source computes its own samples once, when
    training starts, and the target samples then and after every epoch: at most
    `max_samples` of each. For a `QueriedSource` these are queries.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(inputs, outputs),  # stands for a pretrained model
        label_mapper=keras_reprogram.LabelMapper(num_classes=2),
    )
    x, y = 255 * np.random.rand(16, 8, 8, 3), np.arange(16) % 2
    log = keras_reprogram.diagnostics.AlignmentLog(
        x, source_samples=np.random.rand(20, 8, 8, 3)
    )
    history = model.fit(x, y, epochs=2, callbacks=[log], verbose=0)
    log.start, history.history["alignment"]  # before training, by epoch
    ```

    Args:
        x: Target samples, as for `predict`. The same in every epoch, best of
            validation.
        source_samples: As of `alignment`. Defaults to `None`.
        source_outputs: As of `alignment`. Pass either this or
            `source_samples`. Defaults to `None`.
        max_samples: Integer. Maximum number of samples of each set. Defaults
            to `256`.
        num_projections: Integer. Number of directions of the distance.
            Defaults to `128`.
        seed: Integer. Seed of the samples and directions that are drawn.
            Defaults to `0`.

    Attributes:
        start: Float. The alignment before training.

    Raises:
        ValueError: If a setting is not valid; or, when training starts, if the
            model is not a `ReprogrammedModel`, or samples or outputs are not
            valid.
    """

    def __init__(
        self,
        x: Data,
        source_samples: Data = None,
        source_outputs: Tensor = None,
        max_samples: int = 256,
        num_projections: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_one_of(source_samples, source_outputs)
        self.x = x
        self.source_samples = source_samples
        self.source_outputs = source_outputs
        self.max_samples = positive_integer("max_samples", max_samples)
        self.num_projections = positive_integer(
            "num_projections", num_projections
        )
        self.seed = check_seed(seed)
        self.start: float | None = None
        self.reference: np.ndarray | None = None
        # Set if `ResumeTraining` will restore the state of an earlier epoch.
        self.will_be_resumed = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.reference = outputs_on_source_samples(
            self.model,
            self.source_samples,
            self.source_outputs,
            self.max_samples,
            self.seed,
        )
        resumed, self.will_be_resumed = self.will_be_resumed, False
        if not resumed:
            self.start = self.distance()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if logs is not None:
            logs["alignment"] = self.distance()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.reference = None

    def distance(self) -> float:
        outputs = outputs_on_target_samples(
            self.model, self.x, self.max_samples, self.seed
        )
        return sliced_wasserstein(
            outputs, self.reference, self.num_projections, self.seed
        )

    def get_state(self) -> dict[str, Any]:
        """Returns the state that `ResumeTraining` saves."""
        return {"start": self.start}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned."""
        self.start = float(state["start"])
