"""Training, evaluation and prediction of a `ReprogrammedModel`."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.black_box import training as zeroth_order
from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.callbacks.finite_loss import FiniteLoss
from keras_reprogram.callbacks.interruptions import interruptible
from keras_reprogram.callbacks.label_map_update import LabelMapUpdate
from keras_reprogram.callbacks.training_callbacks import NO_GRADIENT
from keras_reprogram.callbacks.training_callbacks import UnmovedProgram
from keras_reprogram.callbacks.training_callbacks import prepend_callbacks
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.keras_internals import is_validation_in_fit
from keras_reprogram.models import adaptation
from keras_reprogram.models import automatic_compilation
from keras_reprogram.models import batches
from keras_reprogram.models import checks
from keras_reprogram.models import class_weights
from keras_reprogram.models import processes
from keras_reprogram.models.compiled_loss import CompiledLoss
from keras_reprogram.models.invalid_data import InvalidData
from keras_reprogram.models.label_predictions import named_by_data
from keras_reprogram.models.model_of_samples import ModelOfSamples
from keras_reprogram.models.static_shape import with_known_rank
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.outputs.label_weights import ClassWeight
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.sources import FrozenSource
from keras_reprogram.training_step import StepOutputs
from keras_reprogram.training_step import samples_of
from keras_reprogram.training_step import with_step_samples
from keras_reprogram.typing import Callbacks
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor


class ReprogrammingTrainer(ModelOfSamples):
    """Base class: checks data, finds the label map and runs Keras's training.

    Arrays are checked once in a `fit`, an `evaluate` or a `predict`. Of a data
    set the first batch is checked; the rest is counted in the steps, on the
    device, and a count that is not zero raises at the end of an epoch. Steps
    copy nothing to the host.

    Attributes:
        input_reprogrammer: The `InputTransformation`.
        frozen_source: The `FrozenSource`.
        label_mapper: The `OutputMapping`.
        gradient_estimator: A `GradientEstimator`, or `None` for gradients.
        query_state: What training by queries keeps besides variables.
        invalid_data: Counts of samples and labels that are not valid.
    """

    input_reprogrammer: InputTransformation
    frozen_source: FrozenSource
    label_mapper: OutputMapping
    gradient_estimator: GradientEstimator | None
    query_state: zeroth_order.QueryState
    invalid_data: InvalidData

    @property
    def source_model(self) -> keras.Model:
        """The model from samples to the source's outputs."""
        raise NotImplementedError

    # === fit, evaluate, predict ===

    def adapt(
        self,
        x: Data,
        y: Data = None,
        batch_size: int | None = None,
        steps: int | None = None,
        verbose: str | int = "auto",
        longest: int | None = None,
        class_weight: ClassWeight = None,
        sample_weight: Data = None,
    ) -> None:
        """Finds the label map from one pass over data, before training.

        A sample counts by its weight: a regression weights its loss by it, and
        statistics count it as so many samples. A map that needs no data is left
        as it is. Warns if there is no sample of a class.

        If a setting is chosen by cross-validation, the scores of all candidates
        are shown, and kept in `label_mapper.cross_validation`.

        Args:
            x: Samples, or a data set of batches `(x, y)` or `(x, y,
                sample_weight)`, as for `fit`.
            y: Labels, where `x` is an array: integers, or zeros and ones of
                shape `(samples, T)` where targets are binary. Defaults to
                `None`.
            batch_size: Integer. Samples of a batch, where `x` is an array.
                Defaults to 32.
            steps: Integer. Number of batches to look at, taken at even
                distances. Defaults to all of them.
            verbose: 0 for silence, 1 or `"auto"` for a progress bar and
                scores, 2 for a line and scores. Defaults to `"auto"`.
            longest: Integer. Number of batches that `steps` are taken from,
                for a data set that does not end or whose length is not known.
                Defaults to 100 times `steps`.
            class_weight: Dictionary from classes, integers, to the factors of
                their samples' weights, 1 for classes that it leaves out; or
                `"balanced"`, which gives every class the same sum of weights,
                and zeros and ones of every binary target. A data set is read
                once more for it. Defaults to `None`.
            sample_weight: Weights of at least 0 of the samples, where `x` is an
                array. Defaults to `None`, for weights of 1.

        Raises:
            ValueError: If there are no labels; they, the samples or the weights
                are not valid; or the classes of a data set cannot be counted.
        """
        named_by_data(self.label_mapper, x)
        if not self.label_mapper.needs_data:
            return
        x, y = self.checked(x, y, sample_weight)
        weights = None
        if class_weight is not None:
            weights = class_weights.resolved(
                self, class_weight, x, y, sample_weight, steps
            )
        adaptation.adapt(
            self,
            x,
            y,
            batch_size,
            steps,
            verbose,
            longest,
            batches.unwrap_single(sample_weight),
            weights,
        )

    def fit(
        self,
        x: Data = None,
        y: Data = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Callbacks = None,
        validation_split: float = 0.0,
        validation_data: Data = None,
        shuffle: bool = True,
        class_weight: ClassWeight = None,
        sample_weight: Data = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> keras.callbacks.History:
        """Trains the program, as `keras.Model.fit` does.

        A label map that needs data and has seen none is first found by
        `adapt`, from at most 100 batches, taken at even distances. The map that
        is found, the loss, and statistics of a map that is updated in training
        all weight samples by `sample_weight` and `class_weight`. A map that was
        found before keeps the weights that it was found with.

        `class_weight` is a dictionary, as in Keras, or `"balanced"`, which
        gives every class of the training samples the same sum of weights. With
        arrays, it may be combined with `sample_weight`. Of data sets, a
        `PyDataset` and a `tf.data.Dataset` take it, and are read once more to
        be counted; one that does not end needs a dictionary.

        In several processes of `torch.distributed` each process trains on its
        share of the data, in as many batches as the others. All start from
        the first process's program, and the result is that of one process
        with all the data.

        Raises:
            ValueError: If samples or labels are not valid, or the loss is
                not a number at the end of an epoch.
        """
        named_by_data(self.label_mapper, x, validation_data)
        x = automatic_compilation.before_fit(
            self,
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_split=validation_split if validation_data is None else 0,
            verbose=verbose,
            callbacks=callbacks,
        )
        x, y = self.checked(x, y, sample_weight)
        if isinstance(validation_data, (tuple, list)):
            arrays = validation_data
            validation_data = (*self.checked(*arrays[:3]), *arrays[2:])
        x = self.with_checked_start(x)
        split = 0.0 if validation_data is not None else validation_split
        sample_weight, class_weight, weights = class_weights.for_fit(
            self, class_weight, x, y, sample_weight, split, steps_per_epoch
        )
        with (
            prepend_callbacks(self._added_callbacks(), callbacks) as callbacks,
            interruptible(callbacks) as callbacks,
        ):
            if not self.label_mapper.solved and epochs > initial_epoch:
                epochs_left = epochs - initial_epoch
                x = adaptation.adapt_for_fit(
                    self,
                    x,
                    y,
                    split,
                    batch_size,
                    verbose,
                    steps_per_epoch and steps_per_epoch * epochs_left,
                    sample_weight,
                    weights,
                )
            self.invalid_data.reset()
            with processes.synchronize_processes(self):
                history: keras.callbacks.History = super().fit(
                    x,
                    y,
                    batch_size=batch_size,
                    epochs=epochs,
                    verbose=verbose,
                    callbacks=callbacks,
                    validation_split=validation_split,
                    validation_data=validation_data,
                    shuffle=shuffle,
                    class_weight=class_weight,
                    sample_weight=sample_weight,
                    initial_epoch=initial_epoch,
                    steps_per_epoch=steps_per_epoch,
                    validation_steps=validation_steps,
                    validation_batch_size=validation_batch_size,
                    validation_freq=validation_freq,
                )
                return history

    def _added_callbacks(self) -> list[keras.callbacks.Callback]:
        """The callbacks that `fit` runs before those of the user."""
        added: list[keras.callbacks.Callback] = []
        if isinstance(self.label_mapper, LabelMapper) and (
            self.label_mapper.updates_statistics
        ):
            mapping = self.label_mapper.mapping
            added.append(
                LabelMapUpdate(mapping.update_every or 1, mapping.update_unit)
            )
        added += self.input_reprogrammer.training_callbacks()
        variables = self.input_reprogrammer.trainable_variables
        if variables and self.gradient_estimator is None:
            added.append(UnmovedProgram(variables))
        return [*added, FiniteLoss()]

    def evaluate(
        self,
        x: Data = None,
        y: Data = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Data = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        settings = (batch_size, verbose, sample_weight, *args)
        # `fit` has checked its validation data, and reads the counts at the
        # end of the epoch.
        counted: Any = contextlib.nullcontext()
        if not is_validation_in_fit(kwargs):
            # A test set does not name the classes, but may contradict them.
            if self.label_mapper.class_names:
                named_by_data(self.label_mapper, x)
            x = automatic_compilation.before_batch(
                self, x, y, trains=False, verbose=verbose
            )
            x, y = self.checked(x, y, sample_weight)
            x = self.with_checked_start(x)
            counted = self.invalid_data.of_one_pass(self)
        with counted, self.input_reprogrammer.inference():
            return super().evaluate(x, y, *settings, **kwargs)

    def predict(
        self,
        x: Data,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Callbacks = None,
    ) -> Tensor:
        x = self.with_checked_start(self.checked(x)[0])
        with self.input_reprogrammer.inference():
            outputs = super().predict(x, batch_size, verbose, steps, callbacks)
        checks.check_outputs(outputs, x, self.input_reprogrammer, steps)
        return outputs

    def train_on_batch(
        self,
        x: Data,
        y: Data = None,
        sample_weight: Data = None,
        class_weight: ClassWeight = None,
        return_dict: bool = False,
    ) -> Tensor:
        automatic_compilation.before_batch(self, x, y, trains=True)
        x, y = self._checked_batch(x, y)
        sample_weight, *_ = class_weights.for_fit(
            self, class_weight, x, y, sample_weight
        )
        with self._undone_if_invalid():
            return super().train_on_batch(
                x, y, sample_weight, return_dict=return_dict
            )

    @contextlib.contextmanager
    def _undone_if_invalid(self) -> Iterator[None]:
        """Takes a step back, on the device, that had invalid data."""
        optimizer = getattr(self, "optimizer", None)
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.trainable_variables)
        variables = [
            *self.input_reprogrammer.variables,
            *self.label_mapper.variables,
            *self.frozen_source.unfrozen_variables,
            *getattr(optimizer, "variables", ()),
        ]
        values = [ops.copy(variable.value) for variable in variables]
        yield
        try:
            self.invalid_data.check(self)
        except ValueError:
            for variable, value in zip(variables, values):
                variable.assign(value)
            raise

    def test_on_batch(
        self, x: Data, y: Data = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        automatic_compilation.before_batch(self, x, y, trains=False)
        x, y = self._checked_batch(x, y)
        logs = super().test_on_batch(x, y, *args, **kwargs)
        self.invalid_data.check(self)
        return logs

    def predict_on_batch(self, x: Data) -> Tensor:
        return super().predict_on_batch(self._checked_batch(x)[0])

    # === Steps ===

    def train_step(self, *arguments: Any) -> Tensor:
        try:
            if self.gradient_estimator is not None:
                return zeroth_order.train_step(self, *arguments)
            if self.label_mapper.updates_statistics:
                # JAX passes its state first.
                *state, data = arguments
                arguments = (*state, with_step_samples(data))
            return super().train_step(*arguments)
        except RuntimeError as error:
            # PyTorch's message for a loss without a gradient.
            if "does not require grad" not in str(error):
                raise
            raise ValueError(f"{NO_GRADIENT} Received: {error}") from error

    def compute_loss(
        self,
        x: Data = None,
        y: Data = None,
        y_pred: Tensor = None,
        sample_weight: Data = None,
        training: bool = True,
    ) -> Tensor:
        loss, y = CompiledLoss.of(self), batches.unwrap_single(y)
        source_outputs = None
        if isinstance(y_pred, StepOutputs):
            x, (y_pred, source_outputs) = samples_of(x), y_pred
        if y is not None:
            y = with_known_rank(y, y_pred, loss.lacks_last_axis)
            self.label_mapper.targets.check_shape(tuple(y.shape), loss.labels)
        if source_outputs is not None:
            if y is None:
                raise ValueError(
                    "This label map is solved from the labels of training: "
                    "pass `y`. Received: y=None"
                )
            self.label_mapper.update_statistics(
                source_outputs,
                y,
                loss.labels,
                batches.unwrap_single(sample_weight),
            )
        y = self._with_valid_labels(y)
        if y_pred is not None:
            weights = batches.unwrap_single(sample_weight)
            sample_weight = class_weights.of_positions(weights, y_pred)
        y, y_pred = self.loss_arguments(y, y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def sample_losses(
        self, y: Data, y_pred: Tensor, sample_weight: Data = None
    ) -> Tensor:
        """Returns the weighted loss of each sample, `(batch,)`.

        Args:
            y: Labels of a batch.
            y_pred: Tensor. Its predictions.
            sample_weight: Weights of the samples. Defaults to `None`.
        """
        loss = CompiledLoss.of(self)
        y = with_known_rank(
            batches.unwrap_single(y), y_pred, loss.lacks_last_axis
        )
        self.label_mapper.targets.check_shape(tuple(y.shape), loss.labels)
        y, y_pred = self.loss_arguments(self._with_valid_labels(y), y_pred)
        rows = (ops.shape(y_pred)[0], -1)
        values = ops.reshape(loss.values(y, y_pred), rows)
        weights = batches.unwrap_single(sample_weight)
        if weights is not None:
            values = values * ops.cast(ops.reshape(weights, rows), values.dtype)
        return ops.mean(values, axis=1)

    def _with_valid_labels(self, y: Data) -> Data:
        """Returns integer labels with 0 for those that are not valid."""
        if y is None or not CompiledLoss.of(self).expects_integers:
            return y
        # A backend's own lookup fails, or takes another class.
        valid = self.valid_labels(y)
        return y if valid is None else ops.where(valid, y, ops.zeros_like(y))

    def loss_arguments(self, y: Data, y_pred: Tensor) -> tuple[Any, Any]:
        """Returns targets and predictions in the units of the loss."""
        if y is None or y_pred is None or CompiledLoss.of(self).has_a_unit:
            return y, y_pred
        return self.label_mapper.loss_units(y, y_pred)

    def compute_metrics(
        self, x: Data, y: Data, y_pred: Tensor, sample_weight: Data = None
    ) -> dict[str, Any]:
        if isinstance(y_pred, StepOutputs):
            x, y_pred = samples_of(x), y_pred.predictions
        labels = batches.unwrap_single(y)
        self.invalid_data.add(
            self.input_reprogrammer.valid(self.one_input(x)),
            None if labels is None else self.valid_labels(labels),
        )
        logs: dict[str, Any] = super().compute_metrics(
            x, y, y_pred, sample_weight
        )
        return logs

    def valid_labels(self, y: Tensor) -> Tensor | None:
        """Which labels of a step's batch are valid, or `None` for all."""
        form = CompiledLoss.of(self).labels
        return self.label_mapper.targets.valid(y, form)

    def expected_data(self) -> tuple[str, str]:
        """What valid samples and labels are, for error messages."""
        return (
            self.input_reprogrammer.valid_values,
            self.label_mapper.targets.description,
        )

    @property
    def metrics_variables(self) -> list[keras.Variable]:
        invalid_data = getattr(self, "invalid_data", None)
        counts = [] if invalid_data is None else [invalid_data.counts]
        return [*super().metrics_variables, *counts]

    def make_train_function(self, force: bool = False) -> Callable[..., Any]:
        self.label_mapper.check_ready_to_train()
        if self.gradient_estimator is not None:
            # What is trainable may have changed since `compile`.
            zeroth_order.check(self, self.gradient_estimator)
        _ = self.source_model  # made before a step is traced
        self.frozen_source.freeze_again()
        function: Callable[..., Any] = super().make_train_function(force)
        return function

    def make_test_function(self, force: bool = False) -> Callable[..., Any]:
        self.label_mapper.check_solved()
        function: Callable[..., Any] = super().make_test_function(force)
        return function

    def make_predict_function(self, force: bool = False) -> Callable[..., Any]:
        self.label_mapper.check_solved()
        function: Callable[..., Any] = super().make_predict_function(force)
        return function

    def set_weights(self, weights: list[np.ndarray]) -> None:
        super().set_weights(weights)
        self.label_mapper.mark_loaded()

    # === Checks ===

    def checked(
        self, x: Data, y: Data = None, sample_weight: Data = None
    ) -> tuple[Any, Any]:
        """Returns samples and labels out of their containers, if valid.

        The values of arrays are looked at; a data set is returned as it is.
        """
        end = self.input_reprogrammer
        x, y = checks.array_of_samples(x, end), checks.array_of_labels(y)
        checks.check_samples(x, end)
        checks.check_lengths(x, y, sample_weight)
        if y is not None:
            self.check_labels(batches.to_numpy(y))
        return x, y

    def _checked_batch(self, x: Data, y: Data = None) -> tuple[Any, Any]:
        """As `checked`, from shapes and dtypes alone."""
        end = self.input_reprogrammer
        x, y = checks.array_of_samples(x, end), checks.array_of_labels(y)
        checks.check_form_of_samples(x, end)
        checks.check_lengths(x, y)
        return x, y

    def check_labels(self, y: np.ndarray) -> None:
        """Raises unless labels suit the label map and the loss."""
        loss, targets = CompiledLoss.of(self), self.label_mapper.targets
        targets.check(y, loss.labels)
        if loss.expects_one_hot and isinstance(targets, ClassTargets):
            targets.check_one_hot(y.shape)

    def with_checked_start(self, data: Data) -> Data:
        """Returns a data set whose first batch is valid; arrays as they are."""
        if batches.is_array(data):
            return data
        first, data = batches.with_first_batch(data)
        if first is not None:
            self.checked(*first)
        return data
