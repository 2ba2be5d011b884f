"""Published methods: a module each, with one function for the whole model."""

from keras_reprogram.methods.acavp import acavp as acavp
from keras_reprogram.methods.adapts import adapts as adapts
from keras_reprogram.methods.adversarial_reprogramming import (
    adversarial_reprogramming as adversarial_reprogramming,
)
from keras_reprogram.methods.alf import alf as alf
from keras_reprogram.methods.attr_vr import attr_vr as attr_vr
from keras_reprogram.methods.auto_vp import auto_vp as auto_vp
from keras_reprogram.methods.bar import bar as bar
from keras_reprogram.methods.black_vip import black_vip as black_vip
from keras_reprogram.methods.blm_vp import blm_vp as blm_vp
from keras_reprogram.methods.deep_graph import deep_graph as deep_graph
from keras_reprogram.methods.evp import evp as evp
from keras_reprogram.methods.ilm_vp import ilm_vp as ilm_vp
from keras_reprogram.methods.inrep_plus import inrep_plus as inrep_plus
from keras_reprogram.methods.lor_vp import lor_vp as lor_vp
from keras_reprogram.methods.neural_cellular_automata import (
    neural_cellular_automata as neural_cellular_automata,
)
from keras_reprogram.methods.overlaid_table import (
    overlaid_table as overlaid_table,
)
from keras_reprogram.methods.r2dl import r2dl as r2dl
from keras_reprogram.methods.remap import remap as remap
from keras_reprogram.methods.rendered_tokens import (
    rendered_tokens as rendered_tokens,
)
from keras_reprogram.methods.reprogbert import reprogbert as reprogbert
from keras_reprogram.methods.rvp import rvp as rvp
from keras_reprogram.methods.similarity_mapping import (
    similarity_mapping as similarity_mapping,
)
from keras_reprogram.methods.smm import smm as smm
from keras_reprogram.methods.time_llm import time_llm as time_llm
from keras_reprogram.methods.token_remapping import (
    token_remapping as token_remapping,
)
from keras_reprogram.methods.trainable_layers import (
    trainable_layers as trainable_layers,
)
from keras_reprogram.methods.visual_prompting import (
    visual_prompting as visual_prompting,
)
from keras_reprogram.methods.voice2series import voice2series as voice2series
from keras_reprogram.methods.warp import warp as warp
from keras_reprogram.methods.watermark import watermark as watermark
