"""Weighted sums of losses over the same prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ufseg.losses.base import RegionOptions, SegmentationLoss, VoxelOptions
from ufseg.losses.elements import Elements
from ufseg.losses.fused.voxel_sums import VoxelSums
from ufseg.losses.sample import Sample

if TYPE_CHECKING:
    from typing_extensions import Unpack


def voxel_options(options: RegionOptions) -> VoxelOptions:
    """The options that a voxel loss has, out of those of a region loss."""
    return cast(
        "VoxelOptions", {name: value for name, value in options.items() if name in VoxelOptions.__annotations__}
    )


class CompoundLoss(SegmentationLoss):
    """constant + Σ coefficient · mean(part). Its elements [B] are each sample's contribution.

    Args:
        parts: coefficient and loss of each part; a part with coefficient 0 is not computed.
        constant: added to every element.
        **options: see `SegmentationLoss`.
    """

    def __init__(
        self,
        parts: Sequence[tuple[float, SegmentationLoss]],
        *,
        constant: float = 0.0,
        **options: Unpack[VoxelOptions],
    ) -> None:
        super().__init__(**options)
        self.coefficients = tuple(coefficient for coefficient, _ in parts)
        self.parts = nn.ModuleList(part for _, part in parts)
        self.constant = constant

    has_region = True

    def active(self) -> list[tuple[float, SegmentationLoss]]:
        """Coefficient and loss of the parts that are computed."""
        pairs = zip(self.coefficients, self.parts, strict=True)
        return [(coefficient, cast("SegmentationLoss", part)) for coefficient, part in pairs if coefficient != 0]

    def elements(self, sample: Sample) -> Elements:
        batch = sample.prediction.log_p.shape[0]
        return self._add([(c, part.elements(sample).shares(batch)) for c, part in self.active()], sample.log_p)

    @property
    def has_fused_form(self) -> bool:
        """One pass computes one focal sum, so there may be one voxel part."""
        parts = [part for _, part in self.active()]
        return all(part.has_fused_form for part in parts) and sum(not part.has_region for part in parts) <= 1

    def focal_exponents(self, classes: int) -> tuple[float, ...] | None:
        voxel_parts = [part for _, part in self.active() if not part.has_region]
        return voxel_parts[0].focal_exponents(classes) if voxel_parts else None

    def elements_of_sums(self, sums: VoxelSums) -> Elements:
        batch = sums.count.shape[0]
        return self._add([(c, part.elements_of_sums(sums).shares(batch)) for c, part in self.active()], sums.count)

    def _add(self, parts: list[tuple[float, Tensor]], like: Tensor) -> Elements:
        total = torch.full((like.shape[0],), self.constant, dtype=like.dtype, device=like.device)
        for coefficient, shares in parts:
            total = total + coefficient * shares
        return Elements(total)


def weigh(focal_weight: float | None) -> tuple[float, float]:
    """Coefficients of the focal and of the region part: λ and 1 − λ, or 1 and 1 (plain sum) for None.

    Raises:
        ValueError: if λ lies outside [0, 1].
    """
    if focal_weight is None:
        return 1.0, 1.0
    if not 0 <= focal_weight <= 1:
        raise ValueError(f"focal_weight must lie in [0, 1], got {focal_weight:g}.")
    return float(focal_weight), 1.0 - focal_weight
