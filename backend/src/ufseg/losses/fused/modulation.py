"""The focal factor (1 − p)^e of the annotated class, with its slope."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ufseg.losses.classes import class_vector


@dataclass(frozen=True)
class Modulation:
    """(1 − p)^e with one exponent e ≥ 0 per class, on blocks of voxels.

    Attributes:
        exponents: one per class, the background's first.
    """

    exponents: tuple[float, ...]

    def value(self, miss: Tensor, annotated: Tensor) -> Tensor | None:
        """(1 − p)^e; None where it is 1 everywhere.

        Args:
            miss: 1 − p of the annotated class [n].
            annotated: 1 at the annotated class, 0 elsewhere [C, n].
        """
        if set(self.exponents) == {0.0}:
            return None
        q = miss.clamp_min(torch.finfo(miss.dtype).tiny)  # 0 to a power is fine, its slope is not
        if len(set(self.exponents)) == 1:
            return q.pow_(self.exponents[0])
        if set(self.exponents[1:]) == {0.0}:
            return self._background_only(q.pow_(self.exponents[0]), annotated)
        return q.pow_(self._exponent(annotated))

    def slope(self, miss: Tensor, entropy: Tensor, annotated: Tensor) -> Tensor | None:
        """−d/d(log p) of (1 − p)^e · (−log p), that is (1 − p)^e · (1 + e · p · (−log p) / (1 − p)); None if always 1.

        Args:
            miss: see `value`.
            entropy: −log p of the annotated class [n].
            annotated: see `value`.
        """
        if set(self.exponents) == {0.0}:
            return None
        q = miss.clamp_min(torch.finfo(miss.dtype).tiny)
        growth = (entropy / q).mul_(1 - miss)
        if len(set(self.exponents)) == 1:
            return growth.mul_(self.exponents[0]).add_(1).mul_(q.pow_(self.exponents[0]))
        if set(self.exponents[1:]) == {0.0}:
            background = growth.mul_(self.exponents[0]).add_(1).mul_(q.pow_(self.exponents[0]))
            return self._background_only(background, annotated)
        exponent = self._exponent(annotated)
        return growth.mul_(exponent).add_(1).mul_(q.pow_(exponent))

    @staticmethod
    def _background_only(factor: Tensor, annotated: Tensor) -> Tensor:
        return factor.sub_(1).mul_(annotated[0]).add_(1)

    def _exponent(self, annotated: Tensor) -> Tensor:
        """The exponent of each voxel's annotated class [n]."""
        exponents = class_vector(self.exponents, annotated.device, annotated.dtype)
        return (annotated * exponents.unsqueeze(1)).sum(dim=0)
