"""The layer that reprograms language models for time series (Time-LLM).

References:
    - Jin et al. 2024, [Time-LLM: Time Series Forecasting by Reprogramming
      Large Language Models](https://arxiv.org/abs/2310.01728)
"""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import length_and_channels
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.dtypes import is_float
from keras_reprogram.inputs.series import series_statistics
from keras_reprogram.inputs.series import text_prototypes
from keras_reprogram.inputs.series.missing_values import MASK
from keras_reprogram.inputs.series.missing_values import MISSING_VALUES
from keras_reprogram.inputs.series.missing_values import check_known
from keras_reprogram.inputs.series.missing_values import check_missing_values
from keras_reprogram.inputs.series.missing_values import interpolated
from keras_reprogram.inputs.series.missing_values import known_or_all
from keras_reprogram.inputs.series.missing_values import known_values
from keras_reprogram.inputs.series.series_pooling import CONCATENATE
from keras_reprogram.inputs.series.series_pooling import MEAN
from keras_reprogram.inputs.series.series_pooling import POOLINGS
from keras_reprogram.inputs.series.series_pooling import check_pooling
from keras_reprogram.inputs.series.series_pooling import describe_pooled
from keras_reprogram.inputs.series.series_pooling import mean_of_patches
from keras_reprogram.inputs.series.series_pooling import pooled_channels
from keras_reprogram.inputs.series.series_statistics import StatisticsPrompt
from keras_reprogram.inputs.series.standardization import standardize
from keras_reprogram.inputs.series.text_prototypes import TextPrototypes
from keras_reprogram.inputs.tokens.sequence_transformation import (
    SequenceTransformation,
)
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.source_embeddings import token_list
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import LONGEST_SEQUENCE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import gathered

HOW_TO_MAKE_A_SOURCE = 'TextSource(backbone, "sequence")'


