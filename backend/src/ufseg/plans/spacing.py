"""At which resolution a task's images are seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ufseg.plans.coarsening import coarsening
from ufseg.plans.detail import coarser
from ufseg.plans.fingerprint import CaseFingerprint, Fingerprint
from ufseg.plans.published import Published

ANISOTROPIC = 3.0
SMALL_OBJECT = 4
"""Voxels that an object should keep; with fewer, whether it is seen depends on where the grid happens to lie."""
MOST_REFINEMENT = 2.0
"""Along each axis: beyond that the volumes would grow more than eightfold for what one case shows."""


@dataclass(frozen=True)
class Spacing:
    """Chosen millimetres in array order, and why in a clause."""

    values: tuple[float, ...]
    reason: str


@dataclass(frozen=True)
class SmallObject:
    """The smallest object of a class in one case, and what resampling leaves of it.

    Args:
        class_name: of the class.
        case: id.
        voxels: on the image's own grid.
        extent: of these voxels: cubic millimetres of a volume, square millimetres of a 2D image.
        unit: mm³ or mm².
        kept: voxels of the same extent at the plan's spacing; for a 2D plan the slices' thickness stays.
    """

    class_name: str
    case: str
    voxels: int
    extent: float
    unit: str
    kept: float


def sizes_and_spacings(fp: Fingerprint, dimension: Literal[2, 3]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Voxels and millimetres ``[case, axis]`` of what a network of this dimension is given: slices as stored for 2D."""
    grids = [_grid(case, dimension) for case in fp.cases]
    return np.asarray([g[0] for g in grids], np.float64), np.asarray([g[1] for g in grids], np.float64)


def target_spacing(
    fp: Fingerprint, dimension: Literal[2, 3], published: Published | None = None, patch_voxels: int | None = None
) -> Spacing:
    """The spacing that images are resampled to.

    The median of the cases; of a thick axis (3 times coarser than the others and 3 times fewer voxels) the 10th
    percentile, since the median would throw away what the finer volumes know. Finer, where the smallest object of a
    class would fall below `SMALL_OBJECT` voxels (or below its own number, if it has fewer): down to the 10th percentile
    of each axis and half the median. Coarser, where `patch_voxels`, the most that time allows a patch, are a small part
    of a case: see `ufseg.plans.coarsening`.
    """
    sizes, spacings = sizes_and_spacings(fp, dimension)
    if published is not None:
        return _published(published, sizes, spacings)
    median = np.median(spacings, axis=0)
    low, high = spacings.min(axis=0), spacings.max(axis=0)
    reason = f"the median of {len(fp.cases)} cases" + (
        ", all alike" if np.allclose(low, high, rtol=1e-3) else f", which range from {_mm(low)} to {_mm(high)}"
    )
    if len(fp.cases) == 1:
        reason = "that of the only case"
    target = median.copy()
    coarse = _thick_axis(np.median(sizes, axis=0), median)
    if coarse is not None:
        others = [a for a in range(len(median)) if a != coarse]
        target[coarse] = max(float(np.percentile(spacings[:, coarse], 10)), float(median[others].max()))
        if target[coarse] < median[coarse] * 0.999:
            reason += (
                f"; slices are thick ({median[coarse]:.3g} mm in the median), so along them the 10th percentile is "
                f"taken, {target[coarse]:.3g} mm, lest the thinner ones lose detail"
            )
    floor = np.maximum(np.percentile(spacings, 10, axis=0), median / MOST_REFINEMENT)
    before = target.copy()
    smallest = _most_endangered(fp, dimension, target)
    if smallest is not None:
        needed = math.prod(target) * smallest.kept / min(smallest.voxels, SMALL_OBJECT)
        target = _refine(target, np.minimum(floor, target), needed)
    if smallest is not None and (target < before * 0.999).any():
        reason += (
            f"; at {_mm(before)} the smallest {smallest.class_name} (case {smallest.case}, {smallest.voxels} voxels) "
            f"would shrink to {smallest.kept:.2g} voxels, so it is made finer"
        )
    elif patch_voxels is not None:
        factor, clause = coarsening(fp, dimension, tuple(map(float, target)), patch_voxels)
        target, reason = np.asarray(coarser(tuple(map(float, target)), factor)), reason + clause
    # Headers store float32; without rounding 1 mm becomes 0.9999999.
    return Spacing(tuple(float(f"{v:.5g}") for v in target), reason)


def smallest_objects(fp: Fingerprint, dimension: Literal[2, 3], spacing: Sequence[float]) -> list[SmallObject]:
    """Of each class that occurs, the object that keeps fewest voxels at `spacing`; classes in the cases' order."""
    found: dict[str, SmallObject] = {}
    for case in fp.cases:
        kept = math.prod(_grid(case, dimension)[1]) / math.prod(spacing)
        voxel, unit = math.prod(case.spacing), "mm²" if len(case.spacing) == 2 else "mm³"
        for name, sizes in case.objects.items():
            voxels = sizes.smallest_voxels
            here = SmallObject(name, case.id, voxels, voxels * voxel, unit, voxels * kept)
            if name not in found or here.kept < found[name].kept:
                found[name] = here
    return list(found.values())


def _grid(case: CaseFingerprint, dimension: Literal[2, 3]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    if dimension == 2 and case.stored_size:
        return case.stored_size[-2:], case.stored_spacing[-2:]
    return case.size[-dimension:], case.spacing[-dimension:]


def _most_endangered(fp: Fingerprint, dimension: Literal[2, 3], target: NDArray[np.float64]) -> SmallObject | None:
    """The object that falls furthest below what it should keep."""
    small = smallest_objects(fp, dimension, [float(v) for v in target])
    lost = [s for s in small if s.kept < 0.999 * min(s.voxels, SMALL_OBJECT)]
    return min(lost, key=lambda s: s.kept / min(s.voxels, SMALL_OBJECT), default=None)


def _refine(target: NDArray[np.float64], floor: NDArray[np.float64], volume: float) -> NDArray[np.float64]:
    """`target` shrunk evenly until a voxel has `volume`, no axis below `floor`."""
    result: NDArray[np.float64] = target.copy()
    for _ in range(len(result)):
        free = result > floor
        if not free.any() or math.prod(result) <= volume:
            break
        factor = (volume / math.prod(result)) ** (1 / int(free.sum()))
        result[free] = np.maximum(floor[free], result[free] * factor)
    return result


def _thick_axis(size: NDArray[np.float64], spacing: NDArray[np.float64]) -> int | None:
    coarse = int(np.argmax(spacing))
    others = [a for a in range(len(spacing)) if a != coarse]
    thick = spacing[coarse] > ANISOTROPIC * spacing[others].max() and size[coarse] * ANISOTROPIC < size[others].min()
    return coarse if len(spacing) == 3 and thick else None


def _published(settings: Published, sizes: NDArray[np.float64], spacings: NDArray[np.float64]) -> Spacing:
    if settings.spacing is not None:
        return Spacing(settings.spacing, f"as published for {settings.name}")
    extent = np.median(sizes * spacings, axis=0)
    values = tuple(float(f"{v:.5g}") for v in extent / np.asarray(settings.patch_size))
    shape = " × ".join(map(str, settings.patch_size))
    return Spacing(values, f"brings images to {shape} pixels, as published for {settings.name}")


def _mm(values: Sequence[float] | NDArray[np.float64]) -> str:
    return " × ".join(f"{v:.3g}" for v in values) + " mm"
