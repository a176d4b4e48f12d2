"""Class weights: fixed ones for background and rare classes, and inverse class frequencies."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from ufseg.losses.classes import PerClass, check_range, per_class


def check_class_weights(name: str, value: PerClass | None) -> None:
    """One number must lie in [0, 1]; weights per class must be at least 0; None is no weighting.

    Raises:
        ValueError, TypeError: if they are not.
    """
    if isinstance(value, Sequence):
        check_range(name, value, 0, math.inf, below_high=True)
    elif value is not None:
        check_range(name, value, 0, 1)


def background_weighs(name: str, value: PerClass, classes: int) -> tuple[float, ...]:
    """Weights (w, 1 − w, 1 − w, …) of one number w; a sequence as it is."""
    if isinstance(value, Sequence):
        return per_class(name, value, classes)
    return (float(value), *(1.0 - value for _ in range(classes - 1)))


def rare_weigh(name: str, value: PerClass, classes: int) -> tuple[float, ...]:
    """Weights (1 − w, w, w, …) of one number w; a sequence as it is."""
    if isinstance(value, Sequence):
        return per_class(name, value, classes)
    return (1.0 - value, *(float(value) for _ in range(classes - 1)))


def balanced_weights(counts: Tensor, total: Tensor | None = None, *, batch: bool) -> Tensor:
    """Inverse frequencies w_c = N / (K·n_c) over the K classes with n_c > 0; 0 for absent classes.

    Args:
        counts: n_c of each sample [B, C].
        total: N of each sample [B, 1]; None means that the counts add up to it.
        batch: one weight for the whole batch.

    Returns:
        Weights [B, C], or [1, C] if `batch`.
    """
    total = counts.sum(dim=1, keepdim=True) if total is None else total
    if batch:
        counts, total = counts.sum(dim=0, keepdim=True), total.sum(dim=0, keepdim=True)
    present = counts > 0
    weights = total / (present.sum(dim=1, keepdim=True) * counts)
    return weights.where(present, 0.0)
