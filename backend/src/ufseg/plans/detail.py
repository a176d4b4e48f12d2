"""How much of a structure's shape survives a coarser grid: decides how coarsely an image may be seen to save time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ufseg.images.class_table import ClassTable
from ufseg.images.image import LabelMap
from ufseg.plans.preprocessing import resample_linear

FACTORS = (1.5, 2.0, 3.0, 4.0)
"""Voxels along the finest axis that become one; coarser axes follow once they are the finer ones."""
# A second of work at most; of larger structures a part is measured.
MOST_VOXELS = 1 << 21
_MARGIN = 2


def measure_detail(label: LabelMap, classes: ClassTable, spacing: Sequence[float]) -> dict[str, tuple[float, ...]]:
    """What a perfect segmentation on coarser grids would score.

    Each class is brought to the coarser grid as images are, back as a network's scores are, and divided at one half.

    Args:
        label: of a case, in its own axes.
        classes: names and values.
        spacing: millimetres of these axes, in array order.

    Returns:
        Class name → Dice for each of `FACTORS`, of the classes that occur. The whole bounding box of a class is
        measured if it and those before it (rarest first) have no more than `MOST_VOXELS`, else its middle slices.
    """
    boxes = ndimage.find_objects(label.array)
    counts = label.counts()
    present = sorted((e for e in classes.entries if counts[e.value]), key=lambda e: int(counts[e.value]))
    found: dict[str, tuple[float, ...]] = {}
    left = MOST_VOXELS
    for entry in present:
        box = boxes[entry.value - 1]
        area = int(np.prod([s.stop - s.start for s in box[1:]]))
        depth = min(box[0].stop - box[0].start, max(1, left // area))
        first = (box[0].start + box[0].stop - depth) // 2
        place = (slice(first, first + depth), *box[1:])
        mask = label.array[place] == entry.value
        if not mask.any():
            continue
        left = max(0, left - mask.size)
        padded = np.pad(mask, _MARGIN).astype(np.float32)
        found[entry.name] = tuple(_kept(padded, coarser(spacing, factor), spacing) for factor in FACTORS)
    return found


def coarser(spacing: Sequence[float], factor: float) -> tuple[float, ...]:
    """`spacing` with the finest axis `factor` times as coarse, and no axis finer than that."""
    finest = min(spacing) * factor
    return tuple(max(s, finest) for s in spacing)


def _kept(mask: NDArray[np.float32], target: Sequence[float], spacing: Sequence[float]) -> float:
    """Dice of a mask with itself after a grid of `target` millimetres."""
    shape = [max(1, round(n * s / t)) for n, s, t in zip(mask.shape, spacing, target, strict=True)]
    back = resample_linear(resample_linear(mask[None], tuple(shape)), mask.shape)[0]
    there = back >= 0.5
    return float(2 * (there & (mask > 0)).sum() / max(1.0, float(there.sum() + mask.sum())))
