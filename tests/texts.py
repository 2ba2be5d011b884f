"""A tiny language model and sentences that tests train on."""

import keras
import keras_hub
import numpy as np

from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.sources import TextSource

SIZES = dict(
    vocabulary_size=30,
    num_layers=1,
    num_heads=2,
    hidden_dim=16,
    intermediate_dim=32,
    max_sequence_length=24,
)


def bert(dtype=None):
    keras.utils.set_random_seed(1)
    return sharpened(
        keras_hub.models.BertBackbone(**SIZES, dropout=0.1, dtype=dtype)
    )


def sharpened(model):
    """Larger weights than an untrained model's: steps see one another."""
    generator = np.random.default_rng(2)  # the same on every backend
    for weight in model.weights:
        if "kernel" in weight.path or "embeddings" in weight.path:
            weight.assign(generator.normal(0, 0.4, weight.shape))
    return model


def sentences(samples=64, length=9):
    """Most tokens of a class are its own; lengths differ."""
    generator = np.random.default_rng(0)
    labels = np.arange(samples) % 2
    own = generator.integers(1, 4, size=(samples, length)) + 3 * labels[:, None]
    other = generator.integers(1, 8, size=(samples, length))
    tokens = np.where(generator.random((samples, length)) < 0.8, own, other)
    lengths = generator.integers(4, length + 1, size=samples)
    tokens[np.arange(length) >= lengths[:, None]] = 0
    return tokens.astype("int32"), labels


def model_of(tokens, layout=("sample",), pooling="mean", source=None):
    source = source or TextSource(bert(), pooling)
    return ReprogrammedModel(
        source, TokenReprogrammer(tokens, layout=layout), LabelMapper(2)
    )


def trained(model, epochs=6, **kwargs):
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    tokens, labels = sentences()
    model.fit(tokens, labels, batch_size=16, epochs=epochs, verbose=0, **kwargs)
    return model


def accuracy(model):
    tokens, labels = sentences()
    predictions = model.predict(tokens, verbose=0).argmax(axis=1)
    return (predictions == labels).mean()


def built(mapping, vocabulary):
    mapping.build_on(SourceEmbeddings(vocabulary))
    return mapping
