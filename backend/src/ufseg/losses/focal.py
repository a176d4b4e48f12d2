"""The focal loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ufseg.losses.base import Elements, SegmentationLoss, VoxelOptions
from ufseg.losses.class_weights import check_class_weights, rare_weigh
from ufseg.losses.classes import PerClass, check_range, per_class
from ufseg.losses.modulation import focal_factor
from ufseg.losses.sample import Sample

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FocalLoss(SegmentationLoss):
    """Σ_c α_c (1 − P_c)^γ (−y_c ln P_c).

    Source: Lin, Goyal, Girshick, He, Dollár, ICCV 2017.

    Args:
        alpha: one number α in [0, 1] for every class c ≥ 1 with 1 − α for the background (Lin's definition), or one
            weight ≥ 0 per class; None for no weighting. (In the authors' code one number multiplies the whole loss.)
        gamma: focusing exponent ≥ 0; one number, or one per class. 0 gives cross entropy.
        **options: see `SegmentationLoss`.
    """

    def __init__(self, alpha: PerClass | None = None, gamma: PerClass = 2.0, **options: Unpack[VoxelOptions]) -> None:
        super().__init__(**options)
        check_class_weights("alpha", alpha)
        check_range("gamma", gamma, 0, math.inf, below_high=True)
        self.alpha = alpha
        self.gamma = gamma

    def elements(self, sample: Sample) -> Elements:
        target = sample.target
        values = -sample.log_p
        factor = focal_factor(target, sample.one_minus_p, per_class("gamma", self.gamma, sample.classes))
        if factor is not None:
            values = values * factor
        if self.alpha is not None:
            values = values * target.per_class(rare_weigh("alpha", self.alpha, sample.classes), sample.log_p)
        return Elements(target.contract(values), sample.voxel_weight())
