"""The input transformations of the literature, each with its own settings.

Every function returns an `InputReprogrammer` and takes its arguments too,
`target_shape` and `source_shape` first of all. Sizes in pixels are those of
the papers, for a canvas of 224x224: pass others for another canvas.
"""

from typing import Any

import keras

from keras_reprogram.inputs.images.bases import LowRank
from keras_reprogram.inputs.images.channel_concatenation import (
    ChannelConcatenation,
)
from keras_reprogram.inputs.images.coordinator import CoordinatorPattern
from keras_reprogram.inputs.images.feature_mosaic import FeatureMosaic
from keras_reprogram.inputs.images.image_patterns import ConvolutionPattern
from keras_reprogram.inputs.images.image_patterns import SampleMaskedPattern
from keras_reprogram.inputs.images.patterns import RandomPatchPattern
from keras_reprogram.inputs.images.patterns import UniversalPattern
from keras_reprogram.inputs.images.placements import Pad
from keras_reprogram.inputs.images.regions import Frame
from keras_reprogram.inputs.images.regions import Patch
from keras_reprogram.inputs.images.scaled_pad import ScaledPad
from keras_reprogram.inputs.images.tile import Tile
from keras_reprogram.inputs.images.token_patches import TokenPatches
from keras_reprogram.inputs.input_reprogrammer import InputReprogrammer


def adversarial_reprogramming(
    inner_size: int | None = None, **kwargs: Any
) -> InputReprogrammer:
    """Elsayed et al. 2019: `pad(x) + tanh(theta)` around the data.

    The sample keeps its own size in the middle of the canvas; the pattern is
    in the units of the source, which the papers take from -1 to 1. Black-box
    adversarial reprogramming (BAR) uses the same input. The papers train it
    with an L2 penalty of `theta`, a `regularizer` of `UniversalPattern`.

    Args:
        inner_size: Height and width of the resized sample in pixels; `None`
            keeps its own.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [Adversarial Reprogramming](https://arxiv.org/abs/1806.11146)
        - [Black-box Adversarial Reprogramming](https://arxiv.org/abs/2007.08714)
    """
    return InputReprogrammer(
        placement=Pad(inner_size),
        pattern=UniversalPattern("outside"),
        **{"normalize_first": True, **kwargs},
    )


def trainable_layers(kernel_size: int = 3, **kwargs: Any) -> InputReprogrammer:
    """Kloberdanz et al. 2021: a trainable layer before the source.

    The output layer of the paper is `LabelMapper(mapping="linear")`. The
    input layer here is a convolution added to the resized sample.

    Args:
        kernel_size: Height and width of the convolution's kernel in pixels.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - Kloberdanz, Tian and Le, An Improved (Adversarial) Reprogramming
          Technique for Neural Networks, ICANN 2021
    """
    return InputReprogrammer(pattern=ConvolutionPattern(kernel_size), **kwargs)


def visual_prompting(
    shape: str = "frame", size: int = 30, **kwargs: Any
) -> InputReprogrammer:
    """Bahng et al. 2022: an unbounded pattern on the normalized sample.

    It starts from normal noise of a deviation of 0.05, which leaves the sample
    to be seen; the paper's code starts from one of 1.

    Args:
        shape: `"frame"` along the edges, `"patch"` in the first corner, or
            `"random_patch"` at another place in every batch.
        size: Width of the frame, or height and width of the patch, in pixels.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [Visual Prompting](https://arxiv.org/abs/2203.17274)
    """
    patterns = {
        "frame": lambda: unbounded(Frame(size)),
        "patch": lambda: unbounded(Patch(size)),
        "random_patch": lambda: RandomPatchPattern(size),
    }
    if shape not in patterns:
        raise ValueError(
            f"`shape` must be one of {sorted(patterns)}. Received: "
            f"shape={shape!r}"
        )
    return InputReprogrammer(
        pattern=patterns[shape](), normalize_first=True, **kwargs
    )


