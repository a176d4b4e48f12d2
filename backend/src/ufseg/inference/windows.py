"""Where the windows over a volume lie, and how much each counts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ufseg.networks.device import copied_to

# Standard deviation of the blending weight, as a share of the window; nnU-Net's value.
SIGMA = 0.125


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """First voxels of the fewest windows, evenly spaced, that cover `size` voxels with at least `overlap`.

    Args:
        size: length of the image along an axis.
        window: length of the window.
        overlap: share of a window that its neighbour covers too, 0 to below 1.
    """
    if size <= window:
        return [0]
    steps = math.ceil((size - window) / (window * (1 - overlap)))
    return [round(step * (size - window) / steps) for step in range(steps + 1)]


def blending_profiles(size: int, window: int, starts: Sequence[int]) -> list[Tensor]:
    """What each window contributes along one axis: a Gaussian, divided by the sum of all windows' there.

    Windows lie on a grid and a Gaussian is a product of its axes', hence so is the sum of all weights: with these
    profiles the weights of all windows add up to 1 at every voxel, and nothing needs to be divided afterwards.

    Returns:
        For each start a float32 tensor ``[window]``.
    """
    position = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    bell = torch.exp(-0.5 * (position / (SIGMA * window)) ** 2)
    total = torch.zeros(max(size, window), dtype=torch.float64)
    for start in starts:
        total[start : start + window] += bell
    return [(bell / total[start : start + window]).float() for start in starts]


@dataclass(frozen=True)
class Windows:
    """All windows over a volume.

    Args:
        window: size along k, j, i.
        starts: first voxels along each axis, ascending.
        profiles: of each start, see `blending_profiles`; on the device where they are used.
    """

    window: tuple[int, ...]
    starts: tuple[tuple[int, ...], ...]
    profiles: tuple[tuple[Tensor, ...], ...]

    @classmethod
    def over(cls, shape: Sequence[int], window: Sequence[int], overlap: float, device: torch.device) -> Windows:
        """The windows that cover a volume of `shape` on `device`, none of whose axes is shorter than its window's."""
        starts = [window_starts(s, w, overlap) for s, w in zip(shape, window, strict=True)]
        profiles = [
            tuple(copied_to(device, profile) for profile in blending_profiles(s, w, a))
            for s, w, a in zip(shape, window, starts, strict=True)
        ]
        return cls(tuple(window), tuple(map(tuple, starts)), tuple(profiles))

    def places(self) -> list[tuple[int, ...]]:
        """For each window the number of its start along k, j, i; ordered by k, then j, then i."""
        return list(itertools.product(*(range(len(s)) for s in self.starts)))

    def box(self, place: Sequence[int]) -> tuple[slice, ...]:
        """The voxels of the window at `place`."""
        first = [s[n] for s, n in zip(self.starts, place, strict=True)]
        return tuple(slice(f, f + w) for f, w in zip(first, self.window, strict=True))

    def weight(self, place: Sequence[int]) -> Tensor:
        """``[*window]`` float32 blending weight of the window at `place`."""
        k, j, i = (p[n] for p, n in zip(self.profiles, place, strict=True))
        return k[:, None, None] * (j[:, None] * i)
