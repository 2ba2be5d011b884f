"""Many programs before one source."""

import contextlib
import functools
import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from keras_reprogram.bank.affine_form import affine_form
from keras_reprogram.bank.banked_inputs import BankedInputs
from keras_reprogram.bank.banked_labels import BankedMatrices
from keras_reprogram.bank.banked_labels import BankedSources
from keras_reprogram.bank.shared_lock import SharedLock
from keras_reprogram.black_box.queried import check_exported
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.kept_state import KeptState
from keras_reprogram.kept_state import lock_of
from keras_reprogram.kept_state import to_the_end
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.saving import program_file
from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources import inspect_source


class Entry(NamedTuple):
    """A program of a bank.

    Attributes:
        place: Its row in the tables.
        num_classes: Number of its target classes.
        sample_shape: Shape of its samples, without the batch axis.
    """

    place: int
    num_classes: int
    sample_shape: tuple[int, ...]


@serializable
class ProgramBank(KeptState):
    """Serves many tasks from one source: each row of a batch has its program.

    ```
    (sample, program) -> placement and pattern of the program -> frozen source
                      -> label map of the program -> prediction
    ```

    The source is in memory once, and programs are rows of tables: adding or
    dropping one compiles nothing again. A program of a bank adds the same
    pattern to all its samples, its placement resizes, pads or tiles, and its
    label map is a matrix. It takes one canvas of numbers, whatever the number
    of values that it was trained by, and its label map.

    Threads may share a bank. Those that predict run side by side, on JAX one at
    a time. Adding or dropping programs waits until the answers under way are
    complete, so all answers of a call are by the programs at its start.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model
    tasks = {
        name: keras_reprogram.ReprogrammedModel(
            source,
            keras_reprogram.InputReprogrammer(target_shape=shape),
            keras_reprogram.LabelMapper(classes, "random"),
        )
        for name, shape, classes in [("a", (4, 4, 1), 2), ("b", (6, 6, 3), 4)]
    }

    bank = keras_reprogram.ProgramBank(
        source, sample_shape=(6, 6, 3), num_classes=4, capacity=10
    )
    bank.add(tasks)
    samples = [np.ones((4, 4, 1)), np.ones((6, 6, 3)), np.zeros((4, 4, 1))]
    answers = bank.answer(samples, ["a", "b", "a"])
    [len(answer) for answer in answers]  # [2, 4, 2]
    ```

    Args:
        source: The pretrained model that the programs were trained on.
        sample_shape: The largest sample along each axis. Smaller ones are
            filled up.
        num_classes: Most target classes of a program.
        capacity: Number of programs that there is room for.
        placements: Number of different placements, and sizes of samples, that
            there is room for.
        sources_per_target: Most source classes of a target class, for a bank
            of label maps that look source classes up: a program takes no
            matrix there. `None` for label maps of any kind.
        source_shape: Shape of the source's input, where the source leaves it
            open.
        data_format: As for `InputReprogrammer`.
        programs: The programs that are in the tables, for loading: place,
            number of classes and sample shape by name.
        **kwargs: Keyword arguments of `keras.Model`.

    Call arguments:
        inputs: A dictionary of `"samples"`, `(batch, *sample_shape)` with the
            source's channels, and `"programs"`, integers `(batch,)`.

    Returns:
        A tensor `(batch, num_classes)`, zero beyond a program's classes.

    Raises:
        ValueError: If the source's input has no fixed shape.
    """

    def __init__(
        self,
        source: keras.Model,
        sample_shape: Sequence[int],
        num_classes: int,
        capacity: int = 64,
        placements: int = 8,
        sources_per_target: int | None = None,
        source_shape: Sequence[int] | None = None,
        data_format: str | None = None,
        programs: Mapping[str, Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        specification = inspect_source(source)
        source_shape = tuple(source_shape or specification.preferred_shape)
        if None in source_shape or specification.num_position_axes:
            raise ValueError(
                "A bank needs a source with one output a sample and inputs of "
                "a known shape: pass `source_shape`. Received: source shape="
                f"{source_shape}"
            )
        data_format = data_format or keras.config.image_data_format()
        axes = Axes(len(source_shape), data_format)
        sample_shape = tuple(
            positive_integer("sample_shape", size) for size in sample_shape
        )
        filled_shape = axes.with_spatial(
            source_shape, axes.spatial_shape(sample_shape)
        )
        banked_inputs = BankedInputs(
            filled_shape, source_shape, capacity, placements, data_format
        )
        if sources_per_target is None:
            banked_labels = BankedMatrices(
                num_classes, capacity, specification.activation
            )
        else:
            banked_labels = BankedSources(
                num_classes,
                capacity,
                sources_per_target,
                source_activation=specification.activation,
            )
        frozen_source = FrozenSource(source, name="frozen_source")

        # === Functional Model ===
        inputs = {
            "samples": keras.Input(filled_shape, name="samples"),
            "programs": keras.Input((), dtype="int32", name="programs"),
        }
        canvas = banked_inputs(inputs["samples"], inputs["programs"])
        outputs = banked_labels(frozen_source(canvas), inputs["programs"])
        super().__init__(inputs, outputs, **kwargs)

        # === Config ===
        self.frozen_source = frozen_source
        self.banked_inputs = banked_inputs
        self.banked_labels = banked_labels
        self.sample_shape = sample_shape
        self.sources_per_target = sources_per_target
        self.programs = {
            name: Entry(place, classes, tuple(shape))
            for name, (place, classes, shape) in (programs or {}).items()
        }

        # === Threads ===
        self.lock = SharedLock()
        self.source_lock = lock_of(source)
        # How often each place was given or left.
        self.changes = np.zeros(self.capacity, "int64")

    @property
    def capacity(self) -> int:
        """Number of programs that there is room for."""
        return self.banked_inputs.capacity

    def add(
        self, programs: Mapping[str, ReprogrammedModel | str | os.PathLike]
    ) -> None:
        """Adds programs by name, or puts new ones in their place.

        Many at once cost two copies of the tables, one of which is kept until
        all is written.

        Args:
            programs: Models on this bank's source, or program files.

        Raises:
            ValueError: If there is no room, or a program does not fit; the
                bank is then as it was.
        """
        self.check_room(programs)
        # On JAX, a source whose values are in use cannot be read.
        with self.source_lock:
            models = {
                name: self.loaded(name, program)
                for name, program in programs.items()
            }
            forms = {
                name: affine_form(model.input_reprogrammer)
                for name, model in models.items()
            }
        with self.changing():
            self.check_room(programs)
            kept = {
                entry.place
                for name, entry in self.programs.items()
                if name not in models
            }
            entries = {
                name: Entry(
                    place, model.label_mapper.num_classes, form.sample_shape
                )
                for place, (name, model), form in zip(
                    self.places(models), models.items(), forms.values()
                )
            }
            places = [entry.place for entry in entries.values()]
            mappers = [model.label_mapper for model in models.values()]
            with self.all_or_nothing():
                self.changes[places] += 1
                self.banked_inputs.put(dict(zip(places, forms.values())), kept)
                self.banked_labels.put(dict(zip(places, mappers)))
                # A new dictionary: someone may look through the old one.
                self.programs = {**self.programs, **entries}

    def check_room(self, names: Iterable[str]) -> None:
        new = [name for name in names if name not in self.programs]
        room = self.capacity - len(self.programs)
        if len(new) > room:
            raise ValueError(
                f"The bank has room for {self.capacity} programs: drop "
                "some, or make one with more `capacity`. Received: "
                f"{new[room]!r} as one more"
            )

    def places(self, names: Iterable[str]) -> list[int]:
        """The places of programs that there are, and free ones of others."""
        taken = {entry.place for entry in self.programs.values()}
        free = (place for place in range(self.capacity) if place not in taken)
        return [
            self.programs[name].place if name in self.programs else next(free)
            for name in names
        ]

    def loaded(
        self, name: str, program: ReprogrammedModel | str | os.PathLike
    ) -> ReprogrammedModel:
        """A model, or what a program file holds, if it has a place here."""
        source = self.frozen_source.source
        fits = functools.partial(self.check_ends, name)
        if not isinstance(program, ReprogrammedModel):
            # What has no place here is not built.
            program = program_file.load(
                ReprogrammedModel, program, source, True, accept=fits
            )
        fits(program.input_reprogrammer, program.label_mapper)
        if program.source is not source:
            raise ValueError(
                "A bank's programs share its source: make the model with "
                f"the same object, or pass its file. Received: {name!r} "
                f"on {program.source.name}"
            )
        self.banked_labels.check(program.label_mapper)
        return program

    def check_ends(
        self, name: str, input_transformation: Any, output_mapping: Any
    ) -> None:
        """Raises for a program that has no place here, built or not."""
        if not isinstance(input_transformation, InputReprogrammer):
            raise ValueError(
                "A bank holds programs on the canvas of its source: serve "
                "others by their own models. Received: "
                f"{name!r} with a {type(input_transformation).__name__}"
            )
        if not isinstance(output_mapping, LabelMapper):
            raise ValueError(
                "A bank holds label maps that are one matrix, for one output a "
                f"sample. Received: {name!r} with a "
                f"{type(output_mapping).__name__}"
            )
        if output_mapping.num_classes > self.banked_labels.num_classes:
            raise ValueError(
                f"The bank has room for {self.banked_labels.num_classes} "
                "classes a program: make one with more `num_classes`. "
                f"Received: {name!r} with a program of "
                f"{output_mapping.num_classes} classes"
            )
        self.check_shapes(name, input_transformation)

    def check_shapes(
        self, name: str, input_transformation: InputReprogrammer
    ) -> None:
        axes, wanted = self.banked_inputs.axes, self.banked_inputs.source_shape
        canvas = input_transformation.source_shape or wanted
        samples = input_transformation.target_shape or (None,) * axes.rank
        if None in samples or len(samples) != axes.rank:
            return  # such an end has no form
        sizes = axes.spatial_shape(samples)
        room = axes.spatial_shape(self.sample_shape)
        if canvas != wanted or any(
            size > largest for size, largest in zip(sizes, room)
        ):
            raise ValueError(
                f"The bank takes samples of up to {self.sample_shape} onto a "
                f"canvas of {wanted}. Received: {name!r} with samples of "
                f"{samples} onto {canvas}"
            )

    def drop(self, name: str) -> None:
        """Drops a program; its place is free for another."""
        with self.changing():
            self.changes[self.entry(name).place] += 1
            self.programs = {
                held: entry
                for held, entry in self.programs.items()
                if held != name
            }

    def entry(self, name: str) -> Entry:
        if name not in self.programs:
            raise ValueError(
                f"The bank has no program {name!r}. Received: a name that is "
                f"not among {sorted(self.programs)[:20]}"
            )
        return self.programs[name]

    def answer(
        self,
        samples: Sequence[np.ndarray],
        programs: str | Sequence[str],
        batch_size: int = 32,
        verbose: str | int = 0,
    ) -> list[np.ndarray]:
        """Each sample's outputs by its own program, in batches of any mix.

        Args:
            samples: Arrays without a batch axis, of the shapes that their
                programs take. A sequence that loads a sample when it is asked
                for one keeps a folder of images out of memory.
            programs: The name of each sample's program, or one for all.
            batch_size: Samples of a batch.
            verbose: 0 for silence, 1 or `"auto"` for a progress bar.

        Returns:
            Arrays `[classes of the program]`.

        Raises:
            ValueError: If there is no such program, or samples are not of its
                shape.
        """
        if isinstance(programs, str):
            programs = [programs] * len(samples)
        if len(programs) != len(samples):
            raise ValueError(
                "There must be one program for each sample. Received: "
                f"{len(samples)} samples and {len(programs)} programs"
            )
        size = positive_integer("batch_size", batch_size)
        with self.source_lock, self.lock.shared():
            return self.answer_all(samples, programs, size, verbose)

    def answer_all(
        self,
        samples: Sequence[np.ndarray],
        programs: Sequence[str],
        batch_size: int,
        verbose: str | int,
    ) -> list[np.ndarray]:
        entries = [self.entry(name) for name in programs]
        if not entries:
            return []
        changes = self.changes.copy()
        size = min(batch_size, len(entries))
        starts = range(0, len(entries), size)
        progress = keras.utils.Progbar(
            len(starts), verbose=1 if verbose == "auto" else verbose
        )
        answers: list[np.ndarray] = []
        for start in starts:
            rows = range(start, min(start + size, len(entries)))
            batch = self.batch(samples, entries, rows, size)
            self.check_kept(changes, [entries[row].place for row in rows])
            outputs = self.predict_on_batch(batch)
            answers += [
                output[: entries[row].num_classes]
                for output, row in zip(outputs, rows)
            ]
            progress.add(1)
        return answers

    def check_kept(self, changes: np.ndarray, places: list[int]) -> None:
        """Raises for a program that the loading of a sample has changed."""
        if (self.changes[places] != changes[places]).any():
            raise ValueError(
                "A program must stay as it is while it answers. Received: "
                "samples that drop or replace their own program when they are "
                "loaded"
            )

    def batch(
        self,
        samples: Sequence[np.ndarray],
        entries: Sequence[Entry],
        rows: Sequence[int],
        size: int,
    ) -> dict[str, np.ndarray]:
        """Some samples in one shape; what is missing to `size` is empty."""
        filled = np.zeros((size, *self.banked_inputs.sample_shape), "float32")
        places = np.full(size, entries[rows[0]].place, "int32")
        channel = self.banked_inputs.axes.channel
        for index, row in enumerate(rows):
            sample, wanted = np.asarray(samples[row]), entries[row].sample_shape
            if sample.shape != wanted:
                raise ValueError(
                    f"Sample {row} must have the shape of its program's "
                    f"samples, {wanted}. Received: shape {sample.shape}"
                )
            room = [slice(size) for size in wanted]
            if channel is not None:
                room[channel] = slice(None)  # gray for every channel
            filled[(index, *room)] = sample
            places[index] = entries[row].place
        return {"samples": filled, "programs": places}

    # === Threads ===

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """No program changes, and on JAX nobody else computes."""
        with self.source_lock, self.lock.shared(fixed=True):
            yield

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else computes with the programs, or changes them."""
        with self.source_lock, self.lock.alone():
            yield

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Brings tables and names back if a change of them is interrupted."""
        programs = self.programs
        variables = [*self.banked_inputs.weights, *self.banked_labels.weights]
        tables = [
            np.array(keras.ops.convert_to_numpy(variable.value))
            for variable in variables
        ]

        def bring_back() -> None:
            for variable, table in zip(variables, tables):
                variable.assign(table)
            self.programs = programs

        try:
            yield
        except BaseException:
            to_the_end(bring_back)
            raise

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self.computing():
            return super().__call__(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        with self.computing():
            return super().predict(*args, **kwargs)

    def predict_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        with self.computing():
            return super().predict_on_batch(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        with self.computing():
            return super().evaluate(*args, **kwargs)

    def save(self, *args: Any, **kwargs: Any) -> None:
        with self.computing():
            super().save(*args, **kwargs)

    def save_weights(self, *args: Any, **kwargs: Any) -> None:
        with self.computing():
            super().save_weights(*args, **kwargs)

    def export(self, *args: Any, **kwargs: Any) -> None:
        check_exported(self.frozen_source.source)
        with self.computing():
            super().export(*args, **kwargs)

    def get_weights(self) -> list[np.ndarray]:
        with self.computing():
            return super().get_weights()

    def set_weights(self, weights: list[np.ndarray]) -> None:
        with self.changing():
            super().set_weights(weights)

    def load_weights(self, *args: Any, **kwargs: Any) -> None:
        with self.changing():
            super().load_weights(*args, **kwargs)

    def __reduce__(self) -> Any:
        with self.computing():  # copies and pickles
            return super().__reduce__()

    def get_config(self) -> dict[str, Any]:
        return {
            "source": keras.saving.serialize_keras_object(
                self.frozen_source.source
            ),
            "sample_shape": self.sample_shape,
            "num_classes": self.banked_labels.num_classes,
            "capacity": self.capacity,
            "placements": self.banked_inputs.num_placements,
            "sources_per_target": self.sources_per_target,
            "source_shape": self.banked_inputs.source_shape,
            "data_format": self.banked_inputs.data_format,
            "programs": self.programs,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict | None = None
    ) -> "ProgramBank":
        source = keras.saving.deserialize_keras_object(
            config.pop("source"), custom_objects=custom_objects
        )
        return cls(source, **config)
