"""Cross entropy and its weighting by class frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from ufseg.losses.base import VoxelOptions
from ufseg.losses.class_weights import background_weighs, balanced_weights, check_class_weights
from ufseg.losses.classes import PerClass
from ufseg.losses.elements import Elements
from ufseg.losses.focal_family import FocalFamilyLoss
from ufseg.losses.sample import Sample

if TYPE_CHECKING:
    from typing_extensions import Unpack


class CrossEntropyLoss(FocalFamilyLoss):
    """−ln P of the annotated class. With one-hot targets −Σ_c y_c ln P_c.

    Args:
        **options: see `SegmentationLoss`.
    """

    def __init__(self, **options: Unpack[VoxelOptions]) -> None:
        super().__init__(**options)


class BalancedCrossEntropyLoss(FocalFamilyLoss):
    """Cross entropy with class weights: inverse class frequencies, or fixed ones.

    By default w_c = N / (K·n_c) with the n_c voxels of class c among N, over the K classes that are present: every
    present class weighs the same, and the voxels' mean weight is 1.

    Source: weighted cross entropy as in Ronneberger, Fischer, Brox, MICCAI 2015 (frequencies), and Xie, Tu, ICCV 2015
    (fixed β).

    Args:
        beta: fixed weights: one number β for the background with 1 − β for every other class (as in the Combo loss),
            or one weight per class. None counts frequencies.
        batch: count frequencies over the whole batch instead of each sample.
        **options: see `SegmentationLoss`.
    """

    def __init__(self, beta: PerClass | None = None, *, batch: bool = False, **options: Unpack[VoxelOptions]) -> None:
        super().__init__(**options)
        check_class_weights("beta", beta)
        self.beta = beta
        self.batch = batch

    @property
    def has_fused_form(self) -> bool:
        return self.beta is not None  # frequencies are known only after a pass over the target

    def class_weights(self, classes: int) -> tuple[float, ...] | None:
        return None if self.beta is None else background_weighs("beta", self.beta, classes)

    def elements(self, sample: Sample) -> Elements:
        if self.beta is not None:
            return super().elements(sample)
        counts = sample.target.counts(sample.weight, sample.dtype)
        weights: Tensor = sample.target.per_sample_and_class(balanced_weights(counts, batch=self.batch))
        return Elements(sample.target.contract(weights * -sample.log_p), sample.voxel_weight())
