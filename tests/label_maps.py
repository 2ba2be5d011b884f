"""Label maps as functions of statistics, for the tests of mappings."""

from keras_reprogram.outputs import BayesianMapping
from keras_reprogram.outputs import BayesianPlusMapping
from keras_reprogram.outputs import FixedMapping
from keras_reprogram.outputs import FrequencyMapping
from keras_reprogram.outputs import IdentityMapping
from keras_reprogram.outputs import MapShape
from keras_reprogram.outputs import RandomMapping
from keras_reprogram.outputs import SemanticMapping

GOLDEN_COUNTS = [
    [1, 1, 0],
    [1, 0, 1],
    [1, 0, 0],
    [0, 2, 0],
    [1, 0, 0],
    [0, 1, 3],
]


def counts_of(logits, labels, num_classes):
    return FrequencyMapping().statistics(logits, labels, num_classes)


def sums_of(logits, labels, num_classes, k=None):
    return BayesianPlusMapping(top_k=k).statistics(logits, labels, num_classes)


def frequency(statistics, sources_per_target=1):
    return FrequencyMapping().matrix(statistics, sources_per_target)


def bayesian(statistics, smoothing=1.0):
    return BayesianMapping(smoothing=smoothing).matrix(statistics)


def identity(*shape):
    return IdentityMapping().solve(None, MapShape(*shape))[0]


def random(*shape, seed=0):
    return RandomMapping(seed).solve(None, MapShape(*shape))[0]


def semantic(source, target, sources_per_target=1):
    shape = MapShape(len(source), len(target), sources_per_target)
    return SemanticMapping(source, target).solve(None, shape)[0]


def fixed(groups, num_sources):
    shape = MapShape(num_sources, len(groups))
    return FixedMapping(groups=groups).solve(None, shape)[0]
