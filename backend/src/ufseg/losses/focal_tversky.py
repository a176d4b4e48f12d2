"""The focal Tversky loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ufseg.losses.base import RegionOptions
from ufseg.losses.classes import PerClass, check_range, per_class
from ufseg.losses.elements import Elements
from ufseg.losses.regions import (
    RegionLoss,
    RegionSums,
    bounded_power,
    check_smooth,
    choose_bound,
    tversky_error,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FocalTverskyLoss(RegionLoss):
    """Mean over samples and classes of u_c^γ, u_c = 1 − Tversky index with δ on false negatives.

    Source: Abraham, Khan, ISBI 2019, who write the exponent 1/γ: their γ = 4/3 is .75 here, as in the Unified Focal
    authors' code.

    Args:
        delta: weight of false negatives in [0, 1]; one number, or one per class.
        gamma: the exponent, in [0.01, 100]; one number, or one per class. 1 is the Tversky loss.
        smooth: s > 0, in voxels.
        bound: η ≥ 0: the power is (u + η)^γ − η^γ, so that its slope stays finite at u = 0; 0 is exact. None means
            1e-6 for logits and 0 for probabilities.
        **options: see `RegionLoss`.
    """

    def __init__(
        self,
        delta: PerClass = 0.7,
        gamma: PerClass = 0.75,
        *,
        smooth: float = 1e-6,
        bound: float | None = None,
        **options: Unpack[RegionOptions],
    ) -> None:
        super().__init__(**options)
        check_range("delta", delta, 0, 1)
        check_range("gamma", gamma, 0.01, 100)
        check_smooth(smooth)
        self.delta = delta
        self.gamma = gamma
        self.smooth = smooth
        self.bound = choose_bound(bound, probabilities=self.probabilities)

    def region_elements(self, sums: RegionSums) -> Elements:
        u = tversky_error(sums, per_class("delta", self.delta, sums.classes), self.smooth)
        return self.present_only(bounded_power(u, per_class("gamma", self.gamma, sums.classes), self.bound), sums)
