"""From fingerprint to plan.

The rules follow nnU-Net's (Isensee et al., Nature Methods 2021, doi:10.1038/s41592-020-01008-z, supplement 1), with
a smaller network, so that a plan trains within minutes on two CPU cores. ``backend/docs/plans.md`` gives their reasons.

1. Dimension: 2 if every case is one slice, or if volumes have so few or so thick slices that a 3D network would see no
   more than a 2D one (`choose_dimension`); else 3.
2. Spacing: the median of the cases, finer where small objects would vanish (`ufseg.plans.spacing`), coarser where time
   is scarce and nothing would vanish (`ufseg.plans.coarsening`).
3. Patch: the median size at that spacing, rounded up to a multiple of the network's total stride. While two of them do
   not fit into the memory, the physically longest axis is shortened, so that the patch tends to a cube of space.
4. Levels: an axis is halved while at least 4 voxels remain and it is not twice as coarse as the finest axis; a level
   on which such a coarse axis waits has kernel 1 along it. At most 4 halvings in 3D, 5 in 2D; at least 2.
5. Features: 16 on the first level, doubled per level up to 256 (3D) or 512 (2D).
6. Batch: as many patches as fit, 2 at most in 3D (in limited time more steps beat larger batches) and 8 in 2D.
7. Normalisation, per channel: CT is clipped to the 0.5th and 99.5th percentile of labelled voxels and scaled by their
   mean and deviation; everything else by its own.

The architecture "paper" has five levels with 32 to 512 features and a batch of 2, and takes spacing, patch and clipping
from the paper where the data set is one of the paper's (`ufseg.plans.published`); what is too large for the memory is
shortened as above.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ufseg.errors import PlanError
from ufseg.images.class_table import ClassTable
from ufseg.plans.fingerprint import Fingerprint
from ufseg.plans.memory import RESIDENT_BYTES, Budget, step_bytes
from ufseg.plans.plan import Architecture, HuWindow, Modality, Normalisation, Plan, ZScore
from ufseg.plans.published import Published, published_settings
from ufseg.plans.spacing import sizes_and_spacings, target_spacing
from ufseg.plans.topology import Topology, choose_topology

MOST_PATCHES = {2: 8, 3: 2}
PATCHES_TO_FIT = 2
FEW_SLICES = 4
THICK_SLICES = 16.0


def make_plan(
    fp: Fingerprint,
    classes: ClassTable,
    memory_gb: float | Budget = 4.0,
    dimension: Literal[2, 3] | None = None,
    architecture: Architecture = "dynunet",
) -> Plan:
    """Derive the plan of a task by the rules above.

    Args:
        fp: what was measured on its labelled cases.
        classes: decides the number of network outputs.
        memory_gb: memory the training process may take, in 10⁹ bytes, the prepared cases not counted
            (`ufseg.plans.memory.training_gb`); the patch grows with it. Or a `Budget`, which may also bound the time
            of a step, as those of `ufseg.plans.memory.DEFAULT_BUDGETS`.
        dimension: 2 or 3, or None for what suits the data. 2 takes volumes slice by slice.
        architecture: of the network.

    Raises:
        PlanError: every image is constant, CT without a labelled voxel or with one intensity only, memory that holds no
            patch, or a 3D plan for 2D images.
    """
    if all(len(c.constant_channels) == fp.channel_count for c in fp.cases):
        raise PlanError(
            f"All {len(fp.cases)} images (such as {fp.cases[0].id}) have one value everywhere, so there is nothing to "
            "learn from. Check how they were exported."
        )
    dimension = require_dimension(fp, dimension)
    published = published_settings(fp.dataset, dimension) if architecture == "paper" else None
    budget = memory_gb if isinstance(memory_gb, Budget) else Budget(memory_gb)
    spacing = target_spacing(fp, dimension, published, timely_patch(budget, architecture)).values
    outputs = len(classes.entries) + 1
    topology, batch = choose_steps(fp, spacing, outputs, budget, architecture, published)
    if not batch:
        needed = _needed(architecture, topology, PATCHES_TO_FIT, outputs)
        raise PlanError(
            f"Even the smallest patch, {' × '.join(map(str, topology.patch_size))} voxels, needs "
            f"{needed:.2f} GB with the program itself; {budget.gb:g} GB were given. "
            "Allow more memory."
        )
    return Plan(
        dimension=dimension,
        modality=fp.modality,
        spacing=spacing,
        patch_size=topology.patch_size,
        batch_size=batch,
        features=topology.features,
        kernel_sizes=topology.kernel_sizes,
        strides=topology.strides,
        normalisation=normalisations(fp, published),
        classes=outputs,
        architecture=architecture,
    )


def choose_steps(
    fp: Fingerprint,
    spacing: tuple[float, ...],
    outputs: int,
    budget: Budget,
    architecture: Architecture,
    published: Published | None,
) -> tuple[Topology, int]:
    """Patch and levels at a spacing, and the patches of a step; 0 if not even the smallest ones fit the budget."""
    dimension: Literal[2, 3] = 2 if len(spacing) == 2 else 3

    def fits(topology: Topology, batch: int = PATCHES_TO_FIT) -> bool:
        voxels = batch * math.prod(topology.patch_size)
        return _needed(architecture, topology, batch, outputs) <= budget.gb and voxels <= (budget.voxels or voxels)

    topology = choose_topology(architecture, planned_size(fp, dimension, spacing, published), spacing, fits)
    most = PATCHES_TO_FIT if architecture == "paper" else MOST_PATCHES[dimension]
    return topology, max((b for b in range(PATCHES_TO_FIT, most + 1) if fits(topology, b)), default=0)


def _needed(architecture: Architecture, topology: Topology, batch: int, outputs: int) -> float:
    return (RESIDENT_BYTES + step_bytes(architecture, topology, batch, outputs)) / 1e9


def timely_patch(budget: Budget | None, architecture: Architecture) -> int | None:
    """Voxels of the largest patch that time allows; None if memory alone bounds it or the paper's network is wanted."""
    if budget is None or budget.voxels is None or architecture == "paper":
        return None
    return budget.voxels // PATCHES_TO_FIT


