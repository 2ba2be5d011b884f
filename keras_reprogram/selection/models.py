"""The model that a candidate in closed form stands for."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_reprogram.inputs.averaged_views import AveragedViews
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.joined_transformation import JoinedTransformation
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.models.automatic_compilation import LEARNING_RATES
from keras_reprogram.models.cosine_decay import CosineDecayOverFit
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.selection.candidates import Evaluation
from keras_reprogram.selection.candidates import solve
from keras_reprogram.selection.parts import Part
from keras_reprogram.selection.residual import ResidualMap
from keras_reprogram.sources.joined_source import JoinedSource

LARGEST_CHANGE = 0.1  # of a logit, by one step of training


def model_of(
    evaluation: Evaluation, residual: ResidualMap | None = None
) -> ReprogrammedModel:
    """Returns a candidate, fitted to all samples, as a model.

    Its outputs are calibrated logits: class scores times the factor with the
    lowest cross-entropy of held-out samples, or a residual map of them.

    Args:
        evaluation: The candidate's `Evaluation`.
        residual: The `ResidualMap` of held-out scores. Defaults to `None`.
    """
    data, indices = evaluation.data, evaluation.candidate.parts
    num_classes = data.labeled.num_classes
    source, transformation = joined([data.parts[index] for index in indices])
    model = ReprogrammedModel(
        source,
        transformation,
        LabelMapper(num_classes, LinearMapping()),
    )
    matrix, bias = linear_map(evaluation)
    if residual is None:
        residual = ResidualMap.of_temperature(
            evaluation.temperature, num_classes
        )
    model.label_mapper.assign(
        matrix @ residual.matrix, bias @ residual.matrix + residual.bias
    )
    norms = [
        np.abs(data.products.features[index])
        .sum(axis=1, dtype="float64")
        .mean()
        for index in indices
    ]
    compile_for_features(model, float(sum(norms)))
    return model


def compile_for_features(model: ReprogrammedModel, norm: float) -> None:
    """Compiles a model so that `fit` starts from its map, whatever the unit.

    A step of Adam changes a weight by the learning rate `r`, and a logit by up
    to `r * norm`: with tens of thousands of features the automatic rate would
    lose the map in the first step.

    Args:
        model: `ReprogrammedModel`.
        norm: Float. Mean sum of the absolute values of its features.
    """
    rate = LEARNING_RATES[LinearMapping]
    if norm * rate > LARGEST_CHANGE:
        rate = LARGEST_CHANGE / norm
    model.compile(keras.optimizers.Adam(CosineDecayOverFit(rate)))


def joined(
    parts: Sequence[Part],
) -> tuple[keras.Model, InputTransformation]:
    """Returns the source and the input transformation of several parts."""
    transformations = [part.new_transformation() for part in parts]
    source, transformation = parts[0].source, transformations[0]
    if len(parts) > 1:
        source = JoinedSource([part.source for part in parts])
        transformation = JoinedTransformation(transformations)
    views = parts[0].views
    if views:
        transformation = AveragedViews(transformation, views)
    return source, transformation


def linear_map(
    evaluation: Evaluation, samples: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a candidate, fitted to samples, as weights and bias.

    Args:
        evaluation: The candidate's `Evaluation`.
        samples: Indices of the samples to fit to. Defaults to `None`, all.

    Returns:
        Weights `[S, T]` of the features of the candidate's parts, and a bias
        `[T]`.
    """
    data = evaluation.data
    if samples is None:
        samples = np.arange(len(data.labeled.labels))
    rows = data.labeled.rows_of(samples)
    dual = solve(evaluation, rows)
    weights, bias = data.products.weights(
        evaluation.candidate.parts,
        dual.coefficients,
        rows,
        evaluation.exponent,
    )
    return weights, bias + dual.bias
