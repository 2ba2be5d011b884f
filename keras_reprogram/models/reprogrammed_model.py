"""A frozen source between the two ends that learn."""

import contextlib
import functools
import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import estimators
from keras_reprogram.black_box import training as zeroth_order
from keras_reprogram.black_box.queried import check_exported
from keras_reprogram.callbacks.finite_loss import FiniteLoss
from keras_reprogram.callbacks.interruptions import interruptible
from keras_reprogram.callbacks.label_map_update import LabelMapUpdate
from keras_reprogram.callbacks.training_callbacks import NO_GRADIENT
from keras_reprogram.callbacks.training_callbacks import UnmovedProgram
from keras_reprogram.callbacks.training_callbacks import prepend_callbacks
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.kept_state import lock_of
from keras_reprogram.models import batches
from keras_reprogram.models import cached_outputs
from keras_reprogram.models import checks
from keras_reprogram.models import compiled_metrics
from keras_reprogram.models import processes
from keras_reprogram.models.adaptation import labeled_source_outputs
from keras_reprogram.models.compiled_loss import CompiledLoss
from keras_reprogram.models.invalid_data import InvalidData
from keras_reprogram.models.model_of_samples import ModelOfSamples
from keras_reprogram.models.static_shape import with_known_rank
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import targets
from keras_reprogram.saving import program_file
from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources import inspect_source

COMPILE_ARGUMENTS = (
    "optimizer",
    "loss",
    "loss_weights",
    "metrics",
    "weighted_metrics",
    "run_eagerly",
    "steps_per_execution",
    "jit_compile",
    "auto_scale_loss",
)
STEPS_OF_ADAPTATION_IN_FIT = 100
# Batches of an endless data set that are looked through for these, at most.
LONGEST_ADAPTATION_IN_FIT = 1000


