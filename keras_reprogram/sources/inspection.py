"""Inspection of a pretrained model's input, scaling and output."""

import keras

from keras_reprogram.keras_internals import producer
from keras_reprogram.sources.output_blocks import block_sizes
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.sources.text import TextSource
from keras_reprogram.typing import Shape

# Layers, functions and operations that return probabilities, by their name.
ACTIVATIONS = {
    "softmax": "softmax",
    "sparsemax": "softmax",
    "sigmoid": "sigmoid",
    "hard_sigmoid": "sigmoid",
    "hardsigmoid": "sigmoid",
}


# Layers after which logits are still logits, and probabilities are still
# probabilities: they change at most the shape or the dtype.
PASSING_LAYERS = (
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    keras.layers.Masking,
    # A mean of probabilities is a probability.
    keras.layers.Average,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
)
PASSING_OPERATIONS = (
    "Cast",
    "Squeeze",
    "ExpandDims",
    "Reshape",
    "Ravel",
    "Transpose",
    "GetItem",
    "Mean",
    "StopGradient",
    "Copy",
)


def inspect_source(source: keras.Model) -> SourceSpecification:
    """Reads a source's input, scaling and output from the model itself.

    For a KerasHub classifier, its preprocessor determines image size and
    scaling. For any other model, only its shapes are used.

    Args:
        source: `keras.Model`. A built model with one input and an output of
            shape `(batch, classes)` or `(batch, ..., classes)`, a
            `TextSource`, or a `JoinedSource`.

    Returns:
        A `SourceSpecification`.

    Raises:
        ValueError: If the model is not built, has several inputs or outputs,
            or no axis of classes.
    """
    if not isinstance(source, keras.Model):
        raise ValueError(
            "`source` must be a `keras.Model`. Received: source of type "
            f"{type(source).__name__}"
        )
    joined = getattr(source, "specification", None)
    if isinstance(joined, SourceSpecification):
        return joined
    input_shape = (
        (None, None, source.table.output_dim)
        if isinstance(source, TextSource)
        else single_shape(source, "input")
    )
    output_shape = single_shape(source, "output")
    if len(output_shape) < 2 or output_shape[-1] is None:
        raise ValueError(
            "`source` must return an axis of classes or features, of shape "
            "(batch, classes), or (batch, ..., classes) for one at every "
            f"position. Received: a source with output shape {output_shape}"
        )
    converter = getattr(
        getattr(source, "preprocessor", None), "image_converter", None
    )
    accepted_shape = preferred_shape = tuple(input_shape[1:])
    image_size = getattr(converter, "image_size", None)
    if image_size is not None and len(accepted_shape) == 3:
        first = channels_first(source)
        sizes = (None, *image_size) if first else (*image_size, None)
        preferred_shape = tuple(
            wanted if size is None else size
            for size, wanted in zip(accepted_shape, sizes)
        )
    return SourceSpecification(
        accepted_shape=accepted_shape,
        preferred_shape=preferred_shape,
        num_classes=output_shape[-1],
        activation=ACTIVATIONS.get(final_activation(source) or "", "linear"),
        num_position_axes=len(output_shape) - 2,
        pixel_scale=None if converter is None else converter.scale or 1.0,
        pixel_offset=getattr(converter, "offset", None) or 0.0,
        embeddings=getattr(source, "token_embeddings", None),
        num_tokens=getattr(source, "num_tokens", None),
        max_sequence_length=getattr(source, "max_sequence_length", None),
        padding_token=getattr(source, "padding_token", 0),
        start_token=getattr(source, "start_token", None),
        block_sizes=block_sizes(source),
        accepts_missing_values=getattr(source, "accepts_missing_values", False),
        sampling_rate=getattr(source, "sampling_rate", None),
    )


def single_shape(source: keras.Model, end: str) -> Shape:
    tensors = getattr(source, f"{end}s", None)
    if tensors is None or not source.built:
        raise ValueError(
            "`source` must be a functional or sequential model with known "
            "shapes; wrap a subclassed model as `keras.Model(inputs, "
            f"model(inputs))`. Received: {type(source).__name__} without "
            f"{end}s"
        )
    if len(tensors) != 1:
        raise ValueError(
            f"`source` must have one {end}. Received: a source with "
            f"{len(tensors)} {end}s"
        )
    return tuple(tensors[0].shape)


def channels_first(source: keras.Model) -> bool:
    backbone = getattr(source, "backbone", None)
    return getattr(backbone, "data_format", None) == "channels_first"


def final_activation(source: keras.Model) -> str | None:
    """Returns the name of the activation that computes the output."""
    tensor = source.outputs[0]
    while True:
        layer, _, index, inputs = producer(tensor)
        if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
            tensor = layer.outputs[index]
        elif keeps_meaning(layer):
            tensor = inputs[0]
        elif hasattr(wrapped_layer(layer), "activation"):
            return getattr(wrapped_layer(layer).activation, "__name__", None)
        else:  # The layer `Softmax`, or an operation of `keras.ops`.
            return type(layer).__name__.lower()


def wrapped_layer(layer: keras.Operation) -> keras.Operation:
    """Returns the layer that `TimeDistributed` applies at every step."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return layer.layer
    return layer


def keeps_meaning(layer: keras.Operation) -> bool:
    """Whether logits remain logits, and probabilities probabilities."""
    if isinstance(layer, keras.layers.Activation):
        return layer.activation is keras.activations.linear
    return (
        isinstance(layer, PASSING_LAYERS)
        or type(layer).__name__ in PASSING_OPERATIONS
    )
