"""What all losses have in common: call, options, reduction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

import torch
from torch import Tensor, nn

from ufseg.losses.sample import Sample, read_sample

if TYPE_CHECKING:
    from typing_extensions import Unpack

Reduction = Literal["none", "mean", "sum"]

KERAS_EPSILON = 1e-7
"""The clip of the authors' code, K.epsilon()."""


class VoxelOptions(TypedDict, total=False):
    """Options of every loss (defaults in `SegmentationLoss`)."""

    reduction: Reduction
    ignore_index: int | None
    probabilities: bool
    clip: float | None


class RegionOptions(VoxelOptions, total=False):
    """Further options of every loss that has a region part (defaults in `RegionLoss`)."""

    batch: bool
    skip_absent: bool


class Elements(NamedTuple):
    """The elements of a loss, before reduction.

    Attributes:
        values: [B, *space] of a voxel loss, [B or 1, C] of a region loss, [B] of a compound loss.
        weights: how much each element counts, same shape; None if all count 1.
    """

    values: Tensor
    weights: Tensor | None = None

    def none(self) -> Tensor:
        return self.values if self.weights is None else self.values * self.weights

    def sum(self) -> Tensor:
        return self.none().sum()

    def mean(self) -> Tensor:
        """Weighted mean; 0 if nothing counts."""
        return self.values.mean() if self.weights is None else self.sum() / self._total(self.weights)

    def shares(self, batch: int) -> Tensor:
        """What each sample adds to the mean, times the batch size: [B], so that their mean is `mean()`."""
        if self.values.shape[0] != batch:  # region sums over the whole batch belong to all its samples
            return self.mean().expand(batch)
        if self.weights is None:
            return self.values.flatten(1).mean(dim=1)
        return self.none().flatten(1).sum(dim=1) * (batch / self._total(self.weights))

    @staticmethod
    def _total(weights: Tensor) -> Tensor:
        return weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)


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
    ) -> None:
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f'reduction must be "none", "mean" or "sum", got {reduction!r}.')
        if clip is not None and not probabilities:
            raise ValueError(
                f"clip={clip:g} applies to probabilities, but logits are expected. "
                "Set probabilities=True or leave it out."
            )
        if clip is not None and not 0 < clip < 0.5:
            raise ValueError(f"clip must lie between 0 and 0.5, got {clip:g}.")
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.probabilities = probabilities
        self.clip = (KERAS_EPSILON if clip is None else clip) if probabilities else None

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss: a scalar, or its elements if reduction is "none".

        Raises:
            ValueError, TypeError: if shapes or types do not fit (see `read_sample`).
        """
        with torch.autocast(device_type=logits.device.type, enabled=False):
            elements = self.elements(
                read_sample(logits, target, weight, clip=self.clip, ignore_index=self.ignore_index)
            )
            if self.reduction == "none":
                return elements.none()
            return elements.mean() if self.reduction == "mean" else elements.sum()

    @abstractmethod
    def elements(self, sample: Sample) -> Elements:
        """The loss's elements for a batch that was already read."""


class RegionLoss(SegmentationLoss):
    """Base of losses on sums over a region.

    Args:
        batch: sum over the whole batch instead of each sample.
        skip_absent: leave out classes of which the annotation (of the sample, or of the batch if `batch`) has no voxel.
            Otherwise such a class costs nearly a full class even where the prediction is almost right.
        **options: see `SegmentationLoss`.
    """

    def __init__(self, *, batch: bool = False, skip_absent: bool = False, **options: Unpack[VoxelOptions]) -> None:
        super().__init__(**options)
        self.batch = batch
        self.skip_absent = skip_absent