def choose_dimension(fp: Fingerprint) -> tuple[Literal[2, 3], str]:
    """What suits the data, and why in a clause."""
    if fp.dimension == 2:
        return 2, "every case is a single slice"
    grids = [(c.stored_size, c.stored_spacing) for c in fp.cases if c.stored_size]
    if not grids:
        return 3, "the cases are volumes"
    slices = float(np.median([size[0] for size, _ in grids]))
    ratio = float(np.median([spacing[0] / max(spacing[1:]) for _, spacing in grids]))
    if slices < FEW_SLICES:
        return 2, f"the volumes have {slices:g} slices in the median, fewer than the {FEW_SLICES} that a level needs"
    if ratio >= THICK_SLICES:
        return 2, (
            f"slices are {ratio:.3g} times as thick as their pixels, so that a 3D network would see several of them at "
            "its lowest level only"
        )
    return 3, (
        f"the volumes have {slices:g} slices in the median, {ratio:.2g} times as thick as their pixels; neighbouring "
        "slices tell what a slice alone does not"
    )


def require_dimension(fp: Fingerprint, wanted: Literal[2, 3] | None) -> Literal[2, 3]:
    """`wanted`, or what suits the data; raises PlanError if 3 was wanted of 2D images."""
    if wanted == 3 and fp.dimension == 2:
        raise PlanError(
            f"A 3D plan was asked for, but all {len(fp.cases)} cases are single slices (such as {fp.cases[0].id}). "
            "Plan in 2D, or give the volumes."
        )
    return choose_dimension(fp)[0] if wanted is None else wanted


def planned_size(
    fp: Fingerprint, dimension: Literal[2, 3], spacing: tuple[float, ...], published: Published | None = None
) -> list[int]:
    """The patch to begin with: the published one, or the median size of the cases at `spacing`."""
    if published is not None:
        return list(published.patch_size)
    sizes, spacings = sizes_and_spacings(fp, dimension)
    return [max(1, round(float(v))) for v in np.median(sizes * spacings / np.asarray(spacing), axis=0)]


def normalisations(fp: Fingerprint, published: Published | None = None) -> tuple[Normalisation, ...]:
    """One per channel; raises PlanError if a CT window cannot be chosen."""
    modalities: tuple[Modality, ...] = fp.channel_modalities or (fp.modality,) * fp.channel_count
    return tuple(_normalisation(fp, channel, m, published) for channel, m in enumerate(modalities))


def _normalisation(fp: Fingerprint, number: int, modality: Modality, published: Published | None) -> Normalisation:
    if modality != "CT":
        return ZScore()
    if not fp.channels:
        raise PlanError(
            f"None of the {len(fp.cases)} cases has a labelled voxel, so there are no Hounsfield units to choose the "
            "CT window from. Label at least one structure."
        )
    channel = fp.channels[number]
    if channel.std == 0:
        raise PlanError(
            f"All labelled voxels have the same intensity, {channel.mean:g}; that is no CT. Check the images, or "
            "set the modality to other."
        )
    low, high = channel.percentile_00_5, channel.percentile_99_5
    if published is not None and published.window is not None:
        low, high = published.window
    return HuWindow(low=low, high=high, mean=channel.mean, std=channel.std)
