"""A source without the last layer of a classifier."""

import math

import keras

from keras_reprogram.keras_internals import producer


def features(classifier: keras.Model) -> keras.Model:
    """Returns a source with the inputs of a classifier's last layer as output.

    A trained linear map is usually more accurate on features than on logits.
    Maps that count predictions, from `"frequency"` to `"bayesian_plus"`, need
    the classifier itself.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.Dense(16, "relu")(keras.layers.Flatten()(inputs))
    classifier = keras.Model(inputs, keras.layers.Dense(6)(hidden))

    source = keras_reprogram.sources.features(classifier)
    source.output_shape  # (None, 16)
    ```

    Args:
        classifier: `keras.Model`. A KerasHub image classifier, or a
            functional or sequential model with one input and one output. Its
            last layer with weights must be a `Dense` layer, of the model or
            of a nested one. Dropout, an activation, a cast or a reshaping may
            follow.

    Returns:
        A `keras.Model` with the classifier's input and weights. It has the
        preprocessor of a KerasHub classifier, which defines the scaling.

    Raises:
        ValueError: If the classifier has several inputs or outputs, or does
            not end in a `Dense` layer.
    """
    for end in ("input", "output"):
        tensors = getattr(classifier, f"{end}s", None)
        if not tensors:
            raise ValueError(
                "`classifier` must be a functional or sequential model with "
                "known shapes; wrap a subclassed model as "
                "`keras.Model(inputs, model(inputs))`. Received: "
                f"{type(classifier).__name__} without {end}s"
            )
        if len(tensors) > 1:
            raise ValueError(
                f"`classifier` must have one {end}: make a `keras.Model` of "
                "one input and one output of it; for text, use `TextSource`. "
                f"Received: {type(classifier).__name__} with {len(tensors)} "
                f"{end}s"
            )
    model = keras.Model(
        classifier.inputs[0],
        before_last_dense(classifier.outputs[0]),
        name=f"features_of_{classifier.name}",
    )
    return with_scaling_of(classifier, model)


def before_last_dense(tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the input of the last `Dense` layer before a tensor."""
    while True:
        layer, _, index, inputs = producer(tensor)
        if isinstance(layer, keras.layers.Dense):
            return inputs[0]
        if len(inputs) == 1 and getattr(layer, "outputs", None):
            # The head is a nested model, as that of VGG.
            inner = before_last_dense(layer.outputs[index])
            return keras.Model(layer.inputs, inner)(inputs[0])
        if not keeps_all_values(layer, inputs, tensor):
            raise ValueError(
                "`classifier` must end in a `Dense` layer. For a model "
                "without one, such as a backbone, use `stage_features`, or "
                "make a `keras.Model` of its input and of the features, "
                "averaged over all positions by "
                "`keras.layers.GlobalAveragePooling2D`. Received: a last "
                f"layer of type {type(layer).__name__}"
            )
        tensor = inputs[0]


def keeps_all_values(
    layer: keras.layers.Layer,
    inputs: list[keras.KerasTensor],
    output: keras.KerasTensor,
) -> bool:
    """Whether a layer has no weights and as many outputs as inputs."""
    if len(inputs) != 1 or getattr(layer, "weights", None):
        return False
    sizes = [
        math.prod(size or 1 for size in tensor.shape[1:])
        for tensor in (inputs[0], output)
    ]
    return bool(sizes[0] == sizes[1])


def with_scaling_of(classifier: keras.Model, model: keras.Model) -> keras.Model:
    """Gives a model the preprocessor of a KerasHub classifier."""
    preprocessor = getattr(classifier, "preprocessor", None)
    if preprocessor is not None:
        model.preprocessor = preprocessor
    return model