def unbounded(region: Frame | Patch) -> UniversalPattern:
    return UniversalPattern(
        region, activation=None, initializer="random_normal"
    )


def enhanced_visual_prompting(
    inner_size: int = 164, **kwargs: Any
) -> InputReprogrammer:
    """EVP, Wu et al. 2022: a small sample within a border, then normalized.

    Train it with `keras_reprogram.optimizers.NormalizedGradient`, whose steps
    are of length 70 in the paper, and with random flips and crops of the
    samples, as the paper does.

    Args:
        inner_size: Size of the sample in pixels.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [EVP](https://arxiv.org/abs/2212.10556)
    """
    pattern = UniversalPattern("outside", activation=None)
    return InputReprogrammer(
        placement=Pad(inner_size), pattern=pattern, **kwargs
    )


def ilm_vp(inner_size: int = 128, **kwargs: Any) -> InputReprogrammer:
    """ILM-VP, Chen et al. 2023: `pad(x) + sigmoid(theta)` around the data.

    Its label map is `LabelMapper(mapping="iterative")`.

    Args:
        inner_size: Size of the sample in pixels: 32 for small pictures such
            as CIFAR's, 128 for others.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [ILM-VP](https://arxiv.org/abs/2211.11635)
    """
    return InputReprogrammer(
        placement=Pad(inner_size),
        pattern=UniversalPattern("outside", activation="sigmoid"),
        **kwargs,
    )


def auto_vp(
    inner_size: int = 128, scale: float = 1.0, **kwargs: Any
) -> InputReprogrammer:
    """AutoVP, Tsao et al. 2024: as ILM-VP, with a trained size of the data.

    The paper's search chooses the start `scale` from 0.5, 1 and 1.5.

    Args:
        inner_size: Size of the sample in pixels at scale 1.
        scale: The scale at which training starts.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [AutoVP](https://arxiv.org/abs/2310.08381)
    """
    return InputReprogrammer(
        placement=ScaledPad(inner_size, scale),
        pattern=UniversalPattern(activation="sigmoid"),
        **kwargs,
    )


def sample_specific_masks(
    filters: tuple[int, ...] = (8, 16, 32, 64),
    patch_size: int = 8,
    **kwargs: Any,
) -> InputReprogrammer:
    """SMM, Cai et al. 2024: a pattern under a mask of the sample's own.

    Args:
        filters: Channels of the mask network; `(8, 16, 32, 64, 128)` for
            vision transformers.
        patch_size: Pixels that share a value of the mask.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [Sample-specific Masks](https://arxiv.org/abs/2406.03150)
    """
    pattern = SampleMaskedPattern(filters, patch_size)
    return InputReprogrammer(pattern=pattern, **kwargs)


def black_vip(
    encoder: Any = None, strength: float = 1.0, **kwargs: Any
) -> InputReprogrammer:
    """BlackVIP, Oh et al. 2023: a prompt decoded from the sample's features.

    Args:
        encoder: A frozen encoder, as for `CoordinatorPattern`; the source
            itself if left out.
        strength: Factor of the prompt.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [BlackVIP](https://arxiv.org/abs/2303.14773)
    """
    pattern = CoordinatorPattern(encoder, strength)
    return InputReprogrammer(pattern=pattern, clip=True, **kwargs)


def watermark(**kwargs: Any) -> InputReprogrammer:
    """A pattern over the whole resized sample, without bounds.

    Args:
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [Sample-specific Masks](https://arxiv.org/abs/2406.03150), where it
          is the full watermark
    """
    return InputReprogrammer(
        pattern=UniversalPattern(activation=None), **kwargs
    )


def low_rank(rank: int = 4, **kwargs: Any) -> InputReprogrammer:
    """LoR-VP, Jin et al. 2025: a pattern of low rank over the whole sample.

    Args:
        rank: Rank of the pattern of each channel.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [LoR-VP](https://arxiv.org/abs/2502.00896)
    """
    pattern = UniversalPattern(activation=None, basis=LowRank(rank))
    return InputReprogrammer(pattern=pattern, **kwargs)


