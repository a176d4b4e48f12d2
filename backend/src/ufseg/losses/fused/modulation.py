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

    @property
    def constant(self) -> bool:
        """Whether the factor is 1 everywhere."""
        return set(self.exponents) == {0.0}

    def value(self, miss: Tensor, annotated: Tensor, out: Tensor) -> Tensor:
        """(1 − p)^e.

        Args:
            miss: 1 − p of the annotated class [n].
            annotated: 1 at the annotated class, 0 elsewhere [C, n].
            out: scratch space [2, n]; its first row takes the result.
        """
        factor, other = out
        torch.clamp_min(miss, torch.finfo(miss.dtype).tiny, out=factor)  # 0 to a power is fine, its slope is not
        factor.pow_(self._exponent(annotated, other))
        return self._one_elsewhere(factor, annotated, other)

    def slope(self, miss: Tensor, entropy: Tensor, annotated: Tensor, out: Tensor) -> Tensor:
        """−d/d(log p) of (1 − p)^e · (−log p), that is (1 − p)^e · (1 + e · p · (−log p) / (1 − p)).

        Args:
            miss: see `value`.
            entropy: −log p of the annotated class [n].
            annotated: see `value`.
            out: scratch space [3, n]; its first row takes the result.
        """
        slope, factor, other = out
        torch.clamp_min(miss, torch.finfo(miss.dtype).tiny, out=factor)
        torch.div(entropy, factor, out=slope)
        slope.addcmul_(slope, miss, value=-1)  # times p, which is 1 − miss
        exponent = self._exponent(annotated, other)
        slope.mul_(exponent).add_(1).mul_(factor.pow_(exponent))
        return self._one_elsewhere(slope, annotated, other)

    @property
    def _background_only(self) -> bool:
        return len(set(self.exponents)) > 1 and set(self.exponents[1:]) == {0.0}

    def _exponent(self, annotated: Tensor, out: Tensor) -> Tensor | float:
        """The exponent of each voxel's annotated class [n], or one for all: a power with a number is the fastest."""
        if len(set(self.exponents)) == 1 or self._background_only:
            return self.exponents[0]
        return torch.mv(annotated.T, class_vector(self.exponents, annotated.device, annotated.dtype), out=out)

    def _one_elsewhere(self, factor: Tensor, annotated: Tensor, other: Tensor) -> Tensor:
        """Where only the background has an exponent, 1 for the other classes."""
        if self._background_only:
            torch.sub(1, annotated[0], out=other)
            factor.mul_(annotated[0]).add_(other)
        return factor
