"""One program trained on several devices.

`fit` does it. On JAX and TensorFlow a `keras.distribution.DataParallel` or a
`tf.distribute.MirroredStrategy` is all that is added. On PyTorch each process
of `torch.distributed` fits on its share of the samples; start them by
`torchrun`. Gradients are averaged and the statistics of a label map added up
over all replicas, so that program and map are those of one device.

    KERAS_BACKEND=jax python examples/distributed.py
    KERAS_BACKEND=tensorflow python examples/distributed.py
    KERAS_BACKEND=torch torchrun --nproc-per-node 2 examples/distributed.py

All devices that the backend finds are used. To try it without any, let a
processor stand for several: on JAX
`XLA_FLAGS=--xla_force_host_platform_device_count=4`.
"""

import contextlib
import os

import common
import keras
import numpy as np

import keras_reprogram

BACKEND = keras.config.backend()


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "distributed")
    parser.add_argument("--canvas", type=int, default=96)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--test-samples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64, help="of all")
    options = parser.parse_args()
    if options.quick:
        options.canvas, options.samples, options.epochs = 32, 96, 1
        options.test_samples = 96
    rank, replicas, scope = join()
    images, labels = common.digits()
    order = np.random.default_rng(0).permutation(len(labels))
    train = order[: options.samples]
    test = order[options.samples :][: options.test_samples]
    keras.utils.set_random_seed(options.seed)
    with scope:
        model = keras_reprogram.ReprogrammedModel(
            common.load_classifier(options.preset),
            keras_reprogram.InputReprogrammer(
                (28, 28, 1), (options.canvas, options.canvas, 3)
            ),
            keras_reprogram.LabelMapper(10, "bayesian_plus"),
        )
        model.compile(
            keras.optimizers.Adam(0.02),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    share, batch_size = slice(None), options.batch_size
    if BACKEND == "torch":
        # As many samples for every process: what is left over is left out.
        whole = len(train) // replicas * replicas
        share, batch_size = slice(rank, whole, replicas), batch_size // replicas
    model.fit(
        images[train][share],
        labels[train][share],
        batch_size=batch_size,
        epochs=options.epochs,
        verbose=2 if rank == 0 else 0,
    )
    if rank == 0:
        predictions = model.predict(images[test], verbose=0).argmax(axis=1)
        result = {
            "backend": BACKEND,
            "replicas": replicas,
            "test_accuracy": common.accuracy(labels[test], predictions),
        }
        print(result)
        common.write_results([result], options.output)
    if BACKEND == "torch" and replicas > 1:
        import torch

        torch.distributed.destroy_process_group()


def join() -> tuple[int, int, contextlib.AbstractContextManager]:
    """This process's number, how many replicas there are, and their scope."""
    if BACKEND == "jax":
        distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(distribution)
        devices = len(keras.distribution.list_devices())
        return 0, devices, contextlib.nullcontext()
    if BACKEND == "tensorflow":
        import tensorflow as tf

        strategy = tf.distribute.MirroredStrategy()
        return 0, strategy.num_replicas_in_sync, strategy.scope()
    import torch

    replicas = int(os.environ.get("WORLD_SIZE", 1))
    if replicas > 1:
        kind = "nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(kind)
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    rank = int(os.environ.get("RANK", 0))
    return rank, replicas, contextlib.nullcontext()


if __name__ == "__main__":
    main()
