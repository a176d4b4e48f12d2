"""The common form of the voxel losses with fixed class weights."""

from __future__ import annotations

from ufseg.losses.base import SegmentationLoss
from ufseg.losses.classes import class_vector
from ufseg.losses.elements import Elements, VoxelTotals
from ufseg.losses.fused.voxel_sums import VoxelSums
from ufseg.losses.modulation import focal_factor
from ufseg.losses.sample import Sample


class FocalFamilyLoss(SegmentationLoss):
    """Σ_c w_c (1 − P_c)^γ_c (−y_c ln P_c) with fixed weights w_c and exponents γ_c per class."""

    def class_weights(self, classes: int) -> tuple[float, ...] | None:
        """w_c of each class; None if all are 1."""
        return None

    def gammas(self, classes: int) -> tuple[float, ...]:
        """γ_c of each class."""
        return (0.0,) * classes

    def elements(self, sample: Sample) -> Elements:
        values = -sample.log_p
        weights = self.class_weights(sample.classes)
        factor = focal_factor(sample.target, sample.one_minus_p, self.gammas(sample.classes))
        if factor is not None:
            values = values * factor
        if weights is not None:
            values = values * sample.target.per_class(weights, values)
        return Elements(sample.target.contract(values), sample.voxel_weight())

    @property
    def has_fused_form(self) -> bool:
        return True

    def focal_exponents(self, classes: int) -> tuple[float, ...] | None:
        return self.gammas(classes)

    def elements_of_sums(self, sums: VoxelSums) -> VoxelTotals:
        weights = self.class_weights(sums.focal.shape[1])
        focal = sums.focal
        if weights is not None:
            focal = focal * class_vector(weights, focal.device, focal.dtype)
        return VoxelTotals(focal.sum(dim=1), sums.weights())
