"""Weighted sums of losses over the same prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from ufseg.losses.base import Elements, RegionOptions, SegmentationLoss, VoxelOptions
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

    def elements(self, sample: Sample) -> Elements:
        batch = sample.prediction.log_p.shape[0]
        total = torch.full((batch,), self.constant, dtype=sample.dtype, device=sample.prediction.log_p.device)
        for coefficient, part in zip(self.coefficients, self.parts, strict=True):
            if coefficient != 0:
                total = total + coefficient * cast("SegmentationLoss", part).elements(sample).shares(batch)
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
