"""Sizes of the separate objects of a class: the small ones decide how coarsely an image may be resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import ndimage

from ufseg.images.class_table import ClassTable
from ufseg.images.image import LabelMap

# About a second of work on one core; rarer classes are measured first, so what is left out is large.
MOST_VOXELS = 1 << 26


class ObjectSizes(BaseModel):
    """The connected objects of a class in one case; voxels that touch at a corner belong together.

    Args:
        count: how many there are.
        smallest_voxels: of the smallest one, on the image's own grid.
        median_voxels: of the median one.
        complete: False if only part of the volume was searched, for the sake of time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    smallest_voxels: int
    median_voxels: float
    complete: bool = True


def measure_objects(label: LabelMap, classes: ClassTable, most_voxels: int = MOST_VOXELS) -> dict[str, ObjectSizes]:
    """Find the connected objects of each class that occurs.

    Args:
        label: whose objects.
        classes: names and values.
        most_voxels: searched at most, over all classes, counting each class's bounding box. A box that exceeds what is
            left is searched from its first slice as far as that goes; objects cut there do not count.

    Returns:
        Class name → sizes, rarest class first. A class is missing if it does not occur or nothing of it was searched.
    """
    boxes = ndimage.find_objects(label.array)
    counts = label.counts()
    present = [e for e in classes.entries if counts[e.value]]
    found: dict[str, ObjectSizes] = {}
    left = most_voxels
    for entry in sorted(present, key=lambda e: int(counts[e.value])):
        part = label.array[boxes[entry.value - 1]]
        slices = min(part.shape[0], left // max(1, part[0].size))
        if slices == 0:
            continue
        left -= slices * part[0].size
        sizes = _sizes(part[:slices] == entry.value, cut=slices < part.shape[0])
        if len(sizes):
            found[entry.name] = ObjectSizes(
                count=len(sizes),
                smallest_voxels=int(sizes.min()),
                median_voxels=float(np.median(sizes)),
                complete=slices == part.shape[0],
            )
    return found


def _sizes(mask: NDArray[np.bool_], cut: bool) -> NDArray[np.int64]:
    """Voxels of each object; with `cut`, without those on the last slice."""
    numbered, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim, bool))
    sizes = np.bincount(numbered.reshape(-1), minlength=count + 1)
    if cut:
        sizes[numbered[-1]] = 0
    whole: NDArray[np.int64] = sizes[1:][sizes[1:] > 0]
    return whole
