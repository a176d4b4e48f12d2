"""What all losses have in common: call, options, reduction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, TypedDict

import torch
from torch import Tensor, nn

from ufseg.losses.elements import Elements, VoxelTotals
from ufseg.losses.fused.choice import obstacle_of_tensors
from ufseg.losses.fused.voxel_sums import VoxelSums, read_batch, voxel_sums
from ufseg.losses.sample import Sample, read_sample

if TYPE_CHECKING:
    pass

Reduction = Literal["none", "mean", "sum"]
Implementation = Literal["auto", "reference", "fused"]

KERAS_EPSILON = 1e-7
"""The clip of the authors' code, K.epsilon()."""


class VoxelOptions(TypedDict, total=False):
    """Options of every loss (defaults in `SegmentationLoss`)."""

    reduction: Reduction
    ignore_index: int | None
    probabilities: bool
    clip: float | None
    implementation: Implementation


class RegionOptions(VoxelOptions, total=False):
    """Further options of every loss that has a region part (defaults in `RegionLoss`)."""

    batch: bool
    skip_absent: bool


class SegmentationLoss(nn.Module, ABC):
    """Base of all losses.

    Called with `(logits, target, weight=None)`:

    - logits [B, C, *space] of any floating type; C = 1 means one foreground class through a sigmoid. Computed in
      float32 (float64 for float64), also inside autocast; the gradient has the logits' type.
    - target: class indices [B, *space] or [B, 1, *space] (uint8 or int64), or one-hot [B, C, *space].
      Class 0 is the background. Indices are faster and leaner.
    - weight: voxel weights ≥ 0 [B, *space] or [B, 1, *space]; 0 leaves a voxel out of every sum.

    Args:
        reduction: "none" gives the loss's elements ([B, *space] for a voxel loss, [B, C] for a region loss, [B] for a
            compound loss) times their weights, "sum" adds them, "mean" divides the sum by the sum of the weights.
        ignore_index: class index of voxels that do not count, as if they were not there.
        probabilities: the prediction holds probabilities instead of logits, as in the authors' code. For parity and
            comparison only: past the clip the gradient is zero.
        clip: with `probabilities`, keep them in [clip, 1 − clip] where the authors do; None means 1e-7.

        implementation: "reference" is written in differentiable tensor operations. "fused" takes one pass over the
            logits in each direction and keeps nothing in between; it has first-order gradients for the logits only.
            "auto" is fused wherever `implementation_for` says so, otherwise reference.

    Raises:
        ValueError, TypeError: if an option has a value that it cannot have.
    """

    def __init__(
        self,
        *,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        probabilities: bool = False,
        clip: float | None = None,
        implementation: Implementation = "auto",
    ) -> None:
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f'reduction must be "none", "mean" or "sum", got {reduction!r}.')
        if implementation not in ("auto", "reference", "fused"):
            raise ValueError(f'implementation must be "auto", "reference" or "fused", got {implementation!r}.')
        if clip is not None and not probabilities:
            raise ValueError(
                f"clip={clip:g} applies to probabilities, but logits are expected. "
                "Set probabilities=True or leave it out."
            )
        if clip is not None and not 0 < clip < 0.5:
            raise ValueError(f"clip must lie between 0 and 0.5, got {clip:g}.")
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.implementation: Implementation = implementation
        self.probabilities = probabilities
        self.clip = (KERAS_EPSILON if clip is None else clip) if probabilities else None

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss: a scalar, or its elements if reduction is "none".

        Raises:
            ValueError, TypeError: if shapes or types do not fit (see `read_sample`).
            ValueError: if the fused implementation is demanded but cannot compute this (see `obstacle`).
        """
        with torch.autocast(device_type=logits.device.type, enabled=False):
            if self.implementation_for(logits, target, weight) == "fused":
                batch = read_batch(logits, target, weight, self.ignore_index)
                exponents = self.focal_exponents(batch.classes)
                totals = self.elements_of_sums(voxel_sums(batch, exponents, region=self.has_region))
                if isinstance(totals, VoxelTotals):
                    return totals.mean() if self.reduction == "mean" else totals.sum()
                elements = totals
            else:
                elements = self.elements(
                    read_sample(logits, target, weight, clip=self.clip, ignore_index=self.ignore_index)
                )
            if self.reduction == "none":
                return elements.none()
            return elements.mean() if self.reduction == "mean" else elements.sum()

    @abstractmethod
    def elements(self, sample: Sample) -> Elements:
        """The loss's elements for a batch that was already read."""

    has_region = False
    """Whether the loss needs the sums over regions."""

    @property
    def has_fused_form(self) -> bool:
        """Whether the loss is a function of the sums that the fused passes compute."""
        return False

    def focal_exponents(self, classes: int) -> tuple[float, ...] | None:
        """Exponents of the focal sum per class, if the loss has a fused form with a voxel part."""
        return None

    def elements_of_sums(self, sums: VoxelSums) -> Elements | VoxelTotals:
        """The loss's elements from the fused sums, if it has a fused form."""
        raise NotImplementedError(f"{type(self).__name__} has no fused form.")

    @property
    def obstacle(self) -> str | None:
        """Why this loss with these options cannot be fused, as a sentence; None if it can."""
        if not self.has_fused_form:
            return f"{type(self).__name__} has no fused form with these options."
        if self.probabilities:
            return "The fused losses take logits, not probabilities."
        if self.reduction == "none" and not self.has_region:
            return 'The fused losses do not keep the voxels\' values that reduction "none" asks for.'
        return None

    def implementation_for(
        self, logits: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> Literal["reference", "fused"]:
        """The implementation that a call with these tensors takes.

        Raises:
            ValueError: if the loss was made with `implementation="fused"` and that is not possible; it says why.
        """
        if self.implementation == "reference":
            return "reference"
        obstacle = self.obstacle or obstacle_of_tensors(logits, target, weight)
        if obstacle is None:
            return "fused"
        if self.implementation == "fused":
            raise ValueError(f'{obstacle} Use implementation="auto" or "reference".')
        return "reference"
