"""Black-box sources, and gradient estimators that need queries only.

In each step the source is queried at a few points around the current program,
or for random choices of source tokens, and an estimator computes a gradient
from the losses. The output mapping comes after the source and is trained with
its exact gradient.
"""

from typing import TYPE_CHECKING

from keras_reprogram.black_box.estimators import GradientEstimator
from keras_reprogram.black_box.evolution import CMAES
from keras_reprogram.black_box.finite_differences import SPSA
from keras_reprogram.black_box.finite_differences import OneSided
from keras_reprogram.black_box.finite_differences import TwoSided
from keras_reprogram.black_box.queried_source import QueriedSource
from keras_reprogram.black_box.queried_text_source import QueriedTextSource
from keras_reprogram.black_box.reinforce import Reinforce
from keras_reprogram.black_box.schedules import PowerDecay
from keras_reprogram.black_box.top_k import probabilities_from_top_k
from keras_reprogram.optional_packages import optional_package

if TYPE_CHECKING:
    from keras_reprogram.black_box.inference_client import InferenceClient
    from keras_reprogram.black_box.inference_transport import InferenceError

__all__ = [
    "CMAES",
    "GradientEstimator",
    "InferenceClient",
    "InferenceError",
    "OneSided",
    "PowerDecay",
    "QueriedSource",
    "QueriedTextSource",
    "Reinforce",
    "SPSA",
    "TwoSided",
    "probabilities_from_top_k",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> type:
        """Imports the client on first use, since it alone needs `requests`."""
        if name not in ("InferenceClient", "InferenceError"):
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}"
            )
        optional_package("requests", "inference", name)
        from keras_reprogram.black_box import inference_client

        return getattr(inference_client, name)
