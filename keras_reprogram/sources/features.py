"""A classifier without its last layer."""

import keras


def features(classifier: keras.Model) -> keras.Model:
    """What a classifier's last layer looks at, as a source of its own.

    A label map on features says more than one on the logits that the last
    layer makes of them: with a trained linear map, it is the stronger choice.
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
        classifier: A KerasHub image classifier, or a functional or sequential
            `keras.Model` whose last layer is a `Dense` layer, with or without
            an activation or dropout around it.

    Returns:
        A `keras.Model` with the classifier's input and weights. The scaling
        that a KerasHub classifier names is passed on.

    Raises:
        ValueError: If the last layer is not a `Dense` layer.
    """
    if not getattr(classifier, "outputs", None):
        raise ValueError(
            "`classifier` must be a functional or sequential model. Received: "
            f"{type(classifier).__name__} without outputs"
        )
    tensor = classifier.outputs[0]
    while True:
        layer, node, _ = tensor._keras_history
        if isinstance(layer, keras.layers.Dense):
            break
        if not isinstance(
            layer,
            keras.layers.Activation
            | keras.layers.Softmax
            | keras.layers.Dropout,
        ):
            raise ValueError(
                "The last layer of `classifier` must be a `Dense` layer: make "
                "a `keras.Model` of its input and of the features yourself. "
                f"Received: a last layer of type {type(layer).__name__}"
            )
        tensor = layer._inbound_nodes[node].input_tensors[0]
    hidden = layer._inbound_nodes[node].input_tensors[0]
    model = keras.Model(
        classifier.inputs[0], hidden, name=f"features_of_{classifier.name}"
    )
    return with_scaling_of(classifier, model)


def with_scaling_of(classifier: keras.Model, model: keras.Model) -> keras.Model:
    """The model, with the scaling that a KerasHub classifier names."""
    preprocessor = getattr(classifier, "preprocessor", None)
    if preprocessor is not None:
        model.preprocessor = preprocessor
    return model
