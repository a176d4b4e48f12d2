"""What the annotation says: class indices, or one-hot (also soft) class fractions.

The losses are written once against the common interface. With class indices, voxel losses only ever touch the
annotated class of each voxel, and no one-hot tensor is kept for the backward pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import torch
from torch import Tensor

from ufseg.losses.classes import class_vector


class Target(ABC):
    """An annotation of a batch with `classes` classes and spatial shape *space."""

    classes: int

    @abstractmethod
    def select(self, values: Tensor) -> Tensor:
        """From [B, C, *space] the entries a voxel loss needs: [B, 1, *space] for indices, all for one-hot."""

    @abstractmethod
    def per_class(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        """A number per class, broadcastable against what `select` returns."""

    @abstractmethod
    def per_sample_and_class(self, values: Tensor) -> Tensor:
        """Numbers [B or 1, C], broadcastable against what `select` returns."""

    @abstractmethod
    def contract(self, selected: Tensor) -> Tensor:
        """Sum over classes of y times a term computed on `select`'s result: [B, *space]."""

    @abstractmethod
    def inside(self, selected: Tensor, weight: Tensor | None) -> Tensor:
        """Sum over space of y · w · (a term computed on `select`'s result): [B, C]."""

    @abstractmethod
    def outside(self, values: Tensor, weight: Tensor | None) -> Tensor:
        """Sum over space of (1 − y) · w · values, values [B, C, *space]: [B, C]."""

    @abstractmethod
    def counts(self, weight: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Sum over space of y · w: [B, C]. Has no gradient."""

    @abstractmethod
    def masks(self) -> Tensor:
        """Which voxels belong to which class: bool [B, C, *space]."""


def _sum_space(values: Tensor) -> Tensor:
    return values.sum(dim=tuple(range(2, values.ndim)))


class IndexTarget(Target):
    """Class indices.

    Args:
        indices: int64 [B, 1, *space], every value in [0, classes).
        classes: number of classes.
    """

    def __init__(self, indices: Tensor, classes: int) -> None:
        self.indices = indices
        self.classes = classes

    @cached_property
    def background(self) -> Tensor:
        """bool [B, 1, *space]."""
        return self.indices == 0

    def select(self, values: Tensor) -> Tensor:
        return values.gather(1, self.indices)

    def per_class(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        vector = class_vector(values, like.device, like.dtype)
        if len(set(values)) == 1:
            return vector[0]
        if len(set(values[1:])) == 1:  # background against the rest: a choice is cheaper than a look-up
            return torch.where(self.background, vector[0], vector[1])
        return vector[self.indices]

    def per_sample_and_class(self, values: Tensor) -> Tensor:
        shape = (self.indices.shape[0], self.classes, *self.indices.shape[2:])
        return values.reshape(*values.shape, *(1 for _ in shape[2:])).expand(shape).gather(1, self.indices)

    def contract(self, selected: Tensor) -> Tensor:
        return selected.squeeze(1)

    def inside(self, selected: Tensor, weight: Tensor | None) -> Tensor:
        # Spread over the classes and summed class by class: scatter_add would sum one after the other, which in
        # float32 loses a count past 2^24, and is not deterministic on a GPU.
        selected = selected if weight is None else selected * weight
        shape = (selected.shape[0], self.classes, *selected.shape[2:])
        return _sum_space(selected.new_zeros(shape).scatter(1, self.indices, selected))

    def outside(self, values: Tensor, weight: Tensor | None) -> Tensor:
        # Sum of all minus sum inside would cancel to noise for a nearly perfect prediction.
        wrong = values.scatter(1, self.indices, 0.0)
        return _sum_space(wrong if weight is None else wrong * weight)

    def counts(self, weight: Tensor | None, dtype: torch.dtype) -> Tensor:
        inside = (self.indices == label for label in range(self.classes))
        if weight is None:
            return torch.cat([_sum_space(mask) for mask in inside], dim=1).to(dtype)
        return torch.cat([_sum_space(torch.where(mask, weight, 0.0)) for mask in inside], dim=1).to(dtype)

    def masks(self) -> Tensor:
        return torch.cat([self.indices == label for label in range(self.classes)], dim=1)


class DenseTarget(Target):
    """One-hot or soft class fractions.

    Args:
        fractions: floating point [B, C, *space] in [0, 1]. A voxel whose fractions are all zero belongs to no class.
    """

    def __init__(self, fractions: Tensor) -> None:
        self.fractions = fractions
        self.classes = fractions.shape[1]

    def select(self, values: Tensor) -> Tensor:
        return values

    def per_class(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        return self.per_sample_and_class(class_vector(values, like.device, like.dtype).unsqueeze(0))

    def per_sample_and_class(self, values: Tensor) -> Tensor:
        return values.reshape(*values.shape, *(1 for _ in self.fractions.shape[2:]))

    def contract(self, selected: Tensor) -> Tensor:
        return (self.fractions * selected).sum(dim=1)

    def inside(self, selected: Tensor, weight: Tensor | None) -> Tensor:
        inside = self.fractions * selected
        return _sum_space(inside if weight is None else inside * weight)

    def outside(self, values: Tensor, weight: Tensor | None) -> Tensor:
        wrong = (1 - self.fractions) * values
        return _sum_space(wrong if weight is None else wrong * weight)

    def counts(self, weight: Tensor | None, dtype: torch.dtype) -> Tensor:
        return _sum_space(self.fractions if weight is None else self.fractions * weight).to(dtype)

    def masks(self) -> Tensor:
        return self.fractions > 0.5
