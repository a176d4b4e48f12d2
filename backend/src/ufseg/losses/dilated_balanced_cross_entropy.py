"""Dilated balanced cross entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ufseg.losses.base import SegmentationLoss, VoxelOptions
from ufseg.losses.class_weights import balanced_weights
from ufseg.losses.elements import Elements
from ufseg.losses.sample import Sample

if TYPE_CHECKING:
    from typing_extensions import Unpack


class DilatedBalancedCrossEntropyLoss(SegmentationLoss):
    """Cross entropy with inverse class frequencies that are counted on, and given to, dilated class masks.

    D_c = M_c dilated by a ball of the radius R, w_c = N / (K·|D_c|) over the K classes present, voxel weight
    W = Σ_c w_c·[voxel in D_c], loss = mean W·CE. A rare class thus also weighs on the voxels around it, where the
    errors happen. R = 0 is balanced cross entropy, R → ∞ plain cross entropy, and the mean of W is always 1 (with
    `overlap="sum"`).

    Source: arXiv 2412.06045 (BMC Med. Imaging 2026, 10.1186/s12880-026-02245-y). The publication states that weights
    are inverse frequencies on dilated masks, given to a class and its surroundings. The formula above and the options
    `overlap`, `dilate_background` and `batch` are **inferred**: the publication is not explicit there.

    Args:
        radius: R ≥ 0 in voxels, the same along every axis (a disk in 2D, a ball in 3D).
        overlap: where dilated masks overlap, "sum" adds the classes' weights, "max" takes the largest.
        dilate_background: dilate class 0 as well.
        batch: count frequencies over the whole batch instead of each sample.
        **options: see `SegmentationLoss`.
    """

    def __init__(
        self,
        radius: float = 5.0,
        *,
        overlap: Literal["sum", "max"] = "sum",
        dilate_background: bool = True,
        batch: bool = False,
        **options: Unpack[VoxelOptions],
    ) -> None:
        super().__init__(**options)
        if not radius >= 0:
            raise ValueError(f"radius must be at least 0 voxels, got {radius:g}.")
        if overlap not in ("sum", "max"):
            raise ValueError(f'overlap must be "sum" or "max", got {overlap!r}.')
        self.radius = radius
        self.overlap = overlap
        self.dilate_background = dilate_background
        self.batch = batch

    @torch.no_grad()
    def voxel_weights(self, sample: Sample) -> Tensor:
        """W of every voxel, [B, *space]."""
        masks = sample.target.masks()
        if sample.weight is not None:  # a voxel that does not count must not spread its class either
            masks = masks & (sample.weight > 0)
        dilated = dilate(masks, self.radius)
        if not self.dilate_background:
            dilated = torch.cat([masks[:, :1], dilated[:, 1:]], dim=1)
        members = dilated.to(sample.dtype)
        counted = members if sample.weight is None else members * sample.weight
        space = tuple(range(2, members.ndim))
        voxels = torch.ones_like(members[:, :1]) if sample.weight is None else sample.weight
        weights = balanced_weights(counted.sum(dim=space), voxels.sum(dim=space), batch=self.batch)
        spread = members * weights.reshape(*weights.shape, *(1 for _ in space))
        return spread.sum(dim=1) if self.overlap == "sum" else spread.amax(dim=1)

    def elements(self, sample: Sample) -> Elements:
        entropy = sample.target.contract(-sample.log_p)
        return Elements(self.voxel_weights(sample) * entropy, sample.voxel_weight())


def dilate(masks: Tensor, radius: float) -> Tensor:
    """Dilate bool [B, C, *space] by a Euclidean ball: true where a true voxel lies within `radius` voxels.

    The squared distance to the nearest true voxel is a minimum over one axis after the other, so the cost grows with
    radius · dimensions instead of radius ^ dimensions.
    """
    reach = int(min(radius, max(masks.shape[2:])))
    far = float(sum(size * size for size in masks.shape[2:])) + 1.0  # beyond any distance within the image
    squared = torch.where(masks, 0.0, far)
    for axis in range(2, masks.ndim):
        size = masks.shape[axis]
        nearest = squared.clone()
        for step in range(1, min(reach, size - 1) + 1):
            cost = float(step * step)
            low, high = nearest.narrow(axis, 0, size - step), nearest.narrow(axis, step, size - step)
            torch.minimum(low, squared.narrow(axis, step, size - step) + cost, out=low)
            torch.minimum(high, squared.narrow(axis, 0, size - step) + cost, out=high)
        squared = nearest
    return squared <= min(radius * radius, far - 0.5)
