"""The Hybrid Focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ufseg.losses.base import RegionOptions
from ufseg.losses.classes import PerClass
from ufseg.losses.compound import CompoundLoss, voxel_options, weigh
from ufseg.losses.focal import FocalLoss
from ufseg.losses.focal_tversky import FocalTverskyLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class HybridFocalLoss(CompoundLoss):
    """λ · focal + (1 − λ) · focal Tversky, each with its own parameters: what the Unified Focal loss unifies.

    Source: Yeung, Sala, Schönlieb, Rundo, Comput. Med. Imaging Graph. 95 (2022) 102026, eq. 15.

    Args:
        focal_weight: λ in [0, 1], the weight of the focal part; None adds the two parts unweighted.
        alpha, gamma: of the focal part, see `FocalLoss`.
        delta: of the Tversky part, see `FocalTverskyLoss`.
        tversky_gamma: the exponent of the Tversky part, `gamma` of `FocalTverskyLoss`.
        smooth, bound: see `FocalTverskyLoss`.
        **options: see `RegionLoss`.
    """

    def __init__(
        self,
        focal_weight: float | None = 0.5,
        *,
        alpha: PerClass | None = None,
        gamma: PerClass = 2.0,
        delta: PerClass = 0.7,
        tversky_gamma: PerClass = 0.75,
        smooth: float = 1e-6,
        bound: float | None = None,
        **options: Unpack[RegionOptions],
    ) -> None:
        focal, tversky = weigh(focal_weight)
        voxel = voxel_options(options)
        super().__init__(
            [
                (focal, FocalLoss(alpha, gamma, **voxel)),
                (tversky, FocalTverskyLoss(delta, tversky_gamma, smooth=smooth, bound=bound, **options)),
            ],
            **voxel,
        )
