"""Smaller steps for a memory that does not suffice."""

from __future__ import annotations

import math

from ufseg.plans.plan import Plan


def smaller_plan(plan: Plan) -> Plan | None:
    """The plan with half the batch, or of one patch with about half the patch; None if nothing can be taken away.

    The patch loses voxels along the axis that is longest in millimetres, and stays divisible by the strides. The
    network stays the same, so that its weights fit either plan.
    """
    if plan.batch_size > 1:
        return plan.model_copy(update={"batch_size": plan.batch_size // 2})
    total = [math.prod(stride[axis] for stride in plan.strides) for axis in range(plan.dimension)]
    patch = list(plan.patch_size)
    axes = [axis for axis in range(plan.dimension) if patch[axis] > total[axis]]
    if not axes:
        return None
    longest = max(axes, key=lambda axis: patch[axis] * plan.spacing[axis])
    patch[longest] = max(1, round(patch[longest] / 2 / total[longest])) * total[longest]
    # Instance normalisation needs more than one position on the coarsest level.
    if all(size == least for size, least in zip(patch, total, strict=True)):
        return None
    return plan.model_copy(update={"patch_size": tuple(patch)})


def step_in_words(plan: Plan) -> str:
    """Such as ``2 patches of 64 × 64 × 64 voxels``."""
    patches = "patch" if plan.batch_size == 1 else "patches"
    return f"{plan.batch_size} {patches} of {' × '.join(map(str, plan.patch_size))} voxels"
