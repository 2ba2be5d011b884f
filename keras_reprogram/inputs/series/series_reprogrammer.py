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
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.series import text_prototypes
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
    `keras_reprogram.sources.TextSource` with `pooling="sequence"`; its outputs
    at the patches, `(batch, channels, P, features)`, are passed on.

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
        seed: Integer. Seed of the patch embedding. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, length, channels)`.
        training: Boolean. Whether to apply the attention's dropout. Defaults to
            `None`.

    Returns:
        A dictionary of `"embeddings"`, `(batch * channels, steps, width)`,
        and `"padding_mask"`, `(batch * channels, steps)`, of ones.

    Raises:
        ValueError: If the source takes no embeddings or too short sequences, or
            a sample is shorter than a patch.

    References:
        - [Time-LLM](https://arxiv.org/abs/2310.01728)
        - [PatchTST](https://arxiv.org/abs/2211.14730), for the patches
    """

    program_objects = {
        "prototypes": TextPrototypes,
        "statistics": StatisticsPrompt,
    }

    def __init__(
        self,
        target_shape: tuple[int, int],
        prototypes: int | TextPrototypes = 1000,
        patch_length: int = 16,
        stride: int = 8,
        patch_width: int = 16,
        prompt_tokens: Sequence[int] | None = None,
        statistics: bool | StatisticsPrompt = True,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Without autocast, samples beyond float16's range are standardized
        # first.
        super().__init__(**{"autocast": False, **kwargs})
        self.target_shape = positive_integers("target_shape", target_shape)
        if len(self.target_shape) != 2:
            raise ValueError(
                "`target_shape` must be (length, channels), with one channel "
                f"for a single series. Received: target_shape={target_shape!r}"
            )
        self.prototypes = text_prototypes.get(prototypes)
        self.patch_length = positive_integer("patch_length", patch_length)
        self.stride = positive_integer("stride", stride)
        self.patch_width = positive_integer("patch_width", patch_width)
        self.prompt_tokens = None
        if prompt_tokens is not None:
            self.prompt_tokens = token_list("prompt_tokens", prompt_tokens)
        self.statistics = get_statistics(statistics)
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
    def prefix_length(self) -> int:
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
        self.accept_embeddings(
            specification, 'TextSource(backbone, "sequence")'
        )
        self.check_steps(
            self.prefix_length + self.num_patches,
            specification.max_sequence_length,
            "shorten the series or the prompt, or use a greater `stride`",
            f"{self.num_patches} patches and {self.prefix_length} steps before "
            "them",
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

    def series(self, inputs: Tensor) -> Tensor:
        """Returns every channel as a series of mean 0 and deviation 1."""
        standardized, _, _ = standardize(inputs)
        series = ops.transpose(standardized, (0, 2, 1))
        series = ops.reshape(series, (-1, self.target_shape[0]))
        return ops.cast(series, self.compute_dtype)

    def call(self, inputs: Tensor, training: bool = False) -> dict[str, Tensor]:
        series = self.series(inputs)
        patches = self.embed(gathered(series, self.patch_steps))
        segments = [self.prototypes(patches, training=training)]
        if self.statistics:
            segments.insert(0, self.statistics(series))
        if self.prompt_tokens:
            rows = self.source_embeddings.rows(self.prompt_tokens)
            segments.insert(0, self.repeat(rows, series))
        embeddings = ops.concatenate(segments, axis=1)
        mask = ops.ones(ops.shape(embeddings)[:2], "int32")
        return {"embeddings": embeddings, "padding_mask": mask}

    def select_outputs(self, outputs: Tensor, samples: Tensor) -> Tensor:
        """Returns outputs at the patches, channel by channel."""
        channels, features = self.target_shape[1], outputs.shape[-1]
        if len(outputs.shape) == 2:
            return ops.reshape(outputs, (-1, channels, features))
        return ops.reshape(
            outputs[:, self.prefix_length :],
            (-1, channels, self.num_patches, features),
        )

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        embeddings = SourceEmbeddings.of(
            specification,
            type(self).__name__,
            'TextSource(backbone, "sequence")',
        )
        check_size(self.target_shape, LARGEST_SAMPLE)
        check_size((self.num_patches, self.patch_length), LARGEST_SAMPLE)
        steps = self.prefix_length + self.num_patches
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
        steps = self.prefix_length + self.num_patches
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
            "seed": self.seed,
        }


def get_statistics(
    identifier: bool | dict[str, Any] | StatisticsPrompt,
) -> StatisticsPrompt | None:
    """Returns a statistics prompt, or `None`."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, StatisticsPrompt):
        return identifier
    if isinstance(identifier, (bool, np.bool_)):
        return StatisticsPrompt() if identifier else None
    raise ValueError(
        "`statistics` must be `True`, `False` or a `StatisticsPrompt`. "
        f"Received: statistics={identifier!r}"
    )
