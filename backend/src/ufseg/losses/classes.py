"""Options that may be one number or one number per class, and their tensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

PerClass = float | Sequence[float]
"""One number for all classes, or one number for each class in channel order (background first)."""


def check_range(name: str, value: object, low: float, high: float, *, below_high: bool = False) -> None:
    """Refuse option values outside [low, high] (or [low, high) with `below_high`).

    Raises:
        TypeError: if `value` is neither a number nor a sequence of numbers.
        ValueError: if a value lies outside the range, is NaN, or the sequence is empty.
    """
    if isinstance(value, str):
        raise TypeError(f"{name} must be a number or one number per class, got the text {value!r}.")
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if not values:
        raise ValueError(f"{name} has no values. Give one number, or one number per class.")
    for entry in values:
        if isinstance(entry, bool) or not isinstance(entry, (int, float)):
            raise TypeError(f"{name} must be a number or one number per class, got {entry!r}.")
        if not (low <= entry < high if below_high else low <= entry <= high):
            raise ValueError(f"{name} must lie in [{low:g}, {high:g}{')' if below_high else ']'}, got {entry:g}.")


def per_class(name: str, value: PerClass, classes: int) -> tuple[float, ...]:
    """One number for each of `classes` classes.

    Raises:
        ValueError: if a sequence has another length.
    """
    if not isinstance(value, Sequence):
        return (float(value),) * classes
    if len(value) != classes:
        raise ValueError(
            f"{name} has {len(value)} values but the prediction has {classes} classes. "
            "Give one number, or one number per class with the background first."
        )
    return tuple(float(entry) for entry in value)


def background_and_rare(name: str, background: PerClass, rare: PerClass, classes: int) -> tuple[float, ...]:
    """The first value of `background` for class 0, the values of `rare` for every other class."""
    return per_class(name, background, classes)[:1] + per_class(name, rare, classes)[1:]


@lru_cache(maxsize=256)
def class_vector(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """`values` as a tensor [C]. Kept, because copying a list to a GPU in every step would synchronise it."""
    with torch.inference_mode(False):  # a cached inference tensor could not be used in training later
        return torch.tensor(values, dtype=dtype, device=device)
