"""The focal factor (1 − p)^γ."""

from __future__ import annotations

import torch
from torch import Tensor

from ufseg.losses.target import Target


def focal_factor(target: Target, one_minus_p: Tensor, gammas: tuple[float, ...]) -> Tensor | None:
    """(1 − P)^γ with one γ per class; None where it is 1 everywhere.

    Args:
        target: the annotation.
        one_minus_p: 1 − P of the entries that the target selects.
        gammas: one per class, ≥ 0.
    """
    if set(gammas) == {0.0}:
        return None
    # The slope of q^γ is infinite at q = 0 for γ < 1, and infinity times the zero of −log P is NaN. The smallest
    # normal number is a bound no other value reaches.
    q = one_minus_p.clamp_min(torch.finfo(one_minus_p.dtype).tiny)
    if len(set(gammas)) == 1:
        return q.pow(gammas[0])  # a scalar exponent is several times faster than a tensor of them
    if set(gammas[1:]) == {0.0}:
        background = target.per_class((1.0,) + (0.0,) * (len(gammas) - 1), q)
        return torch.where(background > 0, q.pow(gammas[0]), 1.0)
    return q.pow(target.per_class(gammas, q))
