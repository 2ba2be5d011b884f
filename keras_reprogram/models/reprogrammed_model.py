"""The model: a frozen source between two trained transformations."""

import functools
import os
import warnings
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_reprogram.black_box import estimators
from keras_reprogram.black_box import training as zeroth_order
from keras_reprogram.black_box.queried_source import check_exported
from keras_reprogram.black_box.queried_source import queried_sources
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import serializable
from keras_reprogram.exporting import export_model
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.joined_transformation import joined_transformation
from keras_reprogram.kept_state import lock_of
from keras_reprogram.models import automatic_compilation
from keras_reprogram.models import checks
from keras_reprogram.models import compiled_metrics
from keras_reprogram.models import label_map_training
from keras_reprogram.models.automatic_compilation import AutomaticCompilation
from keras_reprogram.models.automatic_compilation import is_automatic
from keras_reprogram.models.compiled_loss import CompiledLoss
from keras_reprogram.models.invalid_data import InvalidData
from keras_reprogram.models.label_predictions import LabelPrediction
from keras_reprogram.models.label_predictions import named_predictions
from keras_reprogram.models.model_of_samples import ModelOfSamples
from keras_reprogram.models.summary import program_summary
from keras_reprogram.models.trainer import ReprogrammingTrainer
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs.label_weights import ClassWeight
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.progress import show
from keras_reprogram.saving import program_file
from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources.joined_source import joined_source
from keras_reprogram.sources.joined_source import parts_of
from keras_reprogram.training_step import StepOutputs
from keras_reprogram.training_step import StepSamples
from keras_reprogram.typing import Callbacks
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor

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

# Of `keras.Model`.
MODEL_ARGUMENTS = {"name", "trainable"}


