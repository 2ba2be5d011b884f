"""Layers that take some of their settings from a source."""

from typing import Any
from typing import Self

import keras

# The entry of a config that holds what a source has decided.
RESOLVED = "resolved"


def serialized(layer: "Resolvable") -> dict[str, Any]:
    """Returns a layer as Keras serializes it, with its `resolved_config`."""
    serialize = keras.saving.serialize_keras_object
    return {**serialize(layer), "config": serialize(layer.resolved_config())}


class Resolvable(keras.layers.Layer):
    """Base class: keeps its arguments, and what a source decides besides.

    Constructor arguments stay as they were given. What `resolve` takes from a
    source is a second entry of the config, so that a clone or a saved model
    needs no source to be built again.
    """

    def resolved_state(self) -> dict[str, Any] | None:
        """Returns what the source decided, or `None` if it decided nothing."""
        return None

    def restore_resolved(self, state: dict[str, Any]) -> None:
        """Takes the `resolved_state` of the layer that this is a copy of."""

    def resolved_config(self) -> dict[str, Any]:
        """Returns the config with arguments as the source completed them.

        A program file holds it, so that a program does not depend on what
        its source declares when the file is read.
        """
        config = self.get_config()
        config.pop(RESOLVED, None)
        return config

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        state = self.resolved_state()
        return config if state is None else {**config, RESOLVED: state}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        arguments = {
            name: value for name, value in config.items() if name != RESOLVED
        }
        layer: Self = super().from_config(arguments)
        if config.get(RESOLVED) is not None:
            layer.restore_resolved(config[RESOLVED])
        return layer
