"""Sums over a region and the Tversky error built from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ufseg.losses.base import Elements, RegionLoss
from ufseg.losses.classes import class_vector
from ufseg.losses.sample import Sample


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

    def present(self) -> Tensor:
        """1 for classes that the annotation has, 0 for others."""
        return (self.count > 0).to(self.fn.dtype)


def region_sums(sample: Sample, *, batch: bool, clipped: bool) -> RegionSums:
    """Sum over space, and over the batch if `batch`. `clipped` says whether given probabilities are clipped."""
    target, weight, unclipped = sample.target, sample.weight, sample.prediction.unclipped
    if clipped or unclipped is None:
        p, missing = sample.prediction.p, sample.one_minus_p
    else:
        p, missing = unclipped, 1 - target.select(unclipped)
    sums = RegionSums(
        fn=target.inside(missing, weight), fp=target.outside(p, weight), count=target.counts(weight, sample.dtype)
    )
    if not batch:
        return sums
    return RegionSums(*(part.sum(dim=0, keepdim=True) for part in (sums.fn, sums.fp, sums.count)))


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


def region_elements(loss: RegionLoss, values: Tensor, sums: RegionSums) -> Elements:
    """Elements [B or 1, C] of a region loss, absent classes left out if it says so."""
    return Elements(values, sums.present() if loss.skip_absent else None)


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