def compile_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of `compile` by name, as Python itself would take them.

    `"auto"` puts off Keras's own `compile`, which would say what is wrong.

    Raises:
        ValueError: If there are too many, one is unknown, or given twice.
    """
    positional = dict(zip(COMPILE_ARGUMENTS, args))
    twice = sorted(set(positional) & set(kwargs))
    unknown = sorted(set(kwargs) - set(COMPILE_ARGUMENTS))
    if len(args) > len(COMPILE_ARGUMENTS) or twice or unknown:
        raise ValueError(
            f"`compile` takes each of {list(COMPILE_ARGUMENTS)} and "
            f"`gradient_estimator` once. Received: {len(args)} positional "
            f"arguments, unknown={unknown}, given twice={twice}"
        )
    return {**kwargs, **positional}


@serializable
class ReprogrammedModel(ReprogrammingTrainer):
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
    images = np.random.randint(0, 256, size=(16, 4, 4, 1), dtype="uint8")
    labels = np.random.randint(0, 2, size=16)
    model.fit(images, labels, epochs=2, verbose=0)
    model.predict(images, verbose=0).shape  # (16, 2)
    ```

    Args:
        source: The pretrained model: a KerasHub classifier or any
            `keras.Model` with one input and an output `(batch, classes)`. It
            is frozen, also for other uses of the same object. A list of
            several stands for a `JoinedSource`.
        input_reprogrammer: An `InputReprogrammer`. What it leaves out, its
            source shape and the source's scaling, is taken from the source. A
            list of one for each of several sources stands for a
            `JoinedTransformation`. Defaults to an `InputReprogrammer()` for
            each source.
        label_mapper: A `LabelMapper`. Defaults to a trained linear map with
            as many target classes as the source has classes.
        trainable_source_layers: Names of the source's layers that are
            fine-tuned together with the program, or the number of its last
            layers. None by default. They are no part of a program file: save
            the model whole.
        compile: Boolean. Whether the model is compiled with `"auto"` for
            everything, see `compile`. Defaults to `True`.
        **kwargs: `name` and `trainable`, as of `keras.Model`.

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
        source: keras.Model | Sequence[keras.Model],
        input_reprogrammer: InputTransformation
        | Sequence[InputTransformation]
        | None = None,
        label_mapper: OutputMapping | None = None,
        trainable_source_layers: int | Sequence[str] = (),
        compile: bool = True,
        **kwargs: Any,
    ) -> None:
        unknown = sorted(kwargs.keys() - MODEL_ARGUMENTS)
        if unknown:
            # Keras would ignore them.
            raise ValueError(
                "A `ReprogrammedModel` takes the arguments of its docstring, "
                f"and {sorted(MODEL_ARGUMENTS)} of `keras.Model`. Received: "
                f"unknown arguments {unknown}"
            )
        source = joined_source(source)
        specification = inspect_source(source)
        if input_reprogrammer is None:
            input_reprogrammer = [InputReprogrammer() for _ in parts_of(source)]
        input_reprogrammer = joined_transformation(input_reprogrammer)
        input_reprogrammer.check_number_of_sources(specification)
        # One output, where it is a probability, is two classes.
        label_mapper = label_mapper or LabelMapper(
            max(2, specification.num_classes)
        )
        frozen_source = FrozenSource(
            source, trainable_source_layers, name="frozen_source"
        )
        input_reprogrammer.resolve(specification, frozen_source)
        label_mapper.resolve(input_reprogrammer.describe_outputs(specification))

        # === Functional Model ===
        samples = keras.Input(
            input_reprogrammer.sample_shape,
            name="samples",
            dtype=input_reprogrammer.sample_dtype,
        )
        outputs = frozen_source(input_reprogrammer(samples))
        outputs = input_reprogrammer.select_outputs(outputs, samples)
        label_mapper.check_outputs_shape(tuple(outputs.shape[1:]))
        super().__init__(samples, label_mapper(outputs, samples), **kwargs)

        label_mapper.check_class_names()

        # === Config ===
        self.frozen_source = frozen_source
        self.input_reprogrammer = input_reprogrammer
        self.label_mapper = label_mapper
        self.gradient_estimator: estimators.GradientEstimator | None = None
        self.query_state = zeroth_order.QueryState(self, None)
        self.invalid_data = InvalidData()
        self.automatic_compilation = AutomaticCompilation()
        self.run_eagerly = bool(queried_sources(source))
        if boolean("compile", compile):
            self.compile()

    @property
    def source(self) -> keras.Model:
        """The pretrained model."""
        return self.frozen_source.source

    @functools.cached_property
    def source_model(self) -> keras.Model:
        """The model from samples to the source's outputs, sharing weights."""
        outputs = self.frozen_source(self.input_reprogrammer(self.input))
        model = ModelOfSamples(
            self.input,
            self.input_reprogrammer.select_outputs(outputs, self.input),
        )
        model.input_reprogrammer = self.input_reprogrammer
        model.run_eagerly = bool(queried_sources(self.source))
        return model

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor = None
    ) -> Tensor:
        if not isinstance(inputs, StepSamples):
            return super().call(inputs, training, mask)
        samples = self.one_input(inputs.samples)
        outputs = self.source_model(samples, training=training)
        # `fit` updates a label map that is solved again itself.
        training = training and not self.label_mapper.updates_statistics
        predictions = self.label_mapper(outputs, samples, training=training)
        return StepOutputs(predictions, outputs)

    def compile(
        self,
        *args: Any,
        gradient_estimator: estimators.GradientEstimator | str | None = "auto",
        **kwargs: Any,
    ) -> None:
        """Sets how the model is trained, as `keras.Model.compile` does.

        `optimizer`, `loss` and `metrics` default to `"auto"`:

        | argument | what `"auto"` stands for |
        |---|---|
        | `optimizer` | Adam, with a learning rate that falls to zero along a cosine over the epochs of a `fit`, from one that was measured for the label map |
        | `loss` | the cross-entropy of the label map's outputs and of the labels' form; of numbers, the mean squared error |
        | `metrics` | the accuracy; of numbers, the mean absolute error |

        An optimizer or a loss is found from the first data of `fit`,
        `evaluate` or a single batch, which show the call of `compile` that
        they stand for, unless `verbose` is 0.
        `model.automatic_compilation.summary` keeps it.

        Args:
            *args: As for `keras.Model.compile`.
            gradient_estimator: An estimator of `keras_reprogram.black_box`
                that finds the program's gradient from the source's outputs
                alone; `None` for the gradient itself. A label map has its
                exact gradient all the same. Defaults to `"auto"`, which is an
                estimator where the source has no gradient.
            **kwargs: As for `keras.Model.compile`.

        Raises:
            ValueError: If a source that is only queried, or layers of it that
                are trained, do not go with the kind of gradient.
        """  # noqa: E501
        kwargs = compile_arguments(args, kwargs)
        kwargs["gradient_estimator"] = gradient_estimator
        self.automatic_compilation = AutomaticCompilation.of(kwargs)
        if self.automatic_compilation.waits_for_data:
            self.compiled, self.loss = False, None
            return
        left_out = self.automatic_compilation.arguments
        kwargs = self.automatic_compilation.completed(self)
        summary = automatic_compilation.described(left_out, kwargs)
        gradient_estimator = estimators.get(kwargs.pop("gradient_estimator"))
        zeroth_order.check(self, gradient_estimator)
        loss = CompiledLoss.given(kwargs.get("loss"))
        loss.check_quantiles(self.label_mapper.quantiles)
        for name in ("metrics", "weighted_metrics"):
            if kwargs.get(name):
                kwargs[name] = compiled_metrics.reading_as(
                    kwargs[name],
                    self.label_mapper,
                    loss.ignored_label,
                    loss.allows_missing,
                )
                compiled_metrics.warn_of_logits(
                    kwargs[name], self.label_mapper.returns_logits
                )
        self.gradient_estimator = gradient_estimator
        self.query_state = zeroth_order.QueryState(self, gradient_estimator)
        if queried_sources(self.source) or (
            gradient_estimator is not None and gradient_estimator.runs_eagerly
        ):
            kwargs = {**kwargs, "run_eagerly": True, "jit_compile": False}
        super().compile(**kwargs)
        self.warn_of_logits()
        if gradient_estimator is not None:
            gradient_estimator.check(self, self.optimizer)
        self.automatic_compilation.summary = summary
        if gradient_estimator is not None and is_automatic(
            left_out["gradient_estimator"]
        ):
            # It costs queries that the call of `compile` does not name.
            show(summary, verbose="auto")

    def warn_of_logits(self) -> None:
        """Warns if the loss takes logits for probabilities, or the reverse."""
        expected = CompiledLoss.of(self).from_logits
        returned = self.label_mapper.returns_logits
        if expected is None or returned is None or expected == returned:
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
        if self.automatic_compilation.waits_for_data:
            return self.automatic_compilation.get_config()
        config: dict[str, Any] | None = super().get_compile_config()
        if config and self.gradient_estimator is not None:
            config["gradient_estimator"] = keras.saving.serialize_keras_object(
                self.gradient_estimator
            )
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        if getattr(self, "optimizer", None) is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Prints Keras's summary, then the source and the program.

        Args:
            line_length: As for `keras.Model.summary`, and so all others.
            positions: List of numbers.
            print_fn: Function of a string, called for Keras's summary and for
                the lines on the program.
            **kwargs: `expand_nested`, `show_trainable` and `layer_range`.
        """
        super().summary(line_length, positions, print_fn, **kwargs)
        text = program_summary(self, line_length)
        if print_fn is None:
            show(text, verbose=1)
        else:
            print_fn(text)

    @property
    def metrics(self) -> list[keras.Metric]:
        query_state = getattr(self, "query_state", None)
        added = query_state.metrics if query_state else []
        return [*super().metrics, *added]

    @property
    def num_queries(self) -> int:
        """Number of inputs that the source has computed in training.

        For a `QueriedSource`, all inputs that it has computed.
        """
        return self.query_state.num_queries()

    def predict_labels(
        self,
        x: Data,
        top: int = 1,
        batch_size: int | None = None,
        verbose: int | str = "auto",
    ) -> list[list[LabelPrediction]]:
        """Predicts the names of classes, with their probabilities.

        `predict` returns what the label map returns, logits of a linear map.

        Example:

        ```python
        inputs = keras.Input((4,))
        source = keras.Model(inputs, keras.layers.Dense(5)(inputs))
        model = keras_reprogram.ReprogrammedModel(
            source,
            label_mapper=keras_reprogram.LabelMapper(
                2, "identity", class_names=["cat", "dog"]
            ),
        )
        predictions = model.predict_labels(np.ones((3, 4)), verbose=0)
        [best] = predictions[0]
        best.name, best.probability
        ```

        Args:
            x: As for `predict`.
            top: Integer. Number of classes of a sample, the most probable
                first. Defaults to `1`.
            batch_size: As for `predict`.
            verbose: As for `predict`.

        Returns:
            A list for each sample of `top` tuples of `name` and `probability`.
            Probabilities of a sample add up to 1 over all classes, except of
            independent targets. A class without a name has its label instead.

        Raises:
            ValueError: If predictions are numbers, or classes of positions.
        """
        predictions = self.predict(x, batch_size=batch_size, verbose=verbose)
        return named_predictions(predictions, self.label_mapper, top)

    def predict_source(
        self,
        x: Data,
        batch_size: int | None = None,
        steps: int | None = None,
        verbose: str | int = 0,
    ) -> np.ndarray:
        """Returns the source's outputs on reprogrammed samples.

        Args:
            x: Samples, as for `predict`.
            batch_size: Integer. As for `predict`. Defaults to `None`.
            steps: Integer. As for `predict`. Defaults to `None`.
            verbose: As for `predict`. Defaults to 0.

        Returns:
            A NumPy array `[samples, source classes]` of logits or
            probabilities, whichever the source returns.
        """
        x = self.with_checked_start(self.checked(x)[0])
        outputs: np.ndarray = self.source_model.predict(
            x, batch_size=batch_size, steps=steps, verbose=verbose
        )
        checks.check_outputs(outputs, x, self.input_reprogrammer, steps)
        return outputs

    def fit_label_map(
        self,
        x: Data,
        y: Data = None,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Callbacks = None,
        validation_data: Data = None,
        shuffle: bool = True,
        memory_limit: int = 2**30,
        class_weight: ClassWeight = None,
        sample_weight: Data = None,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the label map alone, with one pass through the source.

        If nothing before the label map is trained, the source's outputs are
        the same in every epoch: they are computed once and cached, and epochs
        take little time. The result is that of `fit`, except that there is no
        dropout before the source.

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
            shuffle: Boolean. Whether samples are shuffled before each epoch.
                Defaults to `True`.
            memory_limit: Integer. Bytes of cached outputs, of training and of
                validation each, that stay in memory; the others are in a
                temporary file. Defaults to 1 GiB.
            class_weight: As for `fit`. Data sets of any kind are counted for
                `"balanced"`, in the pass through the source.
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
        return label_map_training.fit(
            self,
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            shuffle=shuffle,
            memory_limit=memory_limit,
            class_weight=class_weight,
            sample_weight=sample_weight,
            steps_per_epoch=steps_per_epoch,
            **kwargs,
        )

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
        self, filepath: str | os.PathLike[str], probe_source: bool = False
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
        filepath: str | os.PathLike[str],
        source: keras.Model | Sequence[keras.Model],
        check_source: bool | str = True,
    ) -> "ReprogrammedModel":
        """Puts a program in front of a source again.

        Args:
            filepath: A file that `save_program` wrote, on any backend.
            source: The source on which the program was trained, or a list of
                several, in their order.
            check_source: Whether to raise if the source is another one: by
                its computation and its weights. `"outputs"` also asks a
                `QueriedSource` about four fixed inputs, and needs a file that
                was saved with `probe_source=True`. Defaults to `True`.

        Returns:
            A `ReprogrammedModel`, compiled with `"auto"` for everything.

        Raises:
            ValueError: If the file is not a valid program, or the source is
                not the one that it was trained on.
        """
        source = joined_source(source)
        inspect_source(source)  # before what only a model has
        with lock_of(source):
            model: ReprogrammedModel = program_file.load(
                cls, filepath, source, check_source
            )
            return model

    def export(self, *args: Any, **kwargs: Any) -> None:
        check_exported(self.frozen_source.source)
        names = self.label_mapper.class_names
        export_model(self, super().export, names, *args, **kwargs)

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
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
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
            trainable=config.get("trainable", True),
            compile=False,  # Keras calls `compile_from_config`.
        )
        model.frozen_source.frozen_parts = config.get("frozen_parts", ())
        return model


def check_reprogrammed(model: object) -> None:
    """Raises a `ValueError` unless this is a `ReprogrammedModel`."""
    if not isinstance(model, ReprogrammedModel):
        raise ValueError(
            "`model` must be a `ReprogrammedModel`, with an input "
            "transformation that is trained. Received: a model of class "
            f"{type(model).__name__}"
        )
