"""Modified focal Tversky losses: the region parts of the Unified Focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ufseg.losses.base import KERAS_EPSILON, RegionOptions
from ufseg.losses.classes import PerClass, background_and_rare, check_range, per_class
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


class SymmetricFocalTverskyLoss(RegionLoss):
    """Mean over samples and classes of u_c^(1−γ), u_c = 1 − Tversky index with δ on false negatives.

    Source: Yeung, Sala, Schönlieb, Rundo, Comput. Med. Imaging Graph. 95 (2022) 102026, with the exponent of the
    authors' code (1 − γ where the paper's eq. 17 prints γ) and averaged over classes where the paper sums.

    Args:
        delta: weight of false negatives in [0, 1] (false positives weigh 1 − δ); above .5 it favours recall. One
            number, or one per class.
        gamma: in [0, 1); larger γ enhances nearly solved classes more. One number, or one per class. 0 with
            δ = .5 is the Dice loss.
        smooth: s > 0 in numerator and denominator of the Tversky index, in voxels.
        bound: η ≥ 0: the power is (u + η)^(1−γ) − η^(1−γ), so that its slope stays finite at u = 0; 0 is exact.
            None means 1e-6 for logits and 0 for probabilities.
        **options: see `RegionLoss`.
    """

    def __init__(
        self,
        delta: PerClass = 0.7,
        gamma: PerClass = 0.75,
        *,
        smooth: float = KERAS_EPSILON,
        bound: float | None = None,
        **options: Unpack[RegionOptions],
    ) -> None:
        super().__init__(**options)
        check_range("delta", delta, 0, 1)
        check_range("gamma", gamma, 0, 1, below_high=True)
        check_smooth(smooth)
        self.delta = delta
        self.gamma = gamma
        self.smooth = smooth
        self.bound = choose_bound(bound, probabilities=self.probabilities)

    def exponents(self, classes: int) -> tuple[float, ...]:
        """The exponent 1 − γ of each class."""
        return tuple(1 - gamma for gamma in per_class("gamma", self.gamma, classes))

    def region_elements(self, sums: RegionSums) -> Elements:
        u = tversky_error(sums, per_class("delta", self.delta, sums.classes), self.smooth)
        return self.present_only(bounded_power(u, self.exponents(sums.classes), self.bound), sums)


class AsymmetricFocalTverskyLoss(SymmetricFocalTverskyLoss):
    """The symmetric one with the plain u_0 for the background: only the rare classes are enhanced.

    Source and arguments: see `SymmetricFocalTverskyLoss`. Of several γ the background's is not used.
    """

    def exponents(self, classes: int) -> tuple[float, ...]:
        return tuple(1 - gamma for gamma in background_and_rare("gamma", 0.0, self.gamma, classes))
