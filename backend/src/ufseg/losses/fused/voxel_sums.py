"""The sums that the fused losses are made of, as a differentiable function of the logits."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ufseg.losses.fused import torch_passes
from ufseg.losses.fused.batch import Batch
from ufseg.losses.fused.choice import has_numba
from ufseg.losses.sample import check_prediction, class_indices, with_channel


@dataclass(frozen=True)
class VoxelSums:
    """Sums over the voxels of a sample, each [B, C], times the voxel weights w where there are any.

    Attributes:
        count: Σ y; has no gradient.
        fn: Σ y (1 − p).
        fp: Σ (1 − y) p.
        focal: Σ y (1 − p)^e (−log p), e per class.
        voxels: number of voxels of a sample if none is weighted, else None.
    """

    count: Tensor
    fn: Tensor
    fp: Tensor
    focal: Tensor
    voxels: int | None

    def weights(self) -> Tensor:
        """Sum of each sample's voxel weights [B]."""
        if self.voxels is None:
            return self.count.sum(dim=1)
        return self.count.new_full(self.count.shape[:1], self.voxels)


def read_batch(logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int | None) -> Batch:
    """Check shapes and types.

    Args:
        logits: [B, C, *space].
        target: class indices [B, *space] or [B, 1, *space].
        weight: voxel weights [B, *space] or [B, 1, *space], or None.
        ignore_index: class index of voxels that do not count, or None.

    Raises:
        ValueError, TypeError: if they do not fit.
    """
    check_prediction(logits)
    logits = logits.as_subclass(Tensor)  # MONAI's MetaTensor and the like would carry their metadata through each block
    indices = class_indices(logits, target.as_subclass(Tensor)).flatten(1)
    voxel_weight = None if weight is None else with_channel(weight.as_subclass(Tensor), logits, "weight map").flatten(1)
    return Batch(logits.flatten(2), indices, voxel_weight, ignore_index)


def voxel_sums(batch: Batch, exponents: tuple[float, ...] | None, *, region: bool) -> VoxelSums:
    """All sums in one pass over the logits.

    Args:
        batch: the batch.
        exponents: e per class of the focal sum; None leaves it at 0.
        region: whether fn and fp are wanted; otherwise they stay at 0.

    Raises:
        ValueError: if a class index has no channel. (On a GPU the sums are NaN instead: looking would synchronise it.)
    """
    count, fn, fp, focal = _FusedSums.apply(batch.logits, batch, exponents, region)  # type: ignore[no-untyped-call]
    return VoxelSums(count, fn, fp, focal, None if batch.weighted else batch.target.shape[1])


def passes(batch: Batch) -> ModuleType:
    """The module that computes this batch."""
    if batch.logits.device.type != "cpu":
        from ufseg.losses.fused import triton_passes  # Triton exists only on Linux, and takes time to import

        return triton_passes
    if has_numba():
        from ufseg.losses.fused import compiled_passes

        if compiled_passes.suits(batch):
            return compiled_passes
    return torch_passes


class _FusedSums(torch.autograd.Function):
    """Logits [B, C, V] → sums [4, B, C]."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, batch: Batch, exponents: tuple[float, ...] | None, region: bool) -> Tensor:
        ctx.save_for_backward(logits, batch.target, batch.weight)
        ctx.options = batch.ignore_index, exponents, region
        sums: Tensor = passes(batch).sum_voxels(batch, exponents, region=region)
        return sums.to(batch.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None, None, None]:
        logits, target, weight = ctx.saved_tensors
        ignore_index, exponents, region = ctx.options
        batch = Batch(logits, target, weight, ignore_index)
        gradient: Tensor = passes(batch).logit_gradient(batch, exponents, slopes, region=region)
        return gradient, None, None, None
