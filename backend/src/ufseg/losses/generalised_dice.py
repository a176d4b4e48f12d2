"""The generalised Dice loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ufseg.losses.base import RegionOptions
from ufseg.losses.elements import Elements
from ufseg.losses.regions import RegionLoss, RegionSums, check_smooth

if TYPE_CHECKING:
    from typing_extensions import Unpack


class GeneralisedDiceLoss(RegionLoss):
    """1 − Σ_c w_c·2·tp_c / Σ_c w_c·(2·tp_c + fn_c + fp_c) with w_c = 1 / n_c², n_c the annotation's size.

    All classes share one quotient, so a sample (the batch, if `batch`) has one element. The weights are scaled so that
    the rarest present class has the weight 1. A class that is absent has no 1 / n²; it gets the weight 1 too, so that
    what is falsely predicted of it counts, or 0 with `skip_absent`.

    Source: Sudre, Li, Vercauteren, Ourselin, Cardoso, DLMIA 2017.

    Args:
        smooth: s > 0 in numerator and denominator, in voxels of the rarest class.
        **options: see `RegionLoss`.
    """

    def __init__(self, *, smooth: float = 1e-6, **options: Unpack[RegionOptions]) -> None:
        super().__init__(**options)
        check_smooth(smooth)
        self.smooth = smooth

    clips = False

    def region_elements(self, sums: RegionSums) -> Elements:
        weights = self._weights(sums.count)
        wrong = (weights * (sums.fn + sums.fp)).sum(dim=1)
        right = (weights * 2 * sums.tp).sum(dim=1)
        return Elements(wrong / (right + wrong + self.smooth))

    def _weights(self, count: Tensor) -> Tensor:
        present = count > 0
        size = count.where(present, float("inf"))
        rarest = size.amin(dim=1, keepdim=True)
        # (n_rarest / n)² instead of 1 / n²: the squares of large sizes would underflow in float32
        ratio = torch.where(present, rarest / size, 0.0 if self.skip_absent else 1.0)
        return ratio.square()
