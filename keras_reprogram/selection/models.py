"""The model that a candidate in closed form stands for."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_reprogram.inputs.averaged_views import AveragedViews
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.joined_transformation import JoinedTransformation
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.selection.candidates import Evaluation
from keras_reprogram.selection.candidates import solve
from keras_reprogram.selection.inner_products import InnerProducts
from keras_reprogram.selection.labeled import Labeled
from keras_reprogram.selection.parts import Part
from keras_reprogram.selection.residual import ResidualMap
from keras_reprogram.sources.joined_source import JoinedSource


def model_of(
    evaluation: Evaluation,
    parts: Sequence[Part],
    products: InnerProducts,
    labeled: Labeled,
    residual: ResidualMap | None = None,
) -> ReprogrammedModel:
    """Returns a candidate, fitted to all samples, as a model.

    Its outputs are calibrated logits: class scores times the factor with the
    lowest cross-entropy of held-out samples, or a residual map of them.

    Args:
        evaluation: The candidate's `Evaluation`.
        parts: All parts.
        products: Their `InnerProducts`.
        labeled: The `Labeled` samples.
        residual: The `ResidualMap` of held-out scores. Defaults to `None`.
    """
    chosen = [parts[index] for index in evaluation.candidate.parts]
    source, transformation = joined(chosen)
    model = ReprogrammedModel(
        source,
        transformation,
        LabelMapper(labeled.num_classes, LinearMapping()),
    )
    matrix, bias = linear_map(evaluation, products, labeled)
    if residual is None:
        residual = ResidualMap.of_temperature(
            evaluation.temperature(labeled), labeled.num_classes
        )
    model.label_mapper.assign(
        matrix @ residual.matrix, bias @ residual.matrix + residual.bias
    )
    return model


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
    evaluation: Evaluation,
    products: InnerProducts,
    labeled: Labeled,
    rows: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a candidate, fitted to samples, as weights and bias.

    Args:
        evaluation: The candidate's `Evaluation`.
        products: The `InnerProducts` of all parts.
        labeled: The `Labeled` samples.
        rows: Indices of the samples to fit to. Defaults to `None`, all.

    Returns:
        Weights `[S, T]` of the features of the candidate's parts, and a bias
        `[T]`.
    """
    dual = solve(evaluation, products, labeled, rows)
    weights, bias = products.weights(
        evaluation.candidate.parts,
        dual.coefficients,
        rows,
        evaluation.exponent,
    )
    return weights, bias + dual.bias
