"""The log-likelihood ratio: whether to train a program or a probe."""

import dataclasses

import keras
import numpy as np

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.diagnostics.labels import class_indices
from keras_reprogram.diagnostics.labels import target_columns
from keras_reprogram.diagnostics.logme import logme
from keras_reprogram.diagnostics.passes import planned_passes
from keras_reprogram.diagnostics.passes import target_shape
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.models import batches
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.probabilities import as_features
from keras_reprogram.progress import Progress
from keras_reprogram.representation import constructor_call
from keras_reprogram.sources import inspect_source
from keras_reprogram.typing import Data
from keras_reprogram.typing import Shape

PROGRAMS = ("gaussian", "gradient", "trained", "current")
# The paper's share of the canvas for the sample: 192 of 224 pixels.
INNER_SHARE = 192 / 224
LEARNING_RATE = 0.1


@dataclasses.dataclass(frozen=True)
class ProgramGain:
    """The evidence of a program and that of a probe.

    Attributes:
        program: String. How the program was found.
        program_evidence: Float. LogME of the source's outputs under the
            program.
        probe_evidence: Float. LogME of the features of plain samples.
    """

    program: str
    program_evidence: float
    probe_evidence: float

    __repr__ = constructor_call

    @property
    def gain(self) -> float:
        """The log-likelihood ratio of a sample."""
        return self.program_evidence - self.probe_evidence

    @property
    def pays(self) -> bool:
        """Whether the ratio is in favor of a program."""
        return self.gain > 0


def program_gain(
    source: keras.Model,
    x: Data,
    y: Data,
    program: str = "gaussian",
    input_transformation: InputTransformation | None = None,
    plain_transformation: InputTransformation | None = None,
    scale: float = 10.0,
    epochs: int = 1,
    batch_size: int = 32,
    seed: int = 0,
) -> ProgramGain:
    """Returns whether training a program is likely to beat a linear probe.

    The log-likelihood ratio (LLR) is the difference of two log evidences, see
    `logme`, of the labels given

    - the source's logits for samples with a program,
    - the features before the source's last layer, for samples without one.

    If it is positive, train a program and a linear label map; if it is
    negative, a linear map of the features. The program is not the trained one,
    which would cost as much as training, but an approximation:

    | `program` | variables of the input transformation |
    |---|---|
    | `"gaussian"` | random numbers with standard deviation `scale` |
    | `"gradient"` | one step of length `scale` in each variable, by the sign of the loss's gradient over all samples |
    | `"trained"` | trained for `epochs` epochs |
    | `"current"` | those of the model that was passed |

    For the gradient, the label map is the closed-form one for the initial
    program. Only the order of magnitude of the ratio is comparable between
    tasks.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    hidden = keras.layers.Conv2D(8, 3, 2, activation="relu")(inputs)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    source = keras.Model(inputs, keras.layers.Dense(6)(hidden))

    images = np.random.randint(0, 256, size=(30, 8, 8, 3), dtype="uint8")
    labels = np.arange(30) % 3
    found = keras_reprogram.diagnostics.program_gain(source, images, labels)
    found.gain == found.program_evidence - found.probe_evidence  # True
    ```

    Args:
        source: `keras.Model`. A pretrained classifier whose last layer is
            dense; or a `ReprogrammedModel`, for its source and its input
            transformation, which is not changed.
        x: Array or tensor of samples.
        y: Array or tensor of labels, as for `logme`.
        program: String. See the table. Defaults to `"gaussian"`.
        input_transformation: `InputTransformation`. What the program is part
            of. Defaults to `None`: that of a `ReprogrammedModel`; for another
            source, samples on 192/224 of the canvas with a pattern around
            them, the paper's.
        plain_transformation: `InputTransformation`. That of the probe.
            Defaults to `None`, an `InputReprogrammer` without a pattern, which
            resizes samples to the whole canvas.
        scale: Float. Standard deviation of a Gaussian program, length of the
            gradient step. With the default of `10`, a bounded pattern is close
            to its bounds, as in the paper.
        epochs: Integer. For `"trained"`. Defaults to `1`.
        batch_size: Integer. Defaults to `32`.
        seed: Integer. Seed of a Gaussian program. Defaults to `0`.

    Returns:
        A `ProgramGain`.

    Raises:
        ValueError: If the source does not end in a `Dense` layer, the input
            transformation has no trained variables, or an argument is not
            valid.

    References:
        - [When does visual prompting outperform linear probing?](https://arxiv.org/abs/2409.01821)
    """  # noqa: E501
    if program not in PROGRAMS:
        raise ValueError(
            f"`program` must be one of {PROGRAMS}. Received: "
            f"program={program!r}"
        )
    number("scale", scale, 0.0)
    positive_integer("epochs", epochs)
    check_seed(seed)
    x, y = batches.unwrap_single(x), batches.unwrap_single(y)
    if not batches.is_array(x):
        raise ValueError(
            "`x` must be an array of samples. Received: x of type "
            f"{type(x).__name__}"
        )
    labels = batches.to_numpy(y)
    given = input_transformation
    if isinstance(source, ReprogrammedModel):
        given = given or source.input_reprogrammer
        source = source.source
    elif program == "current" and not getattr(given, "built", False):
        raise ValueError(
            '`program="current"` needs a `ReprogrammedModel`, or an '
            "`input_transformation` that is built. Received: source of type "
            f"{type(source).__name__}, input_transformation={given}"
        )
    if given is None:
        given = framed(inspect_source(source).preferred_shape, x)
    plain = plain_transformation or without_pattern(given)
    model = model_with(source, given, labels)
    if program != "current":
        change_program(
            model, x, labels, program, scale, epochs, batch_size, seed
        )
    logits = as_features(
        model.predict_source(x, batch_size=batch_size),
        inspect_source(source).activation,
        np,
    )
    return ProgramGain(
        program,
        logme(logits, labels),
        logme(features_of(source, plain, x, batch_size), labels),
    )


