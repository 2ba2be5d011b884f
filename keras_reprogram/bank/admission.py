"""Which programs a bank takes, and what it keeps of them."""

import dataclasses
import os
from collections.abc import Sequence

import keras
import numpy as np

from keras_reprogram.bank.affine_form import AffineForm
from keras_reprogram.bank.affine_form import affine_form
from keras_reprogram.bank.affine_form import check_sample_shape
from keras_reprogram.bank.banked_inputs import BankedInputs
from keras_reprogram.bank.banked_labels import BankedLabels
from keras_reprogram.inputs.input_reprogrammer import InputReprogrammer
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.saving.program_reader import Ends
from keras_reprogram.saving.program_reader import ProgramReader
from keras_reprogram.typing import FixedShape


@dataclasses.dataclass(frozen=True, eq=False)
class BankedProgram:
    """What a bank keeps of a program.

    Args:
        num_classes: Integer. Number of target classes.
        forms: List of the `AffineForm` of the input transformation of each
            source.
        label_row: List of arrays. The rows of the label map's tables.
        class_names: Tuple of strings, or `None`. Names of the classes.
    """

    num_classes: int
    forms: list[AffineForm]
    label_row: list[np.ndarray]
    class_names: tuple[str, ...] | None


class Admission:
    """Reads programs for a bank, and refuses those that it cannot hold.

    Args:
        source: The bank's source.
        sample_shape: Tuple of integers. The bank's `sample_shape`.
        banked_inputs: The bank's `BankedInputs`, one for each source.
        banked_labels: The bank's `BankedLabels`.
        stacklevel: Integer. As for `warnings.warn`, from the caller of `read`.
    """

    def __init__(
        self,
        source: keras.Model,
        sample_shape: FixedShape,
        banked_inputs: Sequence[BankedInputs],
        banked_labels: BankedLabels,
        stacklevel: int,
    ) -> None:
        self.source = source
        self.sample_shape = sample_shape
        self.banked_inputs = banked_inputs
        self.banked_labels = banked_labels
        self.reader = ProgramReader(source, stacklevel + 1)

    def read(
        self,
        name: str,
        program: ReprogrammedModel | str | os.PathLike[str],
    ) -> BankedProgram:
        """Returns what the bank keeps of a model or of a program file.

        Args:
            name: String. The name of the program, for errors.
            program: A `ReprogrammedModel` on the bank's source, or the path
                of a program file.

        Raises:
            ValueError: If the file is not valid, or the bank cannot hold the
                program.
        """

        def accept(
            input_reprogrammer: InputTransformation,
            label_mapper: OutputMapping,
        ) -> None:
            self.checked_inputs(name, input_reprogrammer)
            self.checked_output(name, label_mapper)

        found: Ends | ReprogrammedModel
        if isinstance(program, ReprogrammedModel):
            found = program
            accept(found.input_reprogrammer, found.label_mapper)
            if found.source is not self.source:
                raise ValueError(
                    "A bank's programs share its source: make the model with "
                    f"the same object, or pass its file. Received: {name!r} "
                    f"on {found.source.name}"
                )
        else:
            found = self.reader.read(program, accept)
        layers = self.checked_inputs(name, found.input_reprogrammer)
        mapper = self.checked_output(name, found.label_mapper)
        self.banked_labels.check(mapper)
        mapper.check_class_names()
        return BankedProgram(
            num_classes=mapper.num_classes,
            forms=[affine_form(layer) for layer in layers],
            label_row=self.banked_labels.row(mapper),
            class_names=mapper.class_names,
        )

    def checked_inputs(
        self, name: str, transformation: InputTransformation
    ) -> list[InputReprogrammer]:
        """Returns the layer of each source, if it may be one of the bank's.

        Args:
            name: String. The name of the program, for errors.
            transformation: Built or not.
        """
        layers = transformation.for_each_source()
        if len(layers) != len(self.banked_inputs):
            raise ValueError(
                "A bank's programs have an input transformation for each "
                f"source of the bank. Received: {name!r} with {len(layers)} "
                f"for {len(self.banked_inputs)} sources"
            )
        return [
            self.checked_input(name, layer, banked)
            for layer, banked in zip(layers, self.banked_inputs)
        ]

    def checked_input(
        self, name: str, layer: InputTransformation, banked: BankedInputs
    ) -> InputReprogrammer:
        if not isinstance(layer, InputReprogrammer):
            raise ValueError(
                "A bank holds programs on the canvas of its source: serve "
                "others by their own models. Received: "
                f"{name!r} with a {type(layer).__name__}"
            )
        if layer.uses_source:
            raise ValueError(
                "The pattern depends on the sample: serve the program by its "
                f"own model. Received: {name!r} with pattern={layer.pattern}"
            )
        if layer.missing_values is not None:
            raise ValueError(
                "A bank computes with all values of a sample: serve a program "
                "that takes missing ones by its own model. Received: "
                f"{name!r} with missing_values={layer.missing_values!r}"
            )
        self.check_shapes(name, layer, banked)
        return layer

    def check_shapes(
        self, name: str, layer: InputReprogrammer, banked: BankedInputs
    ) -> None:
        axes, wanted = banked.axes, banked.source_shape
        canvas = layer.settings.canvas_shape or wanted
        samples = check_sample_shape(layer)
        if len(samples) != axes.rank:
            return  # The layer has no affine form, which is checked later.
        room = axes.spatial_shape(self.sample_shape)
        if canvas != wanted or any(
            size > largest
            for size, largest in zip(axes.spatial_shape(samples), room)
        ):
            raise ValueError(
                f"The bank takes samples of up to {self.sample_shape} onto a "
                f"canvas of {wanted}: make one with a larger `sample_shape` or "
                f"with `source_shape={canvas}`. Received: {name!r} with "
                f"samples of {samples} onto {canvas}"
            )

    def checked_output(self, name: str, layer: OutputMapping) -> LabelMapper:
        """Returns the layer, built or not, if it may be one of the bank's."""
        if not isinstance(layer, LabelMapper):
            raise ValueError(
                "A bank holds label maps that are one matrix, for one output a "
                f"sample. Received: {name!r} with a {type(layer).__name__}"
            )
        room = self.banked_labels.num_classes
        if layer.num_classes > room:
            raise ValueError(
                f"The bank has room for {room} classes a program: make one "
                f"with more `num_classes`. Received: {name!r} with a program "
                f"of {layer.num_classes} classes"
            )
        return layer
