"""Whether a plan, above all one that a person wrote or changed, can be used for a data set."""

from __future__ import annotations

from ufseg.errors import PlanError
from ufseg.images.class_table import ClassTable
from ufseg.plans.fingerprint import Fingerprint
from ufseg.plans.plan import HuWindow, Plan
from ufseg.plans.topology import FEWEST_LEVELS


def check_fits(plan: Plan, fp: Fingerprint, classes: ClassTable, what: str = "The plan") -> None:
    """Refuse a plan that does not fit the data, with all numbers that differ.

    A 2D plan fits volumes: they are taken slice by slice.

    Args:
        plan: consistent in itself.
        fp: of the data set.
        classes: of the data set.
        what: the plan's name, for the message, such as ``"The plan my-plan.json"``.

    Raises:
        PlanError: channels, classes, dimension or levels do not fit, or Hounsfield units are wanted of what is no CT.
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
