"""Published methods: a module each, with one function for the whole model."""

from keras_reprogram.completion import show_pages
from keras_reprogram.methods.acavp import acavp
from keras_reprogram.methods.adapts import adapts
from keras_reprogram.methods.adversarial_reprogramming import (
    adversarial_reprogramming,
)
from keras_reprogram.methods.alf import alf
from keras_reprogram.methods.attr_vr import attr_vr
from keras_reprogram.methods.auto_vp import auto_vp
from keras_reprogram.methods.bar import bar
from keras_reprogram.methods.black_vip import black_vip
from keras_reprogram.methods.blm_vp import blm_vp
from keras_reprogram.methods.deep_graph import deep_graph
from keras_reprogram.methods.evp import evp
from keras_reprogram.methods.ilm_vp import ilm_vp
from keras_reprogram.methods.inrep_plus import inrep_plus
from keras_reprogram.methods.lor_vp import lor_vp
from keras_reprogram.methods.neural_cellular_automata import (
    neural_cellular_automata,
)
from keras_reprogram.methods.overlaid_table import overlaid_table
from keras_reprogram.methods.r2dl import r2dl
from keras_reprogram.methods.remap import remap
from keras_reprogram.methods.rendered_tokens import rendered_tokens
from keras_reprogram.methods.reprogbert import reprogbert
from keras_reprogram.methods.rvp import rvp
from keras_reprogram.methods.similarity_mapping import similarity_mapping
from keras_reprogram.methods.smm import smm
from keras_reprogram.methods.time_llm import time_llm
from keras_reprogram.methods.token_remapping import token_remapping
from keras_reprogram.methods.trainable_layers import trainable_layers
from keras_reprogram.methods.visual_prompting import visual_prompting
from keras_reprogram.methods.voice2series import voice2series
from keras_reprogram.methods.warp import warp
from keras_reprogram.methods.watermark import watermark

__all__ = [
    "acavp",
    "adapts",
    "adversarial_reprogramming",
    "alf",
    "attr_vr",
    "auto_vp",
    "bar",
    "black_vip",
    "blm_vp",
    "deep_graph",
    "evp",
    "ilm_vp",
    "inrep_plus",
    "lor_vp",
    "neural_cellular_automata",
    "overlaid_table",
    "r2dl",
    "remap",
    "rendered_tokens",
    "reprogbert",
    "rvp",
    "similarity_mapping",
    "smm",
    "time_llm",
    "token_remapping",
    "trainable_layers",
    "visual_prompting",
    "voice2series",
    "warp",
    "watermark",
]

show_pages([globals()[name] for name in __all__])
