"""Models in the formats of other runtimes."""

from collections.abc import Callable
from typing import Any

import keras

from keras_reprogram.sources.shared_layers import inputs_like

ONNX = "onnx"


def export_model(
    model: keras.Model,
    export: Callable[..., None],
    filepath: str,
    format: str = "tf_saved_model",
    *args: Any,
    **kwargs: Any,
) -> None:
    """Exports a model, and raises a `ValueError` if the file is of no use.

    Args:
        model: The model.
        export: Its `keras.Model.export`.
        filepath: As for `export`, and so the others.
        format: String.
        *args: Other arguments of `export`.
        **kwargs: Other arguments of `export`.
    """
    # Keras exports to ONNX only what has been called.
    model(inputs_like(model.input))
    if format != ONNX:
        export(filepath, format, *args, **kwargs)
        return
    try:
        export(filepath, format, *args, **kwargs)
    # Of PyTorch, for operations that the format does not have.
    except RuntimeError as error:
        raise ValueError(not_supported(error)) from error
    # TensorFlow's converter writes such operations all the same.
    from onnx import checker

    try:
        checker.check_model(str(filepath))
    except checker.ValidationError as error:
        raise ValueError(not_supported(error)) from error


def not_supported(error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0]
    return (
        "The model has an operation that Keras does not export to ONNX from "
        f"{keras.config.backend()}: on TensorFlow or JAX, load the program, "
        'and export it with `format="tf_saved_model"`. Received: format='
        f"'onnx', for which the exporter says: {reason}"
    )
