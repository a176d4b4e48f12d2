"""A plan in words: each decision with the numbers that led to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ufseg.plans.fingerprint import Fingerprint
from ufseg.plans.memory import RESIDENT_BYTES, Budget, plan_step_bytes, training_gb, weight_count
from ufseg.plans.plan import HuWindow, Plan
from ufseg.plans.planner import (
    MOST_PATCHES,
    choose_dimension,
    choose_steps,
    normalisations,
    planned_size,
    timely_patch,
)
from ufseg.plans.published import Published, published_settings
from ufseg.plans.spacing import smallest_objects, target_spacing
from ufseg.plans.topology import COARSE, MOST_HALVINGS, SMALLEST_AXIS, Topology, total_stride
from ufseg.plans.warnings import AXES, prepared_bytes

BY_HAND = "set by hand, or for another memory"


@dataclass(frozen=True)
class _Rules:
    """What the rules give at the plan's spacing; batch 0 if nothing fits the budget."""

    topology: Topology
    batch: int


def explain(fp: Fingerprint, plan: Plan, budget: Budget | float | None = None) -> list[str]:
    """One sentence per decision; what else should be known of the data is said by `ufseg.plans.warnings`.

    A decision that differs from what the rules give is said to be set by hand; patch, batch and levels only where the
    budget is known, for they follow from it.

    Args:
        fp: what the plan was made from; channels and dimension must fit (`ufseg.plans.fit.check_fits`).
        plan: made by `ufseg.plans.planner.make_plan`, perhaps changed by hand.
        budget: with which it was made (GB if a number), or None if unknown.

    Raises:
        PlanError: the data allow no plan of these modalities.
    """
    published = published_settings(fp.dataset, plan.dimension) if plan.architecture == "paper" else None
    allowed = Budget(budget) if isinstance(budget, float | int) else budget
    rules = None
    if allowed is not None:
        rules = _Rules(*choose_steps(fp, plan.spacing, plan.classes, allowed, plan.architecture, published))
    return [
        _data(fp),
        *_classes(fp),
        _dimension(fp, plan),
        _spacing(fp, plan, published, allowed),
        *_objects(fp, plan),
        _normalisation(fp, plan, published),
        _network(plan, rules),
        _levels(plan, rules),
        _patch(fp, plan, published, rules),
        _batch(plan, rules),
        _memory(fp, plan, allowed),
    ]


def _data(fp: Fingerprint) -> str:
    # Single slices beside volumes of one slice: what counts is the slice.
    sizes = np.asarray([c.size[-fp.dimension :] for c in fp.cases])
    low, median, high = (times(f(sizes, axis=0).astype(int)) for f in (np.min, np.median, np.max))
    many = f"{len(fp.cases)} cases of {low} to {high} voxels, {median} in the median"
    if low == high:
        many = f"{_plural(len(fp.cases), 'case')} of {median} voxels{' each' if len(fp.cases) > 1 else ''}"
    kinds = sorted({c.dtype for c in fp.cases if c.dtype})
    stored = f", stored as {', '.join(kinds)}" if kinds else ""
    return f"Data: {many}, {_plural(fp.channel_count, 'channel')}{stored}."


def _classes(fp: Fingerprint) -> list[str]:
    labelled = [c for c in fp.cases if c.class_voxels]
    total = sum(c.annotated_voxels for c in labelled)
    if not total:
        return []
    share = {n: sum(c.class_voxels[n] for c in labelled) / total for n in labelled[0].class_voxels}
    rarest = min(share, key=lambda n: share[n])
    having = sum(1 for c in labelled if c.class_voxels[rarest])
    text = f"Classes: {share[rarest]:.2%} of the annotated voxels are {rarest}"
    text += " (the rarest class)" if len(share) > 1 else ""
    text += f", which occurs in {having} of {len(labelled)} labelled cases"
    if len(share) > 1:
        text += f"; all {len(share)} classes together make up {sum(share.values()):.2%}"
    return [text + "."]


def _dimension(fp: Fingerprint, plan: Plan) -> str:
    chosen, reason = choose_dimension(fp)
    if chosen == plan.dimension:
        slicewise = " Volumes are taken slice by slice." if plan.dimension == 2 and fp.dimension == 3 else ""
        return f"Dimension {plan.dimension}: {reason}.{slicewise}"
    slicewise = "; volumes are taken slice by slice" if plan.dimension == 2 else ""
    return f"Dimension {plan.dimension}: set by hand{slicewise}. The rules give {chosen}: {reason}."


def _spacing(fp: Fingerprint, plan: Plan, published: Published | None, budget: Budget | None) -> str:
    rule = target_spacing(fp, plan.dimension, published, timely_patch(budget, plan.architecture))
    if rule.values == plan.spacing:
        return f"Spacing {times(plan.spacing)} mm: {rule.reason}."
    return f"Spacing {times(plan.spacing)} mm: set by hand; the rules give {times(rule.values)} mm ({rule.reason})."


def _objects(fp: Fingerprint, plan: Plan) -> list[str]:
    small = sorted(smallest_objects(fp, plan.dimension, plan.spacing), key=lambda s: s.kept)
    if not small:
        return []
    first = small[0]
    return [
        f"Smallest object: the {first.class_name} of {_plural(first.voxels, 'voxel')} or {amount(first.extent)} "
        f"{first.unit} in case {first.case}, which at the plan's spacing makes {amount(first.kept)}."
    ]


