"""A coarser spacing where time is scarce, so that a patch shows enough of the body."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ufseg.plans.detail import FACTORS, coarser
from ufseg.plans.fingerprint import Fingerprint

PATCHES_PER_CASE = 4.0
"""More patches than this do not see enough around them; nnU-Net adds a network of low resolution from there on."""
LEAST_DICE = 0.93
"""What a perfect segmentation on the coarser grid must reach, in the median case of every class."""
LEAST_VOXELS = 27
"""That the median object of every class must keep, in the median case."""


def coarsening(
    fp: Fingerprint, dimension: Literal[2, 3], spacing: tuple[float, ...], patch_voxels: int
) -> tuple[float, str]:
    """How many times as coarse as `spacing` the finest axis should be, and why in a clause.

    Args:
        fp: of the cases.
        dimension: of the plan; 2D images are left as they are, since their patches see enough.
        spacing: millimetres, without coarsening.
        patch_voxels: of the largest patch that time allows.

    Returns:
        A factor of at least 1, and an empty clause if it is 1.
    """
    volumes = [math.prod(c.size[-3:]) * math.prod(c.spacing[-3:]) for c in fp.cases]
    volume = float(np.median(volumes))
    patches = volume / math.prod(spacing) / patch_voxels
    if dimension == 2 or patches <= PATCHES_PER_CASE:
        return 1.0, ""
    chosen = 1.0
    for factor in FACTORS:
        if not _harmless(fp, spacing, factor):
            break
        chosen = factor
        if volume / math.prod(coarser(spacing, factor)) / patch_voxels <= PATCHES_PER_CASE:
            break
    if chosen == 1:
        return 1.0, ""
    left = volume / math.prod(coarser(spacing, chosen)) / patch_voxels
    return chosen, (
        f"; a case would make {patches:.0f} patches of the size that this device computes in reasonable time, each "
        f"showing little of what is around it, so it is made coarser, which leaves {left:.0f} (on a GPU it would not "
        "be; a plan of your own can say otherwise)"
    )


def _harmless(fp: Fingerprint, spacing: tuple[float, ...], factor: float) -> bool:
    """Whether every class keeps its shape and its usual object its voxels."""
    target = coarser(spacing, factor)
    dice: dict[str, list[float]] = {}
    kept: dict[str, list[float]] = {}
    for case in fp.cases:
        # A case finer or coarser than the plan loses more or less detail than the plan's factor says.
        own = min(target) / min(case.spacing)
        for name, values in case.detail.items():
            dice.setdefault(name, []).append(float(np.interp(own, (1.0, *FACTORS), (1.0, *values))))
        for name, sizes in case.objects.items():
            volume = sizes.median_voxels * math.prod(case.spacing[-3:])
            kept.setdefault(name, []).append(volume / math.prod(target))
    if not dice or not kept:
        return False  # nothing is known of what would be lost
    return all(np.median(v) >= LEAST_DICE for v in dice.values()) and all(
        np.median(v) >= LEAST_VOXELS for v in kept.values()
    )