def framed(shape: Shape, x: Data) -> InputTransformation:
    """Returns the paper's input transformation: a pattern around a sample.

    Args:
        shape: Tuple of integers. Shape of the source's input.
        x: Samples.
    """
    sizes = [size for size in shape if size is not None]
    if len(shape) != 3 or len(sizes) != 3:
        raise ValueError(
            "There is a default program for images alone: pass an "
            "`input_transformation` with its `source_shape`. Received: a "
            f"source with inputs of shape {shape}"
        )
    is_first = keras.config.image_data_format() == "channels_first"
    spatial = sizes[1:] if is_first else sizes[:2]
    inner = tuple(max(round(size * INNER_SHARE), 1) for size in spatial)
    return InputReprogrammer(
        target_shape(x, len(shape)),
        shape,
        placement=Pad(inner),
        pattern=UniversalPattern("outside", activation="sigmoid"),
    )


def without_pattern(given: InputTransformation) -> InputTransformation:
    """Returns the input transformation of a probe."""
    if not isinstance(given, InputReprogrammer):
        raise ValueError(
            "Pass the probe's own input transformation as "
            "`plain_transformation`: only that of an `InputReprogrammer` is "
            "known. Received: input_transformation of type "
            f"{type(given).__name__}"
        )
    config = {**given.get_config(), "pattern": None}
    if isinstance(given.placement, (Pad, ScaledPad)):
        config["placement"] = "resize"
    return InputReprogrammer.from_config(config)


def model_with(
    source: keras.Model, given: InputTransformation, labels: np.ndarray
) -> ReprogrammedModel:
    """Returns a model with a copy of an input transformation."""
    classes = class_indices(labels)
    transformation = type(given).from_config(given.get_config())
    mapping: LabelMapper | RegressionHead
    if classes is None:
        mapping = RegressionHead(target_columns(labels).shape[1])
    else:
        mapping = LabelMapper(int(classes.max()) + 1)
    model = ReprogrammedModel(source, transformation, mapping, compile=False)
    if given.built:
        transformation.set_weights(given.get_weights())
    return model


def change_program(
    model: ReprogrammedModel,
    x: Data,
    labels: np.ndarray,
    program: str,
    scale: float,
    epochs: int,
    batch_size: int,
    seed: int,
) -> None:
    """Gives the input transformation of a model an approximate program."""
    transformation = model.input_reprogrammer
    if not transformation.trainable_variables:
        raise ValueError(
            "The input transformation must have variables to train, such as "
            "those of a pattern. Received: "
            f"{type(transformation).__name__} without any"
        )
    if program == "gaussian":
        generator = np.random.default_rng(seed)
        for variable in transformation.trainable_variables:
            variable.assign(generator.normal(0.0, scale, variable.shape))
        return
    classes = class_indices(labels)
    if classes is None:
        loss: keras.losses.Loss = keras.losses.MeanSquaredError()
        y = target_columns(labels)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        y = classes
    optimizer: keras.optimizers.Optimizer
    if program == "gradient":
        # The first step of Lion is the sign of the gradient, here that of all
        # batches.
        optimizer = keras.optimizers.Lion(
            scale, gradient_accumulation_steps=accumulated(len(x), batch_size)
        )
        epochs = 1
    else:
        optimizer = keras.optimizers.Adam(LEARNING_RATE)
    model.compile(optimizer, loss)
    model.adapt(x, y, verbose=0)
    model.label_mapper.trainable = False
    model.compile(optimizer, loss)
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)


def accumulated(samples: int, batch_size: int) -> int | None:
    """Returns the number of batches of an epoch, `None` for a single one."""
    number = -(-samples // batch_size)
    return number if number > 1 else None


def features_of(
    source: keras.Model, plain: InputTransformation, x: Data, batch_size: int
) -> np.ndarray:
    (plan,) = planned_passes({source.name: (source, plain)})
    arrays, _ = plan.run(
        x,
        np.zeros(len(x), int),
        ["features"],
        batch_size,
        Progress("Computing features", None, verbose=0),
    )
    if "features" not in arrays:
        raise ValueError(
            "`source` must be a classifier whose last layer is dense: the "
            "probe is one of its features. Received: a source that ends in "
            f"{source.name}"
        )
    return arrays["features"]
