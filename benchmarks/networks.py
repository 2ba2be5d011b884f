"""Networks of KerasHub with random weights: a step of them costs the same."""

import keras_hub


def resnet(shape: tuple[int, ...], blocks: list[int], kind: str):
    """A ResNet of 1,000 classes."""
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=blocks,
        stackwise_num_strides=[1, 2, 2, 2],
        block_type=kind,
        image_shape=shape,
    )
    return keras_hub.models.ImageClassifier(backbone, 1000)


def vit(shape: tuple[int, ...], heads: int):
    """A vision transformer of 1,000 classes, 64 values a head."""
    backbone = keras_hub.models.ViTBackbone(
        image_shape=shape,
        patch_size=16,
        num_layers=12,
        num_heads=heads,
        hidden_dim=64 * heads,
        mlp_dim=256 * heads,
    )
    return keras_hub.models.ViTImageClassifier(backbone, 1000)


NETWORKS = {
    "resnet18": lambda shape: resnet(shape, [2, 2, 2, 2], "basic_block"),
    "resnet50": lambda shape: resnet(shape, [3, 4, 6, 3], "bottleneck_block"),
    "vit_tiny": lambda shape: vit(shape, 3),
    "vit_base": lambda shape: vit(shape, 12),
}
