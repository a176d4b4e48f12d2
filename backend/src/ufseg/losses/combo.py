"""Combo loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ufseg.losses.base import RegionOptions, SegmentationLoss
from ufseg.losses.classes import PerClass, check_range
from ufseg.losses.compound import CompoundLoss, voxel_options
from ufseg.losses.cross_entropy import BalancedCrossEntropyLoss, CrossEntropyLoss
from ufseg.losses.tversky import DiceLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ComboLoss(CompoundLoss):
    """α · modified cross entropy − (1 − α) · Dice similarity coefficient. It is negative near a perfect prediction.

    Source: Taghanaki et al., Comput. Med. Imaging Graph. 75 (2019), as in the Unified Focal authors' code.

    Args:
        alpha: α in [0, 1], the weight of the cross entropy; None means cross entropy − Dice coefficient.
        beta: β in [0, 1] weighs the background's cross entropy and 1 − β every other class's, or one weight ≥ 0 per
            class; None for no weighting.
        smooth: of the Dice coefficient, see `DiceLoss`.
        **options: see `RegionLoss`.
    """

    def __init__(
        self,
        alpha: float | None = 0.5,
        beta: PerClass | None = 0.5,
        *,
        smooth: float = 1e-6,
        **options: Unpack[RegionOptions],
    ) -> None:
        if alpha is not None:
            check_range("alpha", alpha, 0, 1)
        voxel = voxel_options(options)
        entropy: SegmentationLoss = (
            CrossEntropyLoss(**voxel) if beta is None else BalancedCrossEntropyLoss(beta, **voxel)
        )
        weight, overlap = (1.0, 1.0) if alpha is None else (alpha, 1.0 - alpha)
        super().__init__([(weight, entropy), (overlap, DiceLoss(smooth=smooth, **options))], constant=-overlap, **voxel)