def overlaid_image(
    inner_size: int | tuple[int, int], **kwargs: Any
) -> InputReprogrammer:
    """A small sample laid over a trained image, and not framed by it.

    The pattern reaches under the sample too, where `ilm_vp` has it around the
    sample alone.

    Args:
        inner_size: Height and width that a sample is resized to, in pixels.
        **kwargs: Arguments of `InputReprogrammer`.

    References:
        - [Model reprogramming](https://arxiv.org/abs/2202.10629)
    """
    return InputReprogrammer(
        placement=Pad(inner_size), pattern="everywhere", **kwargs
    )


def overlaid_table(
    inner_size: int | None = None, **kwargs: Any
) -> InputReprogrammer:
    """Features of a table as tiles, laid over a trained image.

    Args:
        inner_size: Height and width of the mosaic of features in pixels.
        **kwargs: Arguments of `InputReprogrammer`; a `value_range` that fits
            the features among them.

    References:
        - Chen, Fan and Ye, Adversarial Reprogramming of Pretrained Neural
          Networks for Fraud Detection, CIKM 2021
    """
    return InputReprogrammer(
        placement=FeatureMosaic(inner_size), pattern="everywhere", **kwargs
    )


def rendered_tokens(
    vocabulary_size: int, patch_size: int = 16, **kwargs: Any
) -> InputReprogrammer:
    """Neekhara et al. 2022: a sequence of tokens as a picture.

    Args:
        vocabulary_size: Number of tokens.
        patch_size: Height and width of a token's patch in pixels.
        **kwargs: Arguments of `InputReprogrammer`; `target_shape=(length,)`
            among them.

    References:
        - [Cross-modal Adversarial Reprogramming](https://arxiv.org/abs/2102.07325)
    """
    return InputReprogrammer(
        placement=TokenPatches(vocabulary_size, patch_size),
        pattern=None,
        **kwargs,
    )


def voice2series(
    copies: int = 1,
    inner_size: int | None = None,
    dropout: float = 0.4,
    regularization: float = 0.05,
    region: str = "outside",
    seed: int | None = None,
    **kwargs: Any,
) -> InputReprogrammer:
    """Voice2Series, Yang et al. 2021: a series in a sound, `pad(x) + M theta`.

    One copy stands in the middle of the waveform, several at even distances;
    channels are laid one after the other. The pattern is without bounds, has
    dropout while it is trained and an L2 penalty. Its label map is
    `LabelMapper(num_classes, "identity", sources_per_target=m)` with `m` the
    number of source classes divided by that of target classes, rounded down.
    The paper trains with Adam, a learning rate of 0.05, batches of 32 and 100
    epochs.

    Args:
        copies: Number of copies of the series.
        inner_size: Number of steps to which the series, its channels one
            after the other, is resampled first: for one longer than the
            waveform. `None` keeps its own.
        dropout: Share of the pattern that is zero in a training step.
        regularization: L2 penalty of the pattern: its factor before the sum
            of squares.
        region: Where the pattern is free: `"outside"` of the data as in the
            paper, or `"everywhere"` as in its published code.
        seed: Seed of the dropout.
        **kwargs: Arguments of `InputReprogrammer`. `value_range` defaults to
            `None`: values as they are, which should be near those of a
            waveform, of -1 to 1.

    References:
        - [Voice2Series](https://arxiv.org/abs/2106.09296)
    """
    placement = Pad(inner_size) if copies == 1 else Tile(copies, inner_size)
    pattern = UniversalPattern(
        region,
        activation=None,
        initializer="glorot_uniform",
        regularizer=keras.regularizers.L2(regularization),
        dropout=dropout,
        seed=seed,
    )
    return InputReprogrammer(
        placement=ChannelConcatenation(placement),
        pattern=pattern,
        **{"value_range": None, **kwargs},
    )
