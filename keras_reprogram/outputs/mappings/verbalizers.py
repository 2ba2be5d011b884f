"""Label maps that start from words of the source's vocabulary."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.outputs.mappings.linear import LinearMapping
from keras_reprogram.sources.text import TextSource


def verbalizers(
    source: TextSource, words: Sequence[Sequence[int]]
) -> LinearMapping:
    """A trained label map whose classes start as words (WARP).

    ```
    logit[t] = verbalizer[t] . hidden,   verbalizer[t] = mean of embeddings
    ```

    over the words of class `t`. Where the source returns the logits of its
    vocabulary, class `t` starts as the mean of its words' logits. Either way
    the loss trains them from there, and no sample is needed for the start.

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
        source: The text source, read at every step of the `"sequence"`, at
            the `"first"` or `"last"`, by their `"mean"`, or by the `"logits"`
            of its vocabulary.
        words: For each target class, source tokens that stand for it.

    Returns:
        A `LinearMapping`.

    Raises:
        ValueError: If a class has no words, a word is no token of the source,
            or hidden states are not as wide as embeddings.

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
            "Words are compared with logits of the vocabulary, or with hidden "
            f"states as wide as embeddings, {width}. Received: a source whose "
            f'pooling="{source.pooling}" has {outputs} values'
        )
    if source.pooling == "logits":
        return LinearMapping(initial=groups)
    table = ops.convert_to_numpy(ops.cast(source.token_embeddings, "float32"))
    means = [table[group].mean(axis=0) for group in groups]
    return LinearMapping(initial=np.stack(means, axis=1))
