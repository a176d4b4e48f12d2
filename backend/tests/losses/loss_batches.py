"""Batches for the loss tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SHAPES = [(2, 1, 6, 5), (2, 2, 6, 5), (1, 4, 6, 5), (2, 1, 3, 4, 5), (2, 3, 3, 4, 5)]
"""[B, C, *space] in 2D and 3D, from a single channel to four classes."""


def batch(
    shape: Sequence[int], seed: int = 0, scale: float = 2.0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Random logits of `shape` and class indices [B, *space] in which every class occurs in every sample."""
    generator = torch.Generator().manual_seed(seed)
    classes = max(shape[1], 2)
    logits = scale * torch.randn(*shape, generator=generator, dtype=dtype)
    voxels = int(torch.tensor(shape[2:]).prod())
    labels = torch.randint(classes, (shape[0], voxels), generator=generator)
    labels[:, :classes] = torch.arange(classes)
    order = torch.randperm(voxels, generator=generator)
    return logits, labels[:, order].reshape(shape[0], *shape[2:])


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """[B, *space] → [B, C, *space], uint8."""
    return F.one_hot(labels.long(), classes).movedim(-1, 1).to(torch.uint8)


def confident_logits(labels: Tensor, classes: int, size: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Logits [B, C, *space] of `size` for the labelled class and −size for the others (wrong for negative sizes)."""
    return (one_hot(labels, classes).to(dtype) * 2 - 1) * size
