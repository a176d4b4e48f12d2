"""Modified focal losses: the focal parts of the Unified Focal loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ufseg.losses.base import VoxelOptions
from ufseg.losses.classes import PerClass, background_and_rare, check_range, per_class
from ufseg.losses.focal_family import FocalFamilyLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SymmetricFocalLoss(FocalFamilyLoss):
    """Σ_c w_c (1 − P_c)^γ (−y_c ln P_c), w_0 = 1 − δ for the background, w_c = δ for every rare class c ≥ 1.

    Source: Yeung, Sala, Schönlieb, Rundo, Comput. Med. Imaging Graph. 95 (2022) 102026, with the exponent of the
    authors' code (γ where the paper's eq. 16 prints 1 − γ; it agrees with the paper's eq. 20).

    Args:
        delta: weight of the rare classes in [0, 1]; one number, or one per class (the background's weight is
            1 − its own δ).
        gamma: focusing exponent ≥ 0; one number, or one per class. 0 gives weighted cross entropy.
        **options: see `SegmentationLoss`.
    """

    def __init__(self, delta: PerClass = 0.7, gamma: PerClass = 2.0, **options: Unpack[VoxelOptions]) -> None:
        super().__init__(**options)
        check_range("delta", delta, 0, 1)
        check_range("gamma", gamma, 0, math.inf, below_high=True)
        self.delta = delta
        self.gamma = gamma

    def class_weights(self, classes: int) -> tuple[float, ...]:
        delta = per_class("delta", self.delta, classes)
        return (1 - delta[0], *delta[1:])

    def gammas(self, classes: int) -> tuple[float, ...]:
        return per_class("gamma", self.gamma, classes)


class AsymmetricFocalLoss(SymmetricFocalLoss):
    """The symmetric one without the factor (1 − P_c)^γ on the rare classes: only the background is suppressed.

    Source and arguments: see `SymmetricFocalLoss`. Of several γ only the background's is used.
    """

    def gammas(self, classes: int) -> tuple[float, ...]:
        return background_and_rare("gamma", self.gamma, 0.0, classes)