def _normalisation(fp: Fingerprint, plan: Plan, published: Published | None) -> str:
    rules = normalisations(fp, published)
    parts = []
    for number, how in enumerate(plan.normalisation):
        if isinstance(how, HuWindow):
            source = "0.5th and 99.5th percentile of labelled voxels"
            if published is not None:
                source = f"published for {published.name}"
            text = (
                f"Hounsfield units clipped to {how.low:.4g} to {how.high:.4g} ({source}), minus {how.mean:.4g}, "
                f"divided by {how.std:.4g} (mean and deviation of labelled voxels)"
            )
        else:
            text = "each image by its own mean and deviation, for its scale is not fixed"
        if number >= len(rules) or rules[number] != how:
            text += ", set by hand"
        parts.append(text)
    if len(set(parts)) == 1:
        return f"Normalisation: {parts[0]}."
    return "Normalisation: " + "; ".join(f"channel {n + 1} {text}" for n, text in enumerate(parts)) + "."


def _network(plan: Plan, rules: _Rules | None) -> str:
    features = "-".join(map(str, plan.features))
    weights = f"{weight_count(plan) / 1e6:.1f} million weights"
    if rules is not None and plan.features != rules.topology.features:
        return (
            f"Network: {plan.architecture}, {features} features, {weights}: {BY_HAND}; the rules give "
            f"{'-'.join(map(str, rules.topology.features))}."
        )
    if plan.architecture == "paper":
        return f"Network: the paper's {plan.dimension}D U-Net, {features} features, {weights}."
    return (
        f"Network: DynUNet with {features} features, {weights}; few on the first level, where most of the time and "
        "memory go."
    )


def _levels(plan: Plan, rules: _Rules | None) -> str:
    bottom = [p // t for p, t in zip(plan.patch_size, total_stride(plan.strides), strict=True)]
    text = f"Levels: {len(plan.features)}, down to {times(bottom)} positions"
    if rules is not None and (plan.strides, plan.kernel_sizes) != (rules.topology.strides, rules.topology.kernel_sizes):
        return (
            f"{text}: {BY_HAND}; the rules give strides {', '.join(map(times, rules.topology.strides))} and kernels "
            f"{', '.join(map(times, rules.topology.kernel_sizes))}."
        )
    if plan.architecture == "paper":
        return text + ", each half of the one above, as published."
    text += f"; an axis is halved while {SMALLEST_AXIS} positions remain, at most {MOST_HALVINGS[plan.dimension]} times"
    waiting = []
    for axis, name in enumerate(AXES[plan.dimension]):
        flat = sum(1 for kernel in plan.kernel_sizes if kernel[axis] == 1)
        if flat:
            ratio = plan.spacing[axis] / min(plan.spacing)
            who = "the first level neither halves nor mixes"
            if flat > 1:
                who = f"the first {flat} levels neither halve nor mix"
            waiting.append(
                f"along {name}, {ratio:.3g} times as coarse as the finest axis, "
                f"{who} voxels, until they are less than {COARSE:g} times as coarse"
            )
    return text + "".join(f"; {w}" for w in waiting) + "."


def _patch(fp: Fingerprint, plan: Plan, published: Published | None, rules: _Rules | None) -> str:
    start = planned_size(fp, plan.dimension, plan.spacing, published)
    extent = [p * s for p, s in zip(plan.patch_size, plan.spacing, strict=True)]
    text = f"Patch {times(plan.patch_size)} voxels ({times(extent)} mm): "
    if rules is not None and plan.patch_size != rules.topology.patch_size:
        return text + f"{BY_HAND}; the rules give {times(rules.topology.patch_size)}."
    whole = f"the size published for {published.name}" if published else "the median case at this spacing"
    total = times(total_stride(plan.strides))
    if all(p >= s for p, s in zip(plan.patch_size, start, strict=True)):
        return text + f"{whole}, {times(start)} voxels, rounded up to multiples of {total}, fits whole."
    share = math.prod(min(p, s) / s for p, s in zip(plan.patch_size, start, strict=True))
    return text + (
        f"{whole} has {times(start)} voxels, of which two at once do not fit the budget; its longest axes were "
        f"shortened until they did, and {share:.0%} of it are left."
    )


def _batch(plan: Plan, rules: _Rules | None) -> str:
    if rules is not None and plan.batch_size != rules.batch:
        wanted = f"the rules give {rules.batch}" if rules.batch else "not even the smallest patches fit the budget"
        return f"Batch {plan.batch_size}: {BY_HAND}; {wanted}."
    if plan.architecture == "paper":
        return f"Batch {plan.batch_size}: as published."
    if plan.batch_size == MOST_PATCHES[plan.dimension]:
        return f"Batch {plan.batch_size}: in limited time, more steps teach more than larger batches."
    return f"Batch {plan.batch_size}: as many patches as the budget holds."


def _memory(fp: Fingerprint, plan: Plan, budget: Budget | None) -> str:
    text = (
        f"Memory: a step takes about {plan_step_bytes(plan) / 1e9:.2f} GB, with the program itself "
        f"({RESIDENT_BYTES / 1e9:.1f} GB) {training_gb(plan):.2f} GB"
    )
    if budget is not None:
        text += f"{', more than' if training_gb(plan) > budget.gb else ' of'} the {budget.gb:g} GB allowed"
        if budget.voxels is not None:
            text += f" (and at most {budget.voxels} voxels a step: on a CPU time is scarcer than memory)"
    return f"{text}; the prepared cases make up {prepared_bytes(fp, plan) / 1e9:.2g} GB more."


def times(values: Sequence[float]) -> str:
    """``1 × 2.5 × 3``."""
    return " × ".join(f"{v:.4g}" for v in values)


def amount(value: float) -> str:
    """Three significant digits, all digits of large numbers."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
