"""A pytest plugin: what the library's core does not need cannot be imported.

    KERAS_BACKEND=jax python -m pytest -p tests.core_alone

Tests then see an environment with JAX and the library's own dependencies,
without TensorFlow, PyTorch, KerasHub and the packages of the extras.
"""

import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

OTHERS = (
    "cma",
    "filelock",
    "gguf",
    "grain",
    "keras_hub",
    "matplotlib",
    "mlserver",
    "onnx",
    "onnxruntime",
    "optuna",
    "pandas",
    "requests",
    "safetensors",
    "sklearn",
    "tensorflow",
    "tensorflow_text",
    "tf2onnx",
    "torch",
    "urllib3",
)


class PathWithoutOthers(importlib.machinery.PathFinder):
    """Finds modules as Python does, but for those of other packages."""

    @classmethod
    def find_spec(
        cls,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in OTHERS:
            return None
        return super().find_spec(fullname, path, target)


sys.meta_path[:] = [
    PathWithoutOthers if finder is importlib.machinery.PathFinder else finder
    for finder in sys.meta_path
]
