"""Two label maps of one case, class by class: volumes, overlap, and which voxels were added or removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .classes import SegmentClass

_VALUES = 256
# So many voxels are counted at once: the counting makes 8 bytes of each.
_PIECE = 1 << 18


@dataclass(frozen=True)
class ClassMeasure:
    """One class of a corrected segmentation.

    Args:
        name: of the class.
        millilitres: its volume now.
        voxels: how many it has now.
        added: voxels that it has gained since the reference, None without one.
        removed: voxels that it has lost, None without a reference.
        dice: overlap with the reference, 0 to 1; None without a reference, or where neither has a voxel.
    """

    name: str
    millilitres: float
    voxels: int
    added: int | None = None
    removed: int | None = None
    dice: float | None = None


def measure(
    label: np.ndarray, reference: np.ndarray | None, classes: Sequence[SegmentClass], voxel_mm3: float
) -> list[ClassMeasure]:
    """Measures of every class, in the order of `classes`.

    Args:
        label: class values, uint8 of any shape.
        reference: what it is compared with, of the same shape; None if there is nothing.
        classes: the task's classes.
        voxel_mm3: volume of one voxel, cubic millimetres.

    Raises:
        ValueError: the shapes differ.
    """
    if reference is not None and reference.shape != label.shape:
        raise ValueError(f"label maps of the shapes {label.shape} and {reference.shape} cannot be compared")
    now = np.zeros(_VALUES, np.int64)
    before, both = now.copy(), now.copy()
    flat = label.reshape(-1)
    other = None if reference is None else reference.reshape(-1)
    for first in range(0, len(flat), _PIECE):
        piece = flat[first : first + _PIECE]
        now += np.bincount(piece, minlength=_VALUES)
        if other is not None:
            earlier = other[first : first + _PIECE]
            before += np.bincount(earlier, minlength=_VALUES)
            both += np.bincount(piece[piece == earlier], minlength=_VALUES)
    measures = []
    for entry in classes:
        has, had, kept = int(now[entry.value]), int(before[entry.value]), int(both[entry.value])
        volume = has * voxel_mm3 / 1000
        if reference is None:
            measures.append(ClassMeasure(entry.name, volume, has))
        else:
            dice = 2 * kept / (has + had) if has + had else None
            measures.append(ClassMeasure(entry.name, volume, has, has - kept, had - kept, dice))
    return measures


def changed_box(label: np.ndarray, reference: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Smallest box that holds every voxel in which two label maps of one shape ``[k, j, i]`` differ.

    Returns:
        First voxel and the one after the last, i, j, k; None if there is no difference.
    """
    changed = label != reference
    start, stop = [], []
    for axis in (2, 1, 0):
        where = np.flatnonzero(changed.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(where):
            return None
        start.append(int(where[0]))
        stop.append(int(where[-1]) + 1)
    return tuple(start), tuple(stop)


def gained_and_lost(label: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class values of the voxels that differ, 0 elsewhere: what they are now, and what they were before."""
    changed = label != reference
    return np.where(changed, label, np.uint8(0)), np.where(changed, reference, np.uint8(0))
