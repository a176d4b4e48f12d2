"""The Unified Focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ufseg.losses.base import KERAS_EPSILON, RegionOptions
from ufseg.losses.classes import PerClass
from ufseg.losses.compound import CompoundLoss, voxel_options, weigh
from ufseg.losses.modified_focal import AsymmetricFocalLoss, SymmetricFocalLoss
from ufseg.losses.modified_focal_tversky import AsymmetricFocalTverskyLoss, SymmetricFocalTverskyLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SymmetricUnifiedFocalLoss(CompoundLoss):
    """λ · symmetric focal + (1 − λ) · symmetric focal Tversky, sharing δ and γ.

    Source: Yeung, Sala, Schönlieb, Rundo, Comput. Med. Imaging Graph. 95 (2022) 102026, eq. 18, as the authors' code
    computes it. Their code's `weight` is 1 − λ.

    Args:
        focal_weight: λ in [0, 1], the weight of the focal part; None adds the two parts unweighted.
        delta: weight of the rare classes in the focal part, of false negatives in the Tversky part, in [0, 1]. One
            number, or one per class.
        gamma: in [0, 1): suppression of easy voxels and enhancement of rare classes. One number, or one per class.
        smooth, bound: see `SymmetricFocalTverskyLoss`.
        **options: see `RegionLoss`.
    """

    def __init__(
        self,
        focal_weight: float | None = 0.5,
        delta: PerClass = 0.6,
        gamma: PerClass = 0.5,
        *,
        smooth: float = KERAS_EPSILON,
        bound: float | None = None,
        **options: Unpack[RegionOptions],
    ) -> None:
        focal, tversky = weigh(focal_weight)
        super().__init__(
            [
                (focal, SymmetricFocalLoss(delta, gamma, **voxel_options(options))),
                (tversky, SymmetricFocalTverskyLoss(delta, gamma, smooth=smooth, bound=bound, **options)),
            ],
            **voxel_options(options),
        )


class AsymmetricUnifiedFocalLoss(CompoundLoss):
    """λ · asymmetric focal + (1 − λ) · asymmetric focal Tversky, sharing δ and γ.

    The background's easy voxels are suppressed, the rare classes are enhanced, and no rare voxel is suppressed.

    Source: Yeung, Sala, Schönlieb, Rundo, Comput. Med. Imaging Graph. 95 (2022) 102026, eqs. 19–21, as the authors'
    code computes it. Arguments: see `SymmetricUnifiedFocalLoss`.
    """

    def __init__(
        self,
        focal_weight: float | None = 0.5,
        delta: PerClass = 0.6,
        gamma: PerClass = 0.5,
        *,
        smooth: float = KERAS_EPSILON,
        bound: float | None = None,
        **options: Unpack[RegionOptions],
    ) -> None:
        focal, tversky = weigh(focal_weight)
        super().__init__(
            [
                (focal, AsymmetricFocalLoss(delta, gamma, **voxel_options(options))),
                (tversky, AsymmetricFocalTverskyLoss(delta, gamma, smooth=smooth, bound=bound, **options)),
            ],
            **voxel_options(options),
        )


UnifiedFocalLoss = AsymmetricUnifiedFocalLoss
"""The variant that the paper recommends."""
