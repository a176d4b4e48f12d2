"""The focal loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ufseg.losses.base import VoxelOptions
from ufseg.losses.class_weights import check_class_weights, rare_weigh
from ufseg.losses.classes import PerClass, check_range, per_class
from ufseg.losses.focal_family import FocalFamilyLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FocalLoss(FocalFamilyLoss):
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

    def class_weights(self, classes: int) -> tuple[float, ...] | None:
        return None if self.alpha is None else rare_weigh("alpha", self.alpha, classes)

    def gammas(self, classes: int) -> tuple[float, ...]:
        return per_class("gamma", self.gamma, classes)
