"""Dice + cross entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ufseg.losses.base import RegionOptions
from ufseg.losses.compound import CompoundLoss, voxel_options
from ufseg.losses.cross_entropy import CrossEntropyLoss
from ufseg.losses.tversky import DiceLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class DiceCrossEntropyLoss(CompoundLoss):
    """Cross entropy plus Dice, in either of the two definitions in use.

    - "loss": cross entropy + Dice loss = CE + (1 − DSC), at least 0.
    - "coefficient": cross entropy − Dice coefficient = CE − DSC, at least −1, as nnU-Net writes it.

    They differ by the constant 1, so values are comparable only within one definition; the gradients agree.

    Source: Isensee, Jaeger, Kohl, Petersen, Maier-Hein, Nat. Methods 18 (2021), and Yeung et al. 2022.

    Args:
        dice: which definition.
        smooth: of the Dice part, see `DiceLoss`.
        **options: see `RegionLoss`.
    """

    def __init__(
        self,
        *,
        dice: Literal["loss", "coefficient"] = "loss",
        smooth: float = 1e-6,
        **options: Unpack[RegionOptions],
    ) -> None:
        if dice not in ("loss", "coefficient"):
            raise ValueError(f'dice must be "loss" or "coefficient", got {dice!r}.')
        voxel = voxel_options(options)
        super().__init__(
            [(1.0, CrossEntropyLoss(**voxel)), (1.0, DiceLoss(smooth=smooth, **options))],
            constant=-1.0 if dice == "coefficient" else 0.0,
            **voxel,
        )
