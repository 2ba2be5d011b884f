"""What to say before something takes far longer than it need."""

import warnings

import keras

DEPTHWISE = (
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


def warn_of_depthwise_convolutions(source: keras.Model) -> None:
    """Warns where JAX on a processor meets what it is very slow at."""
    if keras.config.backend() != "jax":
        return
    devices = keras.distribution.list_devices()
    if any(not device.startswith("cpu") for device in devices):
        return
    layers = source._flatten_layers(include_self=False)
    if any(isinstance(layer, DEPTHWISE) for layer in layers):
        warnings.warn(
            f"{source.name} has depthwise convolutions, which JAX computes "
            "some ten times slower on a CPU than other backends do. Train it "
            "on TensorFlow or PyTorch (KERAS_BACKEND), where program files "
            "of all backends can be read; on a GPU; or take a ResNet or a ViT.",
            stacklevel=3,
        )
