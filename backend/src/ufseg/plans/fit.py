"""Whether a plan, above all one that a person wrote or changed, can be used for a data set."""

from __future__ import annotations

import math

from ufseg.errors import PlanError
from ufseg.images.class_table import ClassTable
from ufseg.images.size_limit import largest_bytes
from ufseg.plans.fingerprint import Fingerprint
from ufseg.plans.plan import HuWindow, Plan
from ufseg.plans.planner import planned_size
from ufseg.plans.topology import FEWEST_LEVELS, total_stride


def check_fits(plan: Plan, fp: Fingerprint, classes: ClassTable, what: str = "The plan") -> None:
    """Refuse a plan that does not fit the data, with all numbers that differ.

    A 2D plan fits volumes: they are taken slice by slice.

    Args:
        plan: consistent in itself.
        fp: of the data set.
        classes: of the data set.
        what: the plan's name, for the message, such as ``"The plan my-plan.json"``.

    Raises:
        PlanError: channels, classes, dimension, modality or levels do not fit, Hounsfield units are wanted of what is
            no CT, the patch ends in a single position, or the images would become larger than any image may be.
    """
    problems = []
    channels, outputs = len(plan.normalisation), len(classes.entries) + 1
    if channels != fp.channel_count:
        problems.append(
            f"it normalises {channels} channel{'' if channels == 1 else 's'}, but the images have {fp.channel_count} "
            "(normalisation)"
        )
    if plan.classes != outputs:
        problems.append(
            f"it has {plan.classes} classes, but the data set has {outputs} with background: "
            f"{', '.join(classes.names)} (classes)"
        )
    if plan.dimension == 3 and fp.dimension == 2:
        problems.append(
            f"it is for volumes, but all {len(fp.cases)} cases are single slices such as {fp.cases[0].id} (dimension)"
        )
    if "other" not in (plan.modality, fp.modality) and plan.modality != fp.modality:
        problems.append(f"it is for {plan.modality}, but the images are {fp.modality} (modality)")
    if plan.dimension <= fp.dimension:
        voxels = math.prod(planned_size(fp, plan.dimension, plan.spacing))
        if 4 * voxels > largest_bytes():
            problems.append(
                f"at its spacing of {' × '.join(f'{s:g}' for s in plan.spacing)} mm the median case has {voxels:.2g} "
                f"voxels, {4e-9 * voxels:.2g} GB (spacing)"
            )
    if plan.patch_size == tuple(total_stride(plan.strides)):
        problems.append(
            f"its patch of {' × '.join(map(str, plan.patch_size))} voxels leaves a single position on the lowest "
            "level, and nothing to normalise there (patch_size)"
        )
    if plan.architecture == "dynunet" and len(plan.features) < FEWEST_LEVELS:
        problems.append(f"it has {len(plan.features)} levels, but the network needs {FEWEST_LEVELS} (features)")
    for number, (how, modality) in enumerate(zip(plan.normalisation, fp.channel_modalities, strict=False)):
        if isinstance(how, HuWindow) and modality != "CT":
            problems.append(
                f"it clips channel {number + 1} to {how.low:g} to {how.high:g} HU, but that channel's modality is "
                f"{modality} (normalisation)"
            )
    if problems:
        raise PlanError(f"{what} does not fit the data: {'; '.join(problems)}. Correct these entries, or plan anew.")
