"""Models in the formats of other runtimes."""

import json
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeAlias

import keras

from keras_reprogram.sources.shared_layers import inputs_like

ONNX, SAVED_MODEL = "onnx", "tf_saved_model"

# Of a model, or of each of its programs.
ClassNames: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]]


def export_model(
    model: keras.Model,
    export: Callable[..., None],
    class_names: ClassNames | None,
    filepath: str,
    format: str = SAVED_MODEL,
    *args: Any,
    **kwargs: Any,
) -> None:
    """Exports a model, and raises a `ValueError` if the file is of no use.

    Args:
        model: The model.
        export: Its `keras.Model.export`.
        class_names: Names of classes to be written with the model: as the
            metadata `class_names` of ONNX, as a file of a SavedModel. `None`
            for no names.
        filepath: As for `export`, and so the others.
        format: String.
        *args: Other arguments of `export`.
        **kwargs: Other arguments of `export`.
    """
    # Keras exports to ONNX only what has been called.
    model(inputs_like(model.input))
    if format != ONNX:
        export(filepath, format, *args, **kwargs)
        if class_names and format == SAVED_MODEL:
            extra = pathlib.Path(filepath) / "assets.extra"
            extra.mkdir(exist_ok=True)
            (extra / "class_names.json").write_text(
                json.dumps(class_names), encoding="utf-8"
            )
        return
    try:
        export(filepath, format, *args, **kwargs)
    # Of PyTorch, for operations that the format does not have.
    except RuntimeError as error:
        raise ValueError(not_supported(error)) from error
    # TensorFlow's converter writes such operations all the same.
    import onnx

    try:
        onnx.checker.check_model(str(filepath))
    except onnx.checker.ValidationError as error:
        raise ValueError(not_supported(error)) from error
    if class_names:
        # Weights in files beside it stay where they are.
        exported = onnx.load(filepath, load_external_data=False)
        exported.metadata_props.add(
            key="class_names", value=json.dumps(class_names)
        )
        onnx.save(exported, filepath)


def not_supported(error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0]
    return (
        "The model has an operation that Keras does not export to ONNX from "
        f"{keras.config.backend()}: on TensorFlow or JAX, load the program, "
        'and export it with `format="tf_saved_model"`. Received: format='
        f"'onnx', for which the exporter says: {reason}"
    )
