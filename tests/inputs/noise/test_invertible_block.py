import numpy as np
from keras import ops

from keras_reprogram.inputs.noise.invertible_block import InvertibleBlock


def test_a_block_starts_from_the_identity():
    block = InvertibleBlock(seed=0)
    vectors = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(block(vectors)), vectors)


def test_the_inverse_of_a_trained_block_returns_its_inputs():
    block = InvertibleBlock(seed=0)
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(4, 8)).astype("float32")
    block(vectors)
    for layer in (block.inner, block.outer):
        kernel = generator.normal(size=(8, 8)).astype("float32")
        layer.kernel.assign(
            layer.kernel_constraint(ops.convert_to_tensor(kernel))
        )
        layer.bias.assign(generator.normal(size=8))
    outputs = block(vectors)
    assert np.abs(ops.convert_to_numpy(outputs) - vectors).max() > 0.1
    found = ops.convert_to_numpy(block.inverse(outputs))
    np.testing.assert_allclose(found, vectors, atol=1e-4)


def test_seeds_make_blocks_that_differ():
    one, same, other = (InvertibleBlock(seed) for seed in (1, 1, 2))
    for block in (one, same, other):
        block.build((None, 8))
    kernels = [
        ops.convert_to_numpy(block.inner.kernel) for block in (one, same, other)
    ]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()
    # Within the limit from the start.
    assert np.linalg.norm(kernels[0], 2) < 0.91
