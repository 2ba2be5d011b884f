"""Iterative label mapping as a PyTorch script writes it: what a peer costs."""

from collections.abc import Callable

import keras
import numpy as np
import torch
from torch.nn import functional


def epoch(
    source: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    canvas: int,
    num_classes: int,
    batch_size: int,
) -> Callable[[], None]:
    """One epoch of a program around the data, with its pass for the map.

    Images are enlarged on the host to half of the canvas and framed by a
    program; before the epoch all of them go through the network once more, the
    predicted source classes are counted, and each target class in turn takes
    the source class that it shares most samples with.

    Args:
        source: A frozen Keras image classifier on PyTorch.
        images: Array `[samples, height, width, 1]` of 0 to 255.
        labels: Integer array `[samples]`.
        canvas: Height and width of the source's input.
        num_classes: Number of target classes.
        batch_size: Samples a step.

    Returns:
        A function that trains for one epoch.
    """
    inner = canvas // 2
    border = (canvas - inner) // 2
    device = source.weights[0].value.device
    program = torch.zeros(3, canvas, canvas, device=device, requires_grad=True)
    mask = torch.ones(3, canvas, canvas, device=device)
    mask[:, border : border + inner, border : border + inner] = 0
    optimizer = torch.optim.Adam([program], lr=0.01)

    def enlarged(rows: list) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = torch.stack([row for row, _ in rows]).float() / 255
        pixels = functional.interpolate(pixels, (inner, inner), mode="bilinear")
        pixels = pixels.expand(-1, 3, -1, -1)
        targets = torch.stack([target for _, target in rows])
        return pixels.to(device), targets.to(device)

    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(
            torch.tensor(images.transpose(0, 3, 1, 2)), torch.tensor(labels)
        ),
        batch_size,
        shuffle=True,
        collate_fn=enlarged,
    )

    def scores(pixels: torch.Tensor) -> torch.Tensor:
        x = functional.pad(pixels, (border,) * 4)
        x = (x + torch.sigmoid(program) * mask) * 2 - 1
        return source(x.permute(0, 2, 3, 1), training=False)

    def train() -> None:
        counts = torch.zeros(source.output_shape[-1], num_classes)
        with torch.no_grad():
            for pixels, targets in loader:
                predicted = scores(pixels).argmax(dim=1)
                for row, column in zip(predicted, targets):
                    counts[row, column] += 1
        sources = torch.zeros(num_classes, dtype=torch.int64, device=device)
        for _ in range(num_classes):
            row, column = divmod(int(counts.argmax()), num_classes)
            sources[column] = row
            counts[row], counts[:, column] = -1, -1
        for pixels, targets in loader:
            loss = functional.cross_entropy(scores(pixels)[:, sources], targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    return train
