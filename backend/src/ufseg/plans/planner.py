"""From fingerprint to plan.

The rules follow nnU-Net's (Isensee et al., Nature Methods 2021, doi:10.1038/s41592-020-01008-z, supplement 1), with
a smaller voxel budget, so that a plan trains within minutes on two CPU cores:

1. Spacing: the median of the cases. If one axis is 3 times coarser than the others and has 3 times fewer voxels, its
   10th percentile instead, since medians of thick slices throw away what the finer volumes know.
2. Patch: the median size at that spacing, rounded up to a multiple of the network's total stride. While it exceeds
   the voxel budget, its physically longest axis is shortened, so that the patch tends to a cube of space.
3. Levels: an axis is halved while at least 4 voxels remain and it is not twice as coarse as the finest axis; a level
   on which such a coarse axis waits has kernel 1 along it. At most 4 halvings in 3D, 5 in 2D.
4. Features: 16 on the first level, doubled per level up to 256 (3D) or 512 (2D).
5. Batch: as many patches as the budget holds, 2 at most in 3D (in limited time more steps beat larger batches) and 8
   in 2D.
6. Normalisation: CT is clipped to the 0.5th and 99.5th percentile of labelled voxels and scaled by their mean and
   deviation; everything else by its own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ufseg.errors import PlanError
from ufseg.images.class_table import ClassTable
from ufseg.plans.fingerprint import Fingerprint
from ufseg.plans.plan import HuWindow, Normalisation, Plan, ZScore

# Voxels of all patches of a step per gigabyte. A DynUNet with 16 features keeps about 1.2 kB per voxel between forward
# and backward pass; the rest is left to weights, data and the system.
VOXELS_PER_GB = 220_000
SMALLEST_AXIS = 4
COARSE = 2.0
ANISOTROPIC = 3.0
FIRST_FEATURES = 16
MOST_FEATURES = {2: 512, 3: 256}
MOST_HALVINGS = {2: 5, 3: 4}
MOST_PATCHES = {2: 8, 3: 2}


def make_plan(fp: Fingerprint, classes: ClassTable, memory_gb: float = 4) -> Plan:
    """Derive the plan of a task by the rules above.

    Args:
        fp: what was measured on its labelled cases.
        classes: decides the number of network outputs.
        memory_gb: memory a training step may take; the patch grows with it.

    Raises:
        PlanError: CT without a labelled voxel or with one intensity only, or memory that holds no patch.
    """
    dimension = fp.dimension
    sizes = np.asarray([c.size[-dimension:] for c in fp.cases], dtype=np.float64)
    spacings = np.asarray([c.spacing[-dimension:] for c in fp.cases], dtype=np.float64)
    spacing = _target_spacing(sizes, spacings)
    median = [max(1, round(float(v))) for v in np.median(sizes * spacings / spacing, axis=0)]
    budget = int(memory_gb * VOXELS_PER_GB)
    patch, strides = _patch(median, spacing, budget // 2, MOST_HALVINGS[dimension])
    return Plan(
        dimension=dimension,
        modality=fp.modality,
        spacing=tuple(spacing),
        patch_size=tuple(patch),
        batch_size=max(1, min(MOST_PATCHES[dimension], budget // math.prod(patch))),
        features=tuple(min(FIRST_FEATURES * 2**level, MOST_FEATURES[dimension]) for level in range(len(strides))),
        kernel_sizes=_kernels(spacing, strides),
        strides=strides,
        normalisation=_normalisation(fp),
        classes=len(classes.entries) + 1,
    )


def _target_spacing(
    sizes: NDArray[np.float64],
    spacings: NDArray[np.float64],
) -> list[float]:
    median = np.median(spacings, axis=0)
    coarse = int(np.argmax(median))
    others = [a for a in range(len(median)) if a != coarse]
    size = np.median(sizes, axis=0)
    if (
        len(median) == 3
        and median[coarse] > ANISOTROPIC * median[others].max()
        and size[coarse] * ANISOTROPIC < size[others].min()
    ):
        fine = float(np.percentile(spacings[:, coarse], 10))
        median[coarse] = max(fine, float(median[others].max()))
    # Headers store float32; without rounding 1 mm becomes 0.9999999.
    return [float(f"{v:.5g}") for v in median]


def _patch(
    median: list[int], spacing: list[float], budget: int, most: int
) -> tuple[list[int], tuple[tuple[int, ...], ...]]:
    limit = list(median)
    # Instance normalisation needs more than one position left at the bottom, however tiny the images.
    longest_axis = limit.index(max(limit))
    limit[longest_axis] = max(limit[longest_axis], SMALLEST_AXIS)
    while True:
        strides = _strides(limit, spacing, most)
        total = [math.prod(s[a] for s in strides) for a in range(len(limit))]
        patch = [-(-n // t) * t for n, t in zip(limit, total, strict=True)]
        if math.prod(patch) <= budget:
            return patch, strides
        longest = max(
            (a for a in range(len(patch)) if patch[a] > total[a]), key=lambda a: patch[a] * spacing[a], default=None
        )
        if longest is None:
            raise PlanError(
                f"Even the smallest patch, {' × '.join(map(str, patch))} voxels, needs more than the memory given. "
                "Allow more memory."
            )
        limit[longest] = patch[longest] - total[longest]


def _strides(size: list[int], spacing: list[float], most: int) -> tuple[tuple[int, ...], ...]:
    now_size = [float(s) for s in size]
    now_spacing = list(spacing)
    strides = [(1,) * len(size)]
    for _ in range(most):
        halvable = [n / 2 >= SMALLEST_AXIS for n in now_size]
        if not any(halvable):
            break
        # An axis too short to be halved again must not hold back the others.
        finest = min(s for s, h in zip(now_spacing, halvable, strict=True) if h)
        step = tuple(2 if h and s < COARSE * finest else 1 for s, h in zip(now_spacing, halvable, strict=True))
        strides.append(step)
        now_size = [n / s for n, s in zip(now_size, step, strict=True)]
        now_spacing = [n * s for n, s in zip(now_spacing, step, strict=True)]
    if len(strides) == 1:
        # A network needs two levels even for images of a few voxels: the longest axis is halved.
        longest = size.index(max(size))
        strides.append(tuple(2 if a == longest else 1 for a in range(len(size))))
    return tuple(strides)


def _kernels(spacing: list[float], strides: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    now = list(spacing)
    kernels: list[tuple[int, ...]] = []
    for stride in strides:
        now = [n * s for n, s in zip(now, stride, strict=True)]
        # Once an axis is convolved it stays so: a later gap comes from axes too short to be halved.
        before = kernels[-1] if kernels else (1,) * len(now)
        kernels.append(tuple(3 if b == 3 or s < COARSE * min(now) else 1 for b, s in zip(before, now, strict=True)))
    return tuple(kernels)


def _normalisation(fp: Fingerprint) -> tuple[Normalisation, ...]:
    if fp.modality != "CT":
        return tuple(ZScore() for _ in range(fp.channel_count))
    if not fp.channels:
        raise PlanError(
            f"None of the {len(fp.cases)} cases has a labelled voxel, so there are no Hounsfield units to choose the "
            "CT window from. Label at least one structure."
        )
    for channel in fp.channels:
        if channel.std == 0:
            raise PlanError(
                f"All labelled voxels have the same intensity, {channel.mean:g}; that is no CT. Check the images, or "
                "set the modality to other."
            )
    return tuple(HuWindow(low=c.percentile_00_5, high=c.percentile_99_5, mean=c.mean, std=c.std) for c in fp.channels)
