"""From the scores on the network's grid to labels on the image's, a slab at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ufseg.inference.blending import Slab
from ufseg.networks.device import copied_to

# Voxels labelled at once: on a CPU what fits into its cache, on a GPU enough to keep it busy.
VOXELS_AT_ONCE = {"cpu": 1 << 18, "cuda": 1 << 24}


@dataclass(frozen=True)
class Neighbours:
    """Linear interpolation along an axis of `old` points to `new` points over the same length.

    Args:
        below: index of the point below each new one.
        above: index of the point above; the same one at the ends.
        share: of the point above, float32 0 to 1.
    """

    below: Tensor
    above: Tensor
    share: Tensor

    @classmethod
    def of(cls, old: int, new: int) -> Neighbours:
        """With half-point offsets and the ends held, as ``torch.nn.functional.interpolate(align_corners=False)``."""
        place = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).clamp(0, old - 1)
        below = place.floor().long()
        return cls(below, (below + 1).clamp_max(old - 1), (place - below).float())


class Labeller:
    """Writes the class with the largest score of every voxel, from slabs in their order.

    Scores are resampled class by class against a running maximum, so that beside the slab only two planes' worth of
    scores are in memory, however many classes there are. Trilinear interpolation is linear interpolation between two
    planes followed by bilinear interpolation within; the labels are those of resampling whole logits and argmax, ties
    and rounding apart. Of equal scores the lower class wins.

    Args:
        source: shape (k, j, i) of the scores' grid.
        target: uint8 ``[k, j, i]`` on the image's turned grid over the same box of space; may be a view with any
            strides. Every voxel is written once all slabs were added.
        values: class value of each network output, uint8.
    """

    def __init__(self, source: tuple[int, ...], target: NDArray[Any], values: NDArray[np.uint8]) -> None:
        self._target = target
        self._values = values
        self._identity = bool((values == np.arange(len(values))).all())
        self._planes = Neighbours.of(source[0], target.shape[0])
        self._resample_within = tuple(source[1:]) != target.shape[1:]
        self._resample_across = source[0] != target.shape[0]
        self._last_needed = self._planes.above.tolist()
        self._next = 0

    def add(self, slab: Slab) -> None:
        """Label every plane for which scores are there now."""
        stop = self._next
        while stop < len(self._last_needed) and self._last_needed[stop] <= slab.last:
            stop += 1
        step = max(1, VOXELS_AT_ONCE[slab.scores.device.type] // int(np.prod(self._target.shape[1:])))
        for first in range(self._next, stop, step):
            planes = slice(first, min(first + step, stop))
            winner = self._winner(slab, planes).cpu().numpy()
            self._target[planes] = winner if self._identity else self._values[winner]
        self._next = stop

    def _winner(self, slab: Slab, planes: slice) -> Tensor:
        """Network index of the best class in these planes of the target, uint8."""
        device = slab.scores.device
        places = self._planes.below[planes] - slab.first
        first, last = int(places[0]), int(places[-1])  # on the CPU, so that no GPU is waited for
        below, above = (copied_to(device, t) for t in (places, self._planes.above[planes] - slab.first))
        share = copied_to(device, self._planes.share[planes])[:, None, None]
        shape = (planes.stop - planes.start, *self._target.shape[1:])
        best: Tensor | None = None
        winner = torch.zeros(shape, dtype=torch.uint8, device=device)
        for index, channel in enumerate(slab.scores):
            if self._resample_across:
                here = torch.lerp(channel[below], channel[above], share)
            else:
                here = channel[first : last + 1]
            if self._resample_within:
                here = F.interpolate(here[None], size=shape[1:], mode="bilinear", align_corners=False)[0]
            if best is None:
                best = here if self._resample_across or self._resample_within else here.clone()
                continue
            winner.masked_fill_(here > best, index)
            torch.maximum(best, here, out=best)
        return winner
