"""The elements that a loss averages, as tensors or already summed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Elements(NamedTuple):
    """The elements of a loss, before reduction.

    Attributes:
        values: [B, *space] of a voxel loss, [B or 1, C] of a region loss, [B] of a compound loss.
        weights: how much each element counts, same shape; None if all count 1.
    """

    values: Tensor
    weights: Tensor | None = None

    def none(self) -> Tensor:
        return self.values if self.weights is None else self.values * self.weights

    def sum(self) -> Tensor:
        return self.none().sum()

    def mean(self) -> Tensor:
        """Weighted mean; 0 if nothing counts."""
        return self.values.mean() if self.weights is None else self.sum() / _total(self.weights)

    def shares(self, batch: int) -> Tensor:
        """What each sample adds to the mean, times the batch size: [B], so that their mean is `mean()`."""
        if self.values.shape[0] != batch:  # region sums over the whole batch belong to all its samples
            return self.mean().expand(batch)
        if self.weights is None:
            return self.values.flatten(1).mean(dim=1)
        return self.none().flatten(1).sum(dim=1) * (batch / _total(self.weights))


class VoxelTotals(NamedTuple):
    """The elements of a voxel loss, of which only the sums per sample are known.

    Attributes:
        values: sum of weight times value [B].
        weights: sum of the weights [B].
    """

    values: Tensor
    weights: Tensor

    def sum(self) -> Tensor:
        return self.values.sum()

    def mean(self) -> Tensor:
        """Weighted mean; 0 if nothing counts."""
        return self.sum() / _total(self.weights)

    def shares(self, batch: int) -> Tensor:
        """See `Elements.shares`."""
        return self.values * (batch / _total(self.weights))


def _total(weights: Tensor) -> Tensor:
    return weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
