"""Sums over a region, the base of the losses on them, and the Tversky error."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from ufseg.losses.base import SegmentationLoss, VoxelOptions
from ufseg.losses.classes import class_vector
from ufseg.losses.elements import Elements
from ufseg.losses.fused.voxel_sums import VoxelSums
from ufseg.losses.sample import Sample

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class RegionSums:
    """Soft counts per class, each [B, C], or [1, C] over the batch.

    Attributes:
        fn: Σ y (1 − p), annotated but missed.
        fp: Σ (1 − y) p, predicted but not annotated.
        count: Σ y, the annotation's size; has no gradient.
    """

    fn: Tensor
    fp: Tensor
    count: Tensor

    @property
    def tp(self) -> Tensor:
        """Σ y p ≥ 0. Only for denominators: where it is small beside the count it has lost its leading digits."""
        return (self.count - self.fn).clamp_min(0)  # rounding must not make it negative

    @property
    def classes(self) -> int:
        return self.fn.shape[1]

    def over_batch(self) -> RegionSums:
        """The sums over all samples, each [1, C]."""
        return RegionSums(*(part.sum(dim=0, keepdim=True) for part in (self.fn, self.fp, self.count)))

    def present(self) -> Tensor:
        """1 for classes that the annotation has, 0 for others."""
        return (self.count > 0).to(self.fn.dtype)


def region_sums(sample: Sample, *, clipped: bool) -> RegionSums:
    """Sum over space. `clipped` says whether given probabilities are clipped."""
    target, weight, unclipped = sample.target, sample.weight, sample.prediction.unclipped
    if clipped or unclipped is None:
        p, missing = sample.prediction.p, sample.one_minus_p
    else:
        p, missing = unclipped, 1 - target.select(unclipped)
    return RegionSums(
        fn=target.inside(missing, weight), fp=target.outside(p, weight), count=target.counts(weight, sample.dtype)
    )


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

    clips: ClassVar[bool] = True
    """Whether probabilities are clipped, as the authors do in some of the losses."""

    has_region = True

    @property
    def has_fused_form(self) -> bool:
        return True

    def elements(self, sample: Sample) -> Elements:
        return self._reduced_over_batch(region_sums(sample, clipped=self.clips))

    def elements_of_sums(self, sums: VoxelSums) -> Elements:
        return self._reduced_over_batch(RegionSums(sums.fn, sums.fp, sums.count))

    def _reduced_over_batch(self, sums: RegionSums) -> Elements:
        return self.region_elements(sums.over_batch() if self.batch else sums)

    @abstractmethod
    def region_elements(self, sums: RegionSums) -> Elements:
        """The loss's elements [B, C], or [1, C] over the batch, from the sums."""

    def present_only(self, values: Tensor, sums: RegionSums) -> Elements:
        """Elements [B or 1, C], absent classes left out if `skip_absent`."""
        return Elements(values, sums.present() if self.skip_absent else None)


def tversky_error(sums: RegionSums, delta: tuple[float, ...], smooth: float) -> Tensor:
    """u = 1 − TI with δ on false negatives and 1 − δ on false positives, [B or 1, C] in [0, 1].

    Written as (δ·fn + (1−δ)·fp) / (tp + δ·fn + (1−δ)·fp + s): the difference 1 − TI would cancel near a perfect
    prediction.
    """
    weight = class_vector(delta, sums.fn.device, sums.fn.dtype)
    wrong = weight * sums.fn + (1 - weight) * sums.fp
    return wrong / (sums.tp + wrong + smooth)


def bounded_power(u: Tensor, exponents: tuple[float, ...], bound: float) -> Tensor:
    """(u + η)^e − η^e per class, with η = `bound`; u^e itself for η = 0 and wherever e = 1.

    For e < 1 the slope of u^e grows without limit at u → 0 and ends as inf · 0. With η it stays below e·η^(e−1).

    Args:
        u: [B or 1, C], at least 0.
        exponents: one per class, > 0.
        bound: η ≥ 0.
    """
    if set(exponents) == {1.0}:
        return u
    eta = tuple(0.0 if e == 1 else bound for e in exponents)
    power = class_vector(exponents, u.device, u.dtype)
    offset = class_vector(tuple(b**e for b, e in zip(eta, exponents, strict=True)), u.device, u.dtype)
    return torch.pow(u + class_vector(eta, u.device, u.dtype), power) - offset


def check_smooth(smooth: float) -> None:
    """Refuse a smoothing constant that would allow 0 / 0.

    Raises:
        ValueError: if it is not positive.
    """
    if not smooth > 0:
        raise ValueError(f"smooth must be greater than 0, got {smooth:g}.")


def choose_bound(bound: float | None, *, probabilities: bool) -> float:
    """η of `bounded_power`: as given, else 1e-6 for logits and 0 (the authors' exact power) for probabilities.

    Raises:
        ValueError: if it is negative.
    """
    if bound is None:
        return 0.0 if probabilities else 1e-6
    if not bound >= 0:
        raise ValueError(f"bound must be at least 0, got {bound:g}.")
    return float(bound)