@serializable
class ReprogrammedModel(ModelOfSamples):
    """Repurposes a frozen pretrained model for another task.

    ```
    sample -> InputReprogrammer -> frozen source -> LabelMapper -> prediction
    ```

    Only the program and, where it is linear, the label map are trained. It
    is a functional `keras.Model`: compile it, `fit` it, save it as any other.
    A `.keras` file of it is loaded where `keras_reprogram` is imported.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.ReprogrammedModel(
        source=source,
        input_reprogrammer=keras_reprogram.InputReprogrammer(
            target_shape=(4, 4, 1)
        ),
        label_mapper=keras_reprogram.LabelMapper(num_classes=2),
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images = np.random.randint(0, 256, size=(16, 4, 4, 1), dtype="uint8")
    labels = np.random.randint(0, 2, size=16)
    model.fit(images, labels, epochs=2, verbose=0)
    model.predict(images, verbose=0).shape  # (16, 2)
    ```

    Args:
        source: The pretrained model: a KerasHub classifier or any
            `keras.Model` with one input and an output `(batch, classes)`. It
            is frozen, also for other uses of the same object.
        input_reprogrammer: An `InputReprogrammer`. What it leaves out, its
            source shape and the source's scaling, is taken from the source.
        label_mapper: A `LabelMapper`. Defaults to a trained linear map with
            as many target classes as the source has classes.
        trainable_source_layers: Names of the source's layers that are
            fine-tuned together with the program, or the number of its last
            layers. None by default. They are no part of a program file: save
            the model whole.
        **kwargs: Keyword arguments of `keras.Model`.

    Raises:
        ValueError: If the source has no axis of classes, an end does not fit
            the source, or `trainable_source_layers` names what is not a layer
            of it.

    References:
        - [Model Reprogramming, a survey](https://arxiv.org/abs/2202.10629)
        - [Neural model reprogramming with similarity based mapping](https://arxiv.org/abs/2110.03894):
          together with fine-tuning, by `trainable_source_layers`.
    """

    def __init__(
        self,
        source: keras.Model,
        input_reprogrammer: InputReprogrammer | None = None,
        label_mapper: LabelMapper | None = None,
        trainable_source_layers: int | Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        specification = inspect_source(source)
        input_reprogrammer = input_reprogrammer or InputReprogrammer()
        # One output, where it is a probability, is two classes.
        label_mapper = label_mapper or LabelMapper(
            max(2, specification.num_classes)
        )
        input_reprogrammer.complete(specification)
        label_mapper.accept(specification)
        frozen_source = FrozenSource(
            source, trainable_source_layers, name="frozen_source"
        )
        input_reprogrammer.connect(frozen_source, specification.num_classes)

        # === Functional Model ===
        samples = keras.Input(
            input_reprogrammer.target_shape,
            name="samples",
            dtype=input_reprogrammer.sample_dtype,
        )
        source_outputs = frozen_source(input_reprogrammer(samples))
        source_outputs = input_reprogrammer.select_outputs(
            source_outputs, samples
        )
        outputs = label_mapper.head(source_outputs, samples)
        super().__init__(samples, outputs, **kwargs)

        # === Config ===
        self.frozen_source = frozen_source
        self.input_reprogrammer = input_reprogrammer
        self.label_mapper = label_mapper
        self.gradient_estimator: estimators.GradientEstimator | None = None
        self.query_state = zeroth_order.QueryState(self, None)
        self.invalid_data = InvalidData()

    @property
    def source(self) -> keras.Model:
        """The pretrained model."""
        return self.frozen_source.source

    @functools.cached_property
    def source_model(self) -> keras.Model:
        """From samples to the source's raw outputs, sharing all weights."""
        outputs = self.frozen_source(self.input_reprogrammer(self.input))
        model = ModelOfSamples(
            self.input,
            self.input_reprogrammer.select_outputs(outputs, self.input),
        )
        model.input_reprogrammer = self.input_reprogrammer
        model.run_eagerly = isinstance(self.source, QueriedSource)
        return model

    def compile(
        self,
        *args: Any,
        gradient_estimator: estimators.GradientEstimator | None = None,
        **kwargs: Any,
    ) -> None:
        """Sets how the model is trained, as `keras.Model.compile` does.

        Args:
            *args: As for `keras.Model.compile`.
            gradient_estimator: An estimator of `keras_reprogram.black_box`
                that finds the program's gradient from the source's outputs
                alone; `None` for the gradient itself. A label map has its
                exact gradient all the same.
            **kwargs: As for `keras.Model.compile`.

        Raises:
            ValueError: If a source that is only queried, or layers of it that
                are trained, do not go with the kind of gradient.
        """
        gradient_estimator = estimators.get(gradient_estimator)
        zeroth_order.check(self, gradient_estimator)
        kwargs.update(zip(COMPILE_ARGUMENTS, args))
        ignored = CompiledLoss.given(kwargs.get("loss")).ignored_label
        for name in ("metrics", "weighted_metrics"):
            if kwargs.get(name):
                kwargs[name] = compiled_metrics.reading_as(
                    kwargs[name], self.label_mapper, ignored
                )
                compiled_metrics.warn_of_logits(
                    kwargs[name], self.label_mapper.returns_logits
                )
        self.gradient_estimator = gradient_estimator
        self.query_state = zeroth_order.QueryState(self, gradient_estimator)
        if isinstance(self.source, QueriedSource) or (
            gradient_estimator is not None and gradient_estimator.runs_eagerly
        ):
            kwargs = {**kwargs, "run_eagerly": True, "jit_compile": False}
        super().compile(**kwargs)
        self.warn_of_logits()
        if gradient_estimator is not None:
            gradient_estimator.check(self, self.optimizer)

    def warn_of_logits(self) -> None:
        """Warns if the loss takes logits for probabilities, or the reverse."""
        expected = CompiledLoss.of(self).from_logits
        returned = self.label_mapper.returns_logits
        if None in (expected, returned) or expected == returned:
            return
        kinds = {True: "logits", False: "probabilities"}
        warnings.warn(
            f"The label map returns {kinds[returned]} and the loss expects "
            f"{kinds[expected]}: pass a loss with `from_logits={returned}`, as "
            "`model.label_mapper.returns_logits` says. Received: "
            f"loss={self.loss!r}",
            stacklevel=3,
        )

    def get_compile_config(self) -> dict[str, Any] | None:
        config = super().get_compile_config()
        if config and self.gradient_estimator is not None:
            config["gradient_estimator"] = keras.saving.serialize_keras_object(
                self.gradient_estimator
            )
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        if getattr(self, "optimizer", None) is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.Metric]:
        query_state = getattr(self, "query_state", None)
        return [*super().metrics, *(query_state.metrics if query_state else [])]

    @property
    def trainable_weights(self) -> list[keras.Variable]:
        # Asked for in every step: not by way of all the source's layers.
        if not self.trainable:
            return []
        found = {
            id(variable): variable
            for layer in self.layers
            for variable in layer.trainable_weights
        }
        return list(found.values())

    @property
    def losses(self) -> list[Any]:
        if self._losses_override:  # those of a call on JAX, for its loss
            return self._losses_override
        return [
            *self._get_own_losses(),
            *(loss for layer in self.layers for loss in layer.losses),
        ]

    @property
    def num_queries(self) -> int:
        """Inputs that the source was asked about, in training.

        Of a `QueriedSource`, all that it was asked about.
        """
        return self.query_state.num_queries()

    def train_step(self, *args: Any) -> Any:
        self.label_mapper.begin_step()
        try:
            if self.gradient_estimator is None:
                return super().train_step(*args)
            return zeroth_order.train_step(self, *args)
        except RuntimeError as error:
            # What PyTorch says of a loss without a gradient.
            if "does not require grad" not in str(error):
                raise
            raise ValueError(f"{NO_GRADIENT} Received: {error}") from error
        finally:
            self.label_mapper.end_step()

    def predict_source(
        self,
        x: Any,
        batch_size: int | None = None,
        steps: int | None = None,
        verbose: str | int = 0,
    ) -> np.ndarray:
        """Returns the source's raw outputs on reprogrammed samples.

        Args:
            x: Samples, as for `predict`.
            batch_size: As for `predict`.
            steps: As for `predict`.
            verbose: As for `predict`; silent by default.

        Returns:
            A NumPy array `[samples, source classes]`: logits, or
            probabilities where the source returns those.
        """
        x = self.checked_data(self.checked(x)[0])
        outputs = self.source_model.predict(
            x, batch_size=batch_size, steps=steps, verbose=verbose
        )
        checks.check_outputs(outputs, x, self.input_reprogrammer, steps)
        return outputs

    def adapt(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        steps: int | None = None,
        verbose: str | int = "auto",
        longest: int | None = None,
    ) -> None:
        """Finds the label map from one pass over data, before training.

        Counts every sample once, whatever its weight. A map that needs no
        data is left as it is. Warns if there is no sample of a class.

        Args:
            x: Samples, or a data set of batches `(x, y)`, as for `fit`.
            y: Labels, where `x` is an array: integers, or zeros and ones of
                shape `(samples, T)` where targets are binary.
            batch_size: Samples of a batch, where `x` is an array. Defaults
                to 32.
            steps: Number of batches to look at, taken at even distances from
                all that there are. Defaults to all of them.
            verbose: 0 for silence, 1 or `"auto"` for a progress bar.
            longest: Number of batches that `steps` are taken from, for a data
                set that does not end or whose length is not known. Defaults
                to 100 times `steps`.

        Raises:
            ValueError: If there are no labels, or they or the samples are
                not valid.
        """
        if not self.label_mapper.needs_data:
            return
        x, y = self.checked(x, y)
        self.label_mapper.adapt(
            labeled_source_outputs(
                self, x, y, batch_size, steps, verbose, longest=longest
            )
        )

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> keras.callbacks.History:
        """Trains the program, as `keras.Model.fit` does.

        A label map that needs data and has seen none is first found by
        `adapt`, from at most 100 batches, taken at even distances from all
        that there are. A map that is updated counts every sample of an epoch
        once, whatever its weight.

        In several processes of `torch.distributed` each one trains on what it
        is given, its share of the data, in as many batches as the others; all
        start from the first one's program and label map, and the program is
        that of one process with all the data.

        Raises:
            ValueError: If samples or labels are not valid, or the loss is
                not a number at the end of an epoch.
        """
        x, y = self.checked(x, y, sample_weight)
        if isinstance(validation_data, (tuple, list)):
            arrays = validation_data
            validation_data = (*self.checked(*arrays[:3]), *arrays[2:])
        x = self.checked_data(x)
        with (
            prepend_callbacks(self.added_callbacks(), callbacks) as callbacks,
            interruptible(callbacks) as callbacks,
        ):
            if not self.label_mapper.solved and epochs > initial_epoch:
                training_part = slice(None)
                if validation_split and validation_data is None:
                    training_part = slice(int(len(x) * (1 - validation_split)))
                x = self.adapt_for_fit(
                    x,
                    y,
                    training_part,
                    batch_size,
                    verbose,
                    steps_per_epoch
                    and steps_per_epoch * (epochs - initial_epoch),
                )
            self.invalid_data.reset()
            with processes.synchronize_processes(self):
                return super().fit(
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

    def added_callbacks(self) -> list[keras.callbacks.Callback]:
        """What `fit` does besides gradient steps, in order."""
        added: list[keras.callbacks.Callback] = []
        if self.label_mapper.updates_statistics:
            mapping = self.label_mapper.mapping
            added.append(
                LabelMapUpdate(mapping.update_every, mapping.update_unit)
            )
        added += self.input_reprogrammer.training_callbacks()
        variables = self.input_reprogrammer.trainable_variables
        if variables and self.gradient_estimator is None:
            added.append(UnmovedProgram(variables))
        return [*added, FiniteLoss()]

    def fit_label_map(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_data: Any = None,
        shuffle: bool = True,
        memory_limit: int = 2**30,
        sample_weight: Any = None,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the label map alone, with one pass through the source.

        Where nothing before the label map is trained, the source says the
        same in every epoch: its outputs are computed once, and the epochs
        cost next to nothing. The result is that of `fit`, but that a program
        that stands still has no dropout.

        Args:
            x: Samples, or a data set of batches `(x, y)`, as for `fit`.
            y: Labels, where `x` is an array.
            batch_size: Samples of a batch.
            epochs: As for `fit`, and so `verbose`, `callbacks` (whose `model`
                is the label map), and `kwargs`.
            verbose: As for `fit`.
            callbacks: As for `fit`.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or a data set
                of batches.
            shuffle: Whether batches are drawn anew for each epoch.
            memory_limit: Bytes of outputs, of training and of validation,
                that are kept in memory; the others are in a temporary file.
            sample_weight: Weights of the samples, where `x` is an array.
            steps_per_epoch: Number of batches of a data set that are taken
                for an epoch, the same ones in each. Defaults to all of them.
            **kwargs: As for `fit`.

        Returns:
            The history.

        Raises:
            ValueError: If more than the label map is trained, nothing is, or
                samples or labels are not valid.
        """
        cached_outputs.check(self)
        bar = 0 if verbose == 2 else verbose
        x, y = self.checked(x, y, sample_weight)
        data = cached_outputs.CachedOutputs(
            self,
            x,
            y,
            sample_weight,
            batch_size,
            shuffle,
            memory_limit,
            bar,
            None if batches.is_array(x) else steps_per_epoch,
        )
        if validation_data is not None:
            parts = validation_data
            parts = parts if isinstance(parts, (tuple, list)) else (parts,)
            weights = parts[2] if len(parts) > 2 else None
            validation_data = cached_outputs.CachedOutputs(
                self,
                *self.checked(*parts[:3]),
                weights,
                batch_size,
                False,
                memory_limit,
                bar,
                kwargs.get("validation_steps"),
            )
        if not self.label_mapper.solved:
            mapper, loss = self.label_mapper, CompiledLoss.of(self)
            mapper.adapt(
                (
                    outputs,
                    mapper.standardize_labels(
                        labels, loss.expects_integers, loss.ignored_label
                    ),
                )
                for outputs, labels in data.in_order()
            )
        with (
            prepend_callbacks([FiniteLoss()], callbacks) as callbacks,
            interruptible(callbacks) as callbacks,
        ):
            return cached_outputs.head_of(self, data).fit(
                data,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_data=validation_data,
                shuffle=False,  # The data set draws its batches itself.
                **kwargs,
            )

    def adapt_for_fit(
        self,
        x: Any,
        y: Any,
        part: slice,
        batch_size: int | None,
        verbose: str | int,
        steps: int | None,
    ) -> Any:
        """Finds the label map; returns the samples that `fit` takes.

        Args:
            x: Samples or a data set.
            y: Labels, where `x` is an array.
            part: The samples of an array that are trained on.
            batch_size: As for `fit`, and so `verbose`.
            verbose: As for `fit`.
            steps: Number of steps of all epochs, if it was passed.
        """
        most = STEPS_OF_ADAPTATION_IN_FIT
        # `verbose=2` is one line an epoch: no bar.
        verbose = 0 if verbose == 2 else verbose
        if batches.is_array(x):
            y = None if y is None else y[part]
            self.adapt(x[part], y, batch_size, most, verbose)
            return x
        if not batches.is_reiterable(x):
            first, x = batches.replayed(x, min(most, steps or most))
            self.adapt(first, verbose=verbose)
            return x
        longest = None
        if steps and batches.number_of_batches(x, 1) is None:
            longest = min(steps, LONGEST_ADAPTATION_IN_FIT)
        self.adapt(x, None, batch_size, most, verbose, longest)
        return x

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        x, y = self.checked(x, y, sample_weight)
        # Validation in `fit` says that it has these data already.
        counted = contextlib.nullcontext()  # until the end of the epoch
        if not kwargs.get("_use_cached_eval_dataset"):
            x = self.checked_data(x)
            counted = self.invalid_data.of_one_pass(self)
        args = (batch_size, verbose, sample_weight, *args)
        with counted, self.input_reprogrammer.inference():
            return super().evaluate(x, y, *args, **kwargs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        x = self.checked_data(self.checked(x)[0])
        with self.input_reprogrammer.inference():
            outputs = super().predict(x, batch_size, verbose, steps, callbacks)
        checks.check_outputs(outputs, x, self.input_reprogrammer, steps)
        return outputs

    def train_on_batch(self, x: Any, y: Any = None, *args, **kwargs) -> Any:
        return super().train_on_batch(*self.checked(x, y), *args, **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, *args, **kwargs) -> Any:
        return super().test_on_batch(*self.checked(x, y), *args, **kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        return super().predict_on_batch(self.checked(x)[0])

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        loss, y = CompiledLoss.of(self), batches.unwrap_single(y)
        if y is not None:
            y = with_known_rank(y, y_pred, loss.expects_integers)
            self.label_mapper.check_target_shape(
                tuple(y.shape), loss.expects_integers
            )
        if training and self.label_mapper.updates_statistics:
            if y is None:
                raise ValueError(
                    "This label map is solved from the labels of training: "
                    "pass `y`. Received: y=None"
                )
            self.label_mapper.update_statistics(y, loss.ignored_label)
        if y is not None and loss.expects_integers:
            # A backend's own lookup fails, or takes another class.
            valid = self.valid_labels(y)
            if valid is not None:
                y = ops.where(valid, y, ops.zeros_like(y))
        y, y_pred = self.loss_arguments(y, y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def valid_labels(self, y: Any) -> Any:
        """Which labels of a step's batch are valid, or `None` for all."""
        loss = CompiledLoss.of(self)
        return self.label_mapper.valid(
            y, loss.expects_integers, loss.ignored_label
        )

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        labels = batches.unwrap_single(y)
        self.invalid_data.add(
            self.input_reprogrammer.valid(self.one_input(x)),
            None if labels is None else self.valid_labels(labels),
        )
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @property
    def metrics_variables(self) -> list[keras.Variable]:
        invalid_data = getattr(self, "invalid_data", None)
        counts = [] if invalid_data is None else [invalid_data.counts]
        return [*super().metrics_variables, *counts]

    def loss_arguments(self, y: Any, y_pred: Any) -> tuple[Any, Any]:
        """Targets and predictions in the units of the loss."""
        if y is None or y_pred is None or CompiledLoss.of(self).has_a_unit:
            return y, y_pred
        return self.label_mapper.in_loss_units(y, y_pred)

    @property
    def expects_integers(self) -> bool:
        """Whether the loss takes a label as one integer."""
        return CompiledLoss.of(self).expects_integers

    def checked(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any]:
        """The samples and labels, out of their containers, if valid."""
        end = self.input_reprogrammer
        x, y = checks.array_of_samples(x, end), checks.array_of_labels(y)
        checks.check_samples(x, end)
        checks.check_lengths(x, y, sample_weight)
        if y is not None:
            self.check_labels(batches.to_numpy(y))
        return x, y

    def check_labels(self, y: np.ndarray) -> None:
        loss, mapper = CompiledLoss.of(self), self.label_mapper
        mapper.check_targets(y, loss.expects_integers, loss.ignored_label)
        if loss.expects_one_hot and mapper.returns_logits is not None:
            targets.check_one_hot(
                y.shape, mapper.num_classes, mapper.num_position_axes
            )

    def checked_data(self, data: Any) -> Any:
        """A data set whose first batch is valid; arrays as they are."""
        if batches.is_array(data):
            return data
        if batches.is_reiterable(data):
            first = next(batches.iterate(data, longest=1), None)
        else:
            held, data = batches.replayed(data, 1)
            first = next(batches.iterate(held), None)
        if first is not None:
            self.checked(*first)
        return data

    def set_weights(self, weights: list[np.ndarray]) -> None:
        super().set_weights(weights)
        self.label_mapper.was_solved = False

    def make_train_function(self, force: bool = False) -> Any:
        self.label_mapper.check_ready_to_train()
        self.frozen_source.freeze_again()
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False) -> Any:
        self.label_mapper.check_solved()
        return super().make_test_function(force)

    def make_predict_function(self, force: bool = False) -> Any:
        self.label_mapper.check_solved()
        return super().make_predict_function(force)

    @property
    def program_variables(self) -> list[keras.Variable]:
        """The variables that a program file holds."""
        return [
            *self.input_reprogrammer.weights,
            *self.label_mapper.learned_variables,
        ]

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """The program's variables and those of unfrozen layers."""
        return [
            *self.program_variables,
            *self.frozen_source.unfrozen_variables,
        ]

    def save_program(
        self, filepath: str | os.PathLike, probe_source: bool = False
    ) -> None:
        """Writes what was learned, without the source, to one file.

        The file holds the two ends' configuration, their variables and a
        fingerprint of the source; an augmentation, which is training's alone,
        is left out. A file of that name is replaced whole.

        Args:
            filepath: Path of the file, for instance `"digits.program"`.
            probe_source: Whether to record the source's outputs on four fixed
                inputs. Sources with layers of their own code are recorded so
                in any case; a `QueriedSource`, which is asked four times,
                only if this is `True`. Defaults to `False`.

        Raises:
            ValueError: If layers of the source were trained too.
        """
        trained = self.frozen_source.trainable_source_layers
        if trained:
            raise ValueError(
                "A program file does not hold the source, and this model "
                "trains layers of it: use `model.save`. Received: "
                f"trainable_source_layers={trained}"
            )
        self.label_mapper.check_solved()
        probe_source = boolean("probe_source", probe_source)
        with lock_of(self.source):
            program_file.save(self, filepath, probe_source)

    @classmethod
    def load_program(
        cls,
        filepath: str | os.PathLike,
        source: keras.Model,
        check_source: bool | str = True,
    ) -> "ReprogrammedModel":
        """Puts a program in front of a source again.

        Args:
            filepath: A file that `save_program` wrote, on any backend.
            source: The source on which the program was trained.
            check_source: Whether to raise if the source is another one: by
                its computation and its weights. `"outputs"` also asks a
                `QueriedSource` about four fixed inputs, and needs a file that
                was saved with `probe_source=True`. Defaults to `True`.

        Returns:
            A `ReprogrammedModel`, to be compiled if it is trained further.

        Raises:
            ValueError: If the file is not a valid program, or the source is
                not the one that it was trained on.
        """
        inspect_source(source)  # before what only a model has
        with lock_of(source):
            return program_file.load(cls, filepath, source, check_source)

    def export(self, *args: Any, **kwargs: Any) -> None:
        check_exported(self.frozen_source.source)
        super().export(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        frozen_source = self.frozen_source
        return {
            "source": keras.saving.serialize_keras_object(self.source),
            "input_reprogrammer": keras.saving.serialize_keras_object(
                self.input_reprogrammer
            ),
            "label_mapper": keras.saving.serialize_keras_object(
                self.label_mapper
            ),
            "trainable_source_layers": frozen_source.trainable_source_layers,
            "frozen_parts": frozen_source.frozen_parts,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict | None = None
    ) -> "ReprogrammedModel":
        parts = {
            key: keras.saving.deserialize_keras_object(
                config[key], custom_objects=custom_objects
            )
            for key in ("source", "input_reprogrammer", "label_mapper")
        }
        trainable_source_layers = config.get("trainable_source_layers", ())
        model = cls(
            **parts,
            trainable_source_layers=trainable_source_layers,
            name=config.get("name"),
        )
        model.frozen_source.frozen_parts = config.get("frozen_parts", ())
        return model
