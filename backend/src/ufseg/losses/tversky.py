"""Overlap losses: Tversky, asymmetric similarity, Dice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ufseg.losses.base import RegionOptions
from ufseg.losses.classes import PerClass, check_range, per_class
from ufseg.losses.elements import Elements
from ufseg.losses.regions import RegionLoss, RegionSums, check_smooth, tversky_error

if TYPE_CHECKING:
    from typing_extensions import Unpack


class TverskyLoss(RegionLoss):
    """Mean over samples and classes of 1 − (tp + s) / (tp + δ·fn + (1−δ)·fp + s).

    Source: Salehi, Erdogmus, Gholipour, MLMI 2017, whose β is δ and whose α is 1 − δ.

    Args:
        delta: weight of false negatives in [0, 1]; above .5 it favours recall. One number, or one per class.
        smooth: s > 0, in voxels.
        **options: see `RegionLoss`.
    """

    def __init__(self, delta: PerClass = 0.7, *, smooth: float = 1e-6, **options: Unpack[RegionOptions]) -> None:
        super().__init__(**options)
        check_range("delta", delta, 0, 1)
        check_smooth(smooth)
        self.delta = delta
        self.smooth = smooth

    clips = False

    def region_elements(self, sums: RegionSums) -> Elements:
        u = tversky_error(sums, per_class("delta", self.delta, sums.classes), self.smooth)
        return self.present_only(u, sums)


class AsymmetricSimilarityLoss(TverskyLoss):
    """Mean of 1 − F_β, F_β = (1+β²)·tp / ((1+β²)·tp + β²·fn + fp): the Tversky loss at δ = β² / (1 + β²).

    Source: Hashemi, Salehi, Erdogmus, Prabhu, Warfield, Gholipour, IEEE Access 7 (2019).

    Args:
        beta: β > 0; above 1 it favours recall.
        smooth: s > 0, in voxels, on the Tversky scale.
        **options: see `RegionLoss`.
    """

    def __init__(self, beta: float = 1.5, *, smooth: float = 1e-6, **options: Unpack[RegionOptions]) -> None:
        if not 0 < beta < float("inf"):
            raise ValueError(f"beta must be greater than 0, got {beta:g}.")
        super().__init__(beta * beta / (1 + beta * beta), smooth=smooth, **options)
        self.beta = beta


class DiceLoss(TverskyLoss):
    """Mean over samples and classes of 1 − (tp + s) / (tp + ½·fn + ½·fp + s): the Tversky loss at δ = ½.

    In the form 2·tp / (2·tp + fn + fp) the smoothing constant is 2·s.

    Source: Milletari, Navab, Ahmadi, 3DV 2016, without squares, as in the Unified Focal authors' code.

    Args:
        smooth: s > 0, in voxels.
        **options: see `RegionLoss`.
    """

    def __init__(self, *, smooth: float = 1e-6, **options: Unpack[RegionOptions]) -> None:
        super().__init__(0.5, smooth=smooth, **options)
