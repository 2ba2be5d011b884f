"""A model that serves the programs of many tasks from one source."""

import copy
import os
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_reprogram.bank.admission import Admission
from keras_reprogram.bank.affine_form import AffineForm
from keras_reprogram.bank.answering_model import AnsweringModel
from keras_reprogram.bank.banked_inputs import BankedInputs
from keras_reprogram.bank.banked_sources import label_tables
from keras_reprogram.bank.batches import Entry
from keras_reprogram.bank.batches import entry_of
from keras_reprogram.bank.shared_lock import SharedLock
from keras_reprogram.bank.tables import RowChange
from keras_reprogram.bank.tables import written_or_not
from keras_reprogram.black_box.queried_source import check_exported
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.exporting import export_model
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel
from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources.joined_source import joined_source
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape

Program = ReprogrammedModel | str | os.PathLike[str]


@serializable
class ProgramBank(AnsweringModel):
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

    Threads may share a bank. Those that predict run at the same time, on JAX
    one after the other. Adding or dropping programs waits until the answers
    under way are complete, so all answers of a call are by the programs at its
    start.

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
        source: The pretrained `keras.Model` that the programs were trained
            on, or a list of several, which take as many channels as each
            other.
        sample_shape: Tuple of integers. The largest sample along each axis.
            Smaller ones are padded.
        num_classes: Integer. Largest number of target classes of a program.
        capacity: Integer. Number of programs that there is room for. Defaults
            to `64`.
        placements: Integer. Number of different placements, and sizes of
            samples, that there is room for. Defaults to `8`.
        sources_per_target: Integer. Largest number of source classes of a
            target class, for a bank of label maps that select source classes:
            it stores their indices instead of a matrix. Defaults to `None`,
            label maps of any kind.
        source_shape: Tuple of integers. Shape of the source's input, if the
            source leaves it open; a list of one for each of several sources.
            Defaults to `None`.
        data_format: String. As for `InputReprogrammer`. Defaults to `None`.
        programs: Dictionary. The programs that are in the tables, for loading:
            row, number of classes and sample shape by name. Defaults to
            `None`.
        **kwargs: Keyword arguments of `keras.Model`.

    Call arguments:
        inputs: Dictionary of `"samples"`, a tensor `(batch, *sample_shape)`
            with the source's channels, and `"programs"`, an integer tensor
            `(batch,)`.

    Returns:
        A tensor `(batch, num_classes)`, zero beyond a program's classes.

    Raises:
        ValueError: If the source's input has no fixed shape.
    """

    def __init__(
        self,
        source: keras.Model | Sequence[keras.Model],
        sample_shape: Sequence[int],
        num_classes: int,
        capacity: int = 64,
        placements: int = 8,
        sources_per_target: int | None = None,
        source_shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
        data_format: str | None = None,
        programs: Mapping[str, Sequence[Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        source = joined_source(source)
        specification = inspect_source(source)
        data_format = data_format or keras.config.image_data_format()
        largest = tuple(
            positive_integer("sample_shape", size) for size in sample_shape
        )
        banked_inputs = [
            BankedInputs(
                padded_shape(canvas_shape, largest, data_format),
                canvas_shape,
                capacity,
                placements,
                data_format,
            )
            for canvas_shape in canvas_shapes(specification, source_shape)
        ]
        shapes = {each.sample_shape for each in banked_inputs}
        if len(shapes) > 1:
            raise ValueError(
                "The sources of a bank take as many channels as each other: "
                "serve the programs by their own models. Received: padded "
                f"samples of shapes {sorted(shapes)}"
            )
        banked_labels = label_tables(
            num_classes, capacity, sources_per_target, specification.activation
        )
        frozen_source = FrozenSource(source, name="frozen_source")

        # === Functional Model ===
        inputs = {
            "samples": keras.Input(shapes.pop(), name="samples"),
            "programs": keras.Input((), dtype="int32", name="programs"),
        }
        canvases = [
            each(inputs["samples"], inputs["programs"])
            for each in banked_inputs
        ]
        outputs = frozen_source(
            canvases if specification.parts else canvases[0]
        )
        outputs = banked_labels(outputs, inputs["programs"])
        super().__init__(inputs, outputs, **kwargs)

        # === Config ===
        self.frozen_source = frozen_source
        self.banked_inputs = banked_inputs
        self.banked_labels = banked_labels
        self.sample_shape = largest
        self.sources_per_target = sources_per_target
        self.programs = {
            name: entry_of(*values) for name, values in (programs or {}).items()
        }

        # === Threads ===
        self.lock = SharedLock()
        # How often each row was given to a program or freed.
        self.revisions = np.zeros(self.capacity, "int64")

    @property
    def capacity(self) -> int:
        """Number of programs that there is room for."""
        return self.banked_inputs[0].capacity

    # === Adding and dropping ===

    def add(self, programs: Mapping[str, Program]) -> None:
        """Adds programs by name, or replaces those of the same names.

        Many at once cost little more than one: the source is compared with
        the files, and the tables are written, once.

        Args:
            programs: Dictionary of `ReprogrammedModel`s on this bank's source,
                or paths of program files, by name.

        Raises:
            ValueError: If there is no room, or a program does not fit; the
                bank is then as it was.
        """
        self._check_room(programs)
        # On JAX, a source whose values are in use cannot be read.
        with self.source_lock:
            admission = Admission(
                self.frozen_source.source,
                self.sample_shape,
                self.banked_inputs,
                self.banked_labels,
                stacklevel=3,
            )
            admitted = {
                name: admission.read(name, program)
                for name, program in programs.items()
            }
        with self.changing():
            self._check_room(programs)
            kept = [
                entry.row
                for name, entry in self.programs.items()
                if name not in programs
            ]
            rows = dict(zip(self._free_rows(admitted), admitted.values()))
            changes = [
                *self._changes_of_inputs(
                    {row: program.forms for row, program in rows.items()}, kept
                ),
                *self.banked_labels.changes(
                    {row: program.label_row for row, program in rows.items()}
                ),
            ]
            entries = {
                name: Entry(
                    row,
                    program.num_classes,
                    program.forms[0].sample_shape,
                    program.class_names,
                )
                for name, (row, program) in zip(admitted, rows.items())
            }
            before = self.programs
            with written_or_not(changes, lambda: self._name_programs(before)):
                self.revisions[list(rows)] += 1
                # A new dictionary: another thread may iterate over the old.
                self._name_programs({**before, **entries})

    def _changes_of_inputs(
        self, forms: Mapping[int, Sequence[AffineForm]], kept: Sequence[int]
    ) -> list[RowChange]:
        """Returns the changes of the tables of all sources."""
        return [
            change
            for index, banked in enumerate(self.banked_inputs)
            for change in banked.changes(
                {row: each[index] for row, each in forms.items()}, kept
            )
        ]

    def _name_programs(self, programs: dict[str, Entry]) -> None:
        self.programs = programs

    def _check_room(self, names: Iterable[str]) -> None:
        """Raises if there are more new names than free rows."""
        new = [name for name in names if name not in self.programs]
        room = self.capacity - len(self.programs)
        if len(new) > room:
            raise ValueError(
                f"The bank has room for {self.capacity} programs: drop "
                "some, or make one with more `capacity`. Received: "
                f"{new[room]!r} as one more"
            )

    def _free_rows(self, names: Iterable[str]) -> list[int]:
        """Returns the rows of programs that are there, and free ones."""
        taken = {entry.row for entry in self.programs.values()}
        free = (row for row in range(self.capacity) if row not in taken)
        return [
            self.programs[name].row if name in self.programs else next(free)
            for name in names
        ]

    def drop(self, name: str) -> None:
        """Drops a program, whose row is free for another.

        Args:
            name: String. The program's name.
        """
        with self.changing():
            self.revisions[self.entry(name).row] += 1
            self.programs = {
                other: entry
                for other, entry in self.programs.items()
                if other != name
            }

    # === Saving ===

    def export(self, *args: Any, **kwargs: Any) -> None:
        check_exported(self.frozen_source.source)
        names = {
            name: entry.class_names
            for name, entry in self.programs.items()
            if entry.class_names is not None
        }
        export_model(self, super().export, names, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {
            "source": keras.saving.serialize_keras_object(
                self.frozen_source.source
            ),
            "sample_shape": self.sample_shape,
            "num_classes": self.banked_labels.num_classes,
            "capacity": self.capacity,
            "placements": self.banked_inputs[0].num_placements,
            "sources_per_target": self.sources_per_target,
            "source_shape": [each.source_shape for each in self.banked_inputs]
            if len(self.banked_inputs) > 1
            else self.banked_inputs[0].source_shape,
            "data_format": self.banked_inputs[0].data_format,
            "programs": self.programs,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
    ) -> "ProgramBank":
        # Keras takes parts out of the configuration of a functional model.
        source = keras.saving.deserialize_keras_object(
            copy.deepcopy(config["source"]), custom_objects=custom_objects
        )
        return cls(**{**config, "source": source})


def canvas_shapes(
    specification: SourceSpecification,
    given: Sequence[int] | Sequence[Sequence[int]] | None,
) -> list[FixedShape]:
    """Returns the shape of the input of each source.

    Args:
        specification: That of the source.
        given: The bank's `source_shape`.
    """
    parts = specification.parts or (specification,)
    if not all(part.takes_canvas for part in parts):
        raise ValueError(
            "A bank holds programs on the canvas of its source: serve those "
            "of a source that takes embeddings or graphs by their own models. "
            "Received: such a source"
        )
    shapes: Sequence[Any] = [part.preferred_shape for part in parts]
    if given is not None:
        shapes = given if specification.parts else [given]
    known = [
        known_sizes(tuple(shape))
        for shape in shapes
        if isinstance(shape, (list, tuple))
    ]
    found = [shape for shape in known if shape is not None]
    if len(found) != len(parts) or specification.num_position_axes:
        raise ValueError(
            "A bank needs a source with one output a sample and inputs of a "
            "known shape: pass `source_shape`, in a list for several sources. "
            f"Received: source shape={shapes if len(parts) > 1 else shapes[0]}"
        )
    return found


def padded_shape(
    canvas_shape: FixedShape, largest: FixedShape, data_format: str
) -> FixedShape:
    """Returns the shape that samples are padded to for a canvas."""
    if len(largest) != len(canvas_shape):
        raise ValueError(
            "`sample_shape` must have as many axes as the source's input: a "
            "bank resizes, pads or tiles samples. Received: sample_shape="
            f"{largest}, source shape={canvas_shape}"
        )
    axes = Axes(len(canvas_shape), data_format)
    return axes.with_spatial(canvas_shape, axes.spatial_shape(largest))