@serializable
class SeriesReprogrammer(SequenceTransformation):
    """Converts time series to embeddings for a language model.

    ```
    x' = [prompt tokens, statistics of x, attention(patches of x, prototypes)]
    ```

    Every channel is a separate series, standardized by its mean and deviation.
    It is split into `P = floor((T - patch_length) / stride) + 2` patches, with
    its last value repeated at the end. Patches are embedded linearly and attend
    to prototypes of the source's words. The source is a
    `keras_reprogram.sources.TextSource`. For a `ForecastHead`, its `pooling` is
    `"sequence"`, and its outputs at the patches, `(batch, channels, P,
    features)`, are passed on. For a `LabelMapper` or a `RegressionHead`, of one
    prediction for a sample, `pooling` reduces them to `(batch, features)`.

    NaN marks missing values, if `missing_values` is set: readings that were
    not taken, and the padding of `keras_reprogram.inputs.padded_series`. Mean,
    deviation and statistics are those of the values that are there.

    The prompt differs from the paper's: the statistics are numbers, see
    `keras_reprogram.inputs.StatisticsPrompt`, and fixed text that describes the
    data or the task is passed as the source's tokens.

    Example:

    ```python
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=50,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=32,
    )  # stands for a pretrained one
    model = keras_reprogram.ReprogrammedModel(
        source=keras_reprogram.sources.TextSource(backbone, "sequence"),
        input_reprogrammer=keras_reprogram.inputs.SeriesReprogrammer(
            target_shape=(96, 7), prototypes=10
        ),
        label_mapper=keras_reprogram.outputs.ForecastHead(horizon=24),
    )
    model.compile("adam", "mse")
    past, future = np.random.rand(8, 96, 7), np.random.rand(8, 24, 7)
    model.fit(past, future, verbose=0)
    model.predict(past, verbose=0).shape  # (8, 24, 7)

    past[0, :60] = np.nan  # a series that began later
    classifier = keras_reprogram.ReprogrammedModel(
        source=keras_reprogram.sources.TextSource(backbone, "mean"),
        input_reprogrammer=keras_reprogram.inputs.SeriesReprogrammer(
            target_shape=(96, 7),
            prototypes=10,
            pooling="concatenate",
            missing_values="mask",
        ),
        label_mapper=keras_reprogram.LabelMapper(num_classes=3),
    )
    classifier.fit(past, np.arange(8) % 3, verbose=0)
    ```

    Args:
        target_shape: Tuple of two integers. Shape of a sample,
            `(length, channels)`.
        prototypes: Integer or `keras_reprogram.inputs.TextPrototypes`. Number
            of prototypes. Defaults to `1000`.
        patch_length: Integer. Number of steps of a patch. Defaults to `16`.
        stride: Integer. Number of steps from one patch to the next. Defaults to
            `8`.
        patch_width: Integer. Width of a patch's embedding before the attention.
            Defaults to `16`.
        prompt_tokens: List of integers. Source tokens in front of the patches.
            Defaults to `None`.
        statistics: Boolean or `keras_reprogram.inputs.StatisticsPrompt`.
            Whether the series' statistics follow the prompt tokens. Defaults to
            `True`.
        pooling: String. How the source's outputs become one vector for a
            sample: `"mean"`, over patches and channels, or `"concatenate"`,
            their mean over patches for one channel after the other. Patches
            that are masked are left out. Defaults to `None`: they are passed
            on by channel, as a `ForecastHead` takes them.
        missing_values: String. What is done with NaN: `"interpolate"` replaces
            missing values by those on the line between their neighbors, and
            before the first and after the last one by that value; `"mask"`
            also removes patches without any value from the source's sequence,
            by the padding mask, and sets its outputs there to 0. Defaults to
            `None`: NaN is a `ValueError`.
        seed: Integer. Seed of the patch embedding. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, length, channels)`.
        training: Boolean. Whether to apply the attention's dropout. Defaults to
            `None`.

    Returns:
        A dictionary of `"embeddings"`, `(batch * channels, steps, width)`,
        and `"padding_mask"`, `(batch * channels, steps)`, 0 for masked
        patches and otherwise 1.

    Raises:
        ValueError: If the source takes no embeddings or too short sequences, a
            sample is shorter than a patch, or a channel of a sample has no
            values.

    References:
        - [Time-LLM](https://arxiv.org/abs/2310.01728)
        - [PatchTST](https://arxiv.org/abs/2211.14730), for the patches
    """

    program_objects = {
        "prototypes": TextPrototypes,
        "statistics": StatisticsPrompt,
    }
    program_strings = {"pooling": POOLINGS, "missing_values": MISSING_VALUES}

    def __init__(
        self,
        target_shape: tuple[int, int],
        prototypes: int | TextPrototypes = 1000,
        patch_length: int = 16,
        stride: int = 8,
        patch_width: int = 16,
        prompt_tokens: Sequence[int] | None = None,
        statistics: bool | StatisticsPrompt = True,
        pooling: str | None = None,
        missing_values: str | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Without autocast, samples beyond float16's range are standardized
        # first.
        super().__init__(**{"autocast": False, **kwargs})
        self.target_shape = length_and_channels("target_shape", target_shape)
        self.prototypes = text_prototypes.get(prototypes)
        self.patch_length = positive_integer("patch_length", patch_length)
        self.stride = positive_integer("stride", stride)
        self.patch_width = positive_integer("patch_width", patch_width)
        self.prompt_tokens = None
        if prompt_tokens is not None:
            self.prompt_tokens = token_list("prompt_tokens", prompt_tokens)
        self.statistics = series_statistics.get(statistics)
        self.pooling = check_pooling(pooling)
        self.missing_values = check_missing_values(missing_values)
        self.seed = check_seed(seed)
        self.check_length()
        self.embed = keras.layers.Dense(
            self.patch_width,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            name="embed",
            dtype=self.dtype_policy,
        )

    def check_length(self) -> None:
        length = self.target_shape[0]
        if length < self.patch_length:
            raise ValueError(
                "A series must be at least as long as a patch: use a smaller "
                f"`patch_length`. Received: target_shape={self.target_shape}, "
                f"patch_length={self.patch_length}"
            )
        lags = self.statistics.num_lags if self.statistics else 0
        if length < 2 * lags:
            raise ValueError(
                "A series must be at least twice as long as the number "
                "of lags: pass "
                "`statistics=StatisticsPrompt(num_lags=...)`. Received: "
                f"target_shape={self.target_shape}, num_lags={lags}"
            )

    @property
    def num_patches(self) -> int:
        length = self.target_shape[0]
        return (length - self.patch_length) // self.stride + 2

    @property
    def _prefix_length(self) -> int:
        """Number of steps before the patches."""
        tokens = len(self.prompt_tokens or ())
        return tokens + (self.statistics.length if self.statistics else 0)

    @property
    def patch_steps(self) -> np.ndarray:
        """Indices of the steps in every patch, `[P, patch_length]`."""
        starts = self.stride * np.arange(self.num_patches)
        steps = starts[:, None] + np.arange(self.patch_length)
        # The last value is repeated beyond the end.
        steps = steps.clip(max=self.target_shape[0] - 1)
        return steps.astype("int32")

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        self.accept_embeddings(specification, HOW_TO_MAKE_A_SOURCE)
        self.check_steps(
            self._prefix_length + self.num_patches,
            specification.max_sequence_length,
            "shorten the series or the prompt, or use a greater `stride`",
            f"{self.num_patches} patches and {self._prefix_length} steps "
            "before them",
        )
        embeddings = self.source_embeddings
        embeddings.check_tokens("`prompt_tokens`", self.prompt_tokens or [])
        if not self.built:
            self.embed.build((None, None, self.patch_length))
            self.prototypes.build_on(embeddings, self.patch_width)
            if self.statistics:
                self.statistics.build_on(embeddings)
        self.built = True

    @property
    def sample_shape(self) -> Shape:
        return self.target_shape

    def check_values(self, samples: np.ndarray) -> None:
        if self.missing_values is not None:
            check_known(samples)

    def valid(self, samples: Tensor) -> Tensor | None:
        valid = super().valid(samples)
        if self.missing_values is None or valid is None:
            return valid
        has_values = ops.any(known_values(samples), axis=1)
        return ops.logical_and(valid, ops.all(has_values, axis=-1))

    @property
    def valid_values(self) -> str:
        if self.missing_values is None:
            return super().valid_values
        return f"{super().valid_values}, with a value in every channel"

    # === The layer ===

    def by_channel(self, samples: Tensor) -> Tensor:
        """Reshapes `(batch, length, channels)` to one row for a channel."""
        series = ops.transpose(samples, (0, 2, 1))
        return ops.reshape(series, (-1, self.target_shape[0]))

    def known(self, samples: Tensor) -> Tensor:
        """Returns the known values, by channel, or `None` for all of them."""
        if self.missing_values is None or not is_float(samples):
            return None
        return known_or_all(self.by_channel(known_values(samples)))

    def series(self, inputs: Tensor) -> Tensor:
        """Returns every channel as a series of mean 0 and deviation 1.

        Missing values are interpolated unless they are not allowed.
        """
        standardized, _, _ = standardize(inputs)
        series = self.by_channel(standardized)
        if self.missing_values is not None:
            known = self.by_channel(known_values(ops.convert_to_tensor(inputs)))
            series = interpolated(series, known)
        return ops.cast(series, self.compute_dtype)

    def _patch_mask(self, known: Tensor) -> Tensor:
        """Returns 0 for patches `(rows, P)` that are masked and otherwise 1.

        `None` if none of them can be masked.
        """
        if known is None or self.missing_values != MASK:
            return None
        values = gathered(ops.cast(known, "int32"), self.patch_steps)
        return ops.cast(known_or_all(ops.any(values > 0, axis=-1)), "int32")

    def call(self, inputs: Tensor, training: bool = False) -> dict[str, Tensor]:
        inputs = ops.convert_to_tensor(inputs)
        series, known = self.series(inputs), self.known(inputs)
        patches = self.embed(gathered(series, self.patch_steps))
        segments = [self.prototypes(patches, training=training)]
        if self.statistics:
            segments.insert(0, self.statistics(series, known))
        if self.prompt_tokens:
            rows = self.source_embeddings.rows(self.prompt_tokens)
            segments.insert(0, self.repeat(rows, series))
        embeddings = ops.concatenate(segments, axis=1)
        mask = ops.ones(ops.shape(embeddings)[:2], "int32")
        patch_mask = self._patch_mask(known)
        if patch_mask is not None:
            prefix = mask[:, : self._prefix_length]
            mask = ops.concatenate([prefix, patch_mask], axis=1)
        return {"embeddings": embeddings, "padding_mask": mask}

    # === The source's outputs ===

    def select_outputs(self, outputs: Tensor, samples: Tensor) -> Tensor:
        """Returns outputs at the patches by channel, or their pooling."""
        channels, features = self.target_shape[1], outputs.shape[-1]
        if len(outputs.shape) == 3:
            outputs = outputs[:, self._prefix_length :]
            mask = self._patch_mask(self.known(samples))
            if mask is not None:
                masked = ops.equal(mask, 0)[..., None]
                outputs = ops.where(masked, ops.zeros_like(outputs), outputs)
            if self.pooling is None:
                return ops.reshape(
                    outputs, (-1, channels, self.num_patches, features)
                )
            outputs = mean_of_patches(outputs, mask)
        outputs = ops.reshape(outputs, (-1, channels, features))
        if self.pooling is None:
            return outputs
        return pooled_channels(outputs, self.pooling)

    def describe_outputs(
        self, specification: SourceSpecification
    ) -> SourceSpecification:
        if self.pooling is None:
            return specification
        return describe_pooled(
            specification, self.pooling, self.target_shape[1]
        )

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        embeddings = SourceEmbeddings.of(
            specification,
            type(self).__name__,
            HOW_TO_MAKE_A_SOURCE,
        )
        check_size(self.target_shape, LARGEST_SAMPLE)
        check_size((self.num_patches, self.patch_length), LARGEST_SAMPLE)
        steps = self._prefix_length + self.num_patches
        check_size((steps,), LONGEST_SEQUENCE)
        embeddings.check_tokens("`prompt_tokens`", self.prompt_tokens or [])
        variables = [
            ExpectedVariable((self.patch_length, self.patch_width)),
            ExpectedVariable((self.patch_width,)),
            *self.prototypes.expected_variables(embeddings, self.patch_width),
        ]
        if self.statistics:
            variables += self.statistics.expected_variables(embeddings)
        return variables

    @property
    def inputs_per_sample(self) -> int:
        return self.target_shape[1]

    def expected_outputs(self, outputs_shape: Shape) -> Shape:
        features = outputs_shape[-1] or 0
        if self.pooling == MEAN:
            return (None, features)
        if self.pooling == CONCATENATE:
            return (None, self.target_shape[1] * features)
        steps = () if len(outputs_shape) == 2 else (self.num_patches,)
        return (None, self.target_shape[1], *steps, outputs_shape[-1])

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        was_folded = bool(ops.convert_to_numpy(self.prototypes.is_folded))
        self.prototypes.fold()
        try:
            yield
        finally:
            if not was_folded:
                self.prototypes.unfold()

    def compute_output_spec(
        self, inputs: keras.KerasTensor, training: bool = False
    ) -> dict[str, keras.KerasTensor]:
        batch, _, channels = inputs.shape
        rows = None if batch is None else batch * channels
        steps = self._prefix_length + self.num_patches
        return self.sequence_spec(rows, steps, self.source_embeddings.width)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "target_shape": self.target_shape,
            "prototypes": serialize(self.prototypes),
            "patch_length": self.patch_length,
            "stride": self.stride,
            "patch_width": self.patch_width,
            "prompt_tokens": self.prompt_tokens,
            "statistics": bool(self.statistics) and serialize(self.statistics),
            "pooling": self.pooling,
            "missing_values": self.missing_values,
            "seed": self.seed,
        }
