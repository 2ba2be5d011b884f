"""Label maps that are initialized with words of the source's vocabulary."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.outputs.mappings.linear import LinearMapping
from keras_reprogram.sources.text import TextSource


def verbalizers(
    source: TextSource, words: Sequence[Sequence[int]]
) -> LinearMapping:
    """Returns a trained label map that is initialized with words (WARP).

    ```
    logit[t] = verbalizer[t] . hidden,   verbalizer[t] = mean of embeddings
    ```

    over the words of class `t`. If the source returns the logits of its
    vocabulary, class `t` starts as the mean of its words' logits. In both cases
    the loss trains the map, and its initial value needs no samples.

    Example:

    ```python
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=50,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=32,
    )  # stands for a pretrained one
    source = keras_reprogram.sources.TextSource(backbone, "sequence")
    good, great, bad, awful = 20, 21, 30, 31  # numbers of its tokens
    mapper = keras_reprogram.LabelMapper(
        num_classes=2,
        mapping=keras_reprogram.outputs.verbalizers(
            source, [[bad, awful], [good, great]]
        ),
    )
    ```

    Args:
        source: `keras_reprogram.sources.TextSource` with a `pooling` of
            `"sequence"`, `"first"`, `"last"`, `"mean"` or `"logits"`.
        words: List. For each target class, the list of its source tokens.

    Returns:
        A `LinearMapping`.

    Raises:
        ValueError: If a class has no words, a word is not a token of the
            source, or the widths of hidden states and embeddings differ.

    References:
        - [WARP](https://arxiv.org/abs/2101.00121)
    """
    vocabulary, width = source.token_embeddings.shape
    groups = [
        [integer(word) for word in group]
        if isinstance(group, list | tuple)
        else []
        for group in words
    ]
    if not groups or not all(
        group
        and len(set(group)) == len(group)
        and all(word is not None and 0 <= word < vocabulary for word in group)
        for group in groups
    ):
        raise ValueError(
            "`words` must hold, for every target class, a list of different "
            f"tokens of the source, 0 to {vocabulary - 1}. Received: "
            f"words={words!r}"
        )
    outputs = source.outputs[0].shape[-1]
    if outputs != (vocabulary if source.pooling == "logits" else width):
        raise ValueError(
            "Words need a source with logits of the vocabulary, or with hidden "
            f"states as wide as embeddings, {width}. Received: a source whose "
            f'pooling="{source.pooling}" has {outputs} values'
        )
    if source.pooling == "logits":
        return LinearMapping(initial=groups)
    table = ops.convert_to_numpy(ops.cast(source.token_embeddings, "float32"))
    means = [table[group].mean(axis=0) for group in groups]
    return LinearMapping(initial=np.stack(means, axis=1))
