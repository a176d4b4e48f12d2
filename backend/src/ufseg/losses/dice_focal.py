"""Dice + focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ufseg.losses.base import RegionOptions
from ufseg.losses.classes import PerClass
from ufseg.losses.compound import CompoundLoss, voxel_options, weigh
from ufseg.losses.focal import FocalLoss
from ufseg.losses.tversky import DiceLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class DiceFocalLoss(CompoundLoss):
    """Dice loss + focal loss, or λ · focal + (1 − λ) · Dice.

    Source: Zhu et al. (AnatomyNet), Med. Phys. 46 (2019).

    Args:
        alpha, gamma: see `FocalLoss`.
        focal_weight: λ in [0, 1], the weight of the focal part; None adds the two.
        smooth: of the Dice part, see `DiceLoss`.
        **options: see `RegionLoss`.
    """

    def __init__(
        self,
        alpha: PerClass | None = None,
        gamma: PerClass = 2.0,
        *,
        focal_weight: float | None = None,
        smooth: float = 1e-6,
        **options: Unpack[RegionOptions],
    ) -> None:
        focal, dice = weigh(focal_weight)
        voxel = voxel_options(options)
        super().__init__(
            [(focal, FocalLoss(alpha, gamma, **voxel)), (dice, DiceLoss(smooth=smooth, **options))], **voxel
        )
