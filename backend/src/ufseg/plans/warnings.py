"""What a person should know about the data before training on them."""

from __future__ import annotations

import math

import numpy as np

from ufseg.plans.fingerprint import Fingerprint
from ufseg.plans.plan import Plan
from ufseg.plans.spacing import SMALL_OBJECT, sizes_and_spacings, smallest_objects

WIDE_RANGE = 3.0
FEW_CASES = 0.5
AXES = {2: ("j", "i"), 3: ("k", "j", "i")}


def plan_warnings(fp: Fingerprint, plan: Plan) -> list[str]:
    """Sentences about cases left out, constant images, rare classes, mixed spacings and objects that almost vanish."""
    return [
        *[f"Case {s.id} was left out: {s.reason}" for s in fp.skipped],
        *_constant(fp),
        *_few(fp),
        *_rare(fp),
        *_mixed(fp, plan),
        *_vanishing(fp, plan),
    ]


def _constant(fp: Fingerprint) -> list[str]:
    flat = [c for c in fp.cases if c.constant_channels]
    if not flat:
        return []
    channels = sorted({n + 1 for c in flat for n in c.constant_channels})
    where = "" if fp.channel_count == 1 else f" in channel {_listed([str(n) for n in channels])}"
    return [
        f"{len(flat)} of {len(fp.cases)} images {'is' if len(flat) == 1 else 'are'} constant{where} "
        f"({_listed([c.id for c in flat])}): there is nothing to see in them, and their labels can only mislead. Check "
        "or remove them."
    ]


def _few(fp: Fingerprint) -> list[str]:
    if len(fp.cases) > 1:
        return []
    return [
        "There is one case only: a model of it can be tried on others, but not be scored. Add cases to know better."
    ]


def _rare(fp: Fingerprint) -> list[str]:
    labelled = [c for c in fp.cases if c.class_voxels]
    sentences = []
    for name in labelled[0].class_voxels if labelled else ():
        having = [c for c in labelled if c.class_voxels[name]]
        if not having:
            sentences.append(f"{name} occurs in none of the {len(labelled)} labelled cases: it cannot be learned.")
        elif len(having) < FEW_CASES * len(labelled):
            sentences.append(
                f"{name} occurs in {len(having)} of {len(labelled)} labelled cases only "
                f"({_listed([c.id for c in having])}); held-out cases may lack it, and its score be missing."
            )
    return sentences


def _mixed(fp: Fingerprint, plan: Plan) -> list[str]:
    _, spacings = sizes_and_spacings(fp, plan.dimension)
    sentences = []
    for axis, name in enumerate(AXES[plan.dimension]):
        along = spacings[:, axis]
        if along.max() > WIDE_RANGE * along.min():
            finest, coarsest = fp.cases[int(np.argmin(along))].id, fp.cases[int(np.argmax(along))].id
            sentences.append(
                f"Along {name} spacings range from {along.min():.3g} mm ({finest}) to {along.max():.3g} mm "
                f"({coarsest}); all become {plan.spacing[axis]:.3g} mm, so the former lose detail and the latter are "
                f"interpolated to {along.max() / plan.spacing[axis]:.2g} times as many voxels."
            )
    return sentences


def _vanishing(fp: Fingerprint, plan: Plan) -> list[str]:
    sentences = []
    for small in smallest_objects(fp, plan.dimension, plan.spacing):
        if small.kept >= SMALL_OBJECT * 0.999:
            continue
        text = (
            f"The smallest {small.class_name} (case {small.case}) has {small.voxels} "
            f"voxel{'' if small.voxels == 1 else 's'} ({small.extent:.3g} {small.unit})"
        )
        if small.kept < 0.9 * small.voxels:
            text += f" and keeps {small.kept:.2g} of them at the plan's spacing; a finer spacing would show it better"
        else:
            text += "; whether so small an object is an error of the annotation or to be found, no network can tell"
        sentences.append(text + ".")
    return sentences


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def prepared_bytes(fp: Fingerprint, plan: Plan) -> int:
    """Size of all cases as they are trained on: float32 channels and a byte of label for each voxel."""
    sizes, spacings = sizes_and_spacings(fp, plan.dimension)
    voxels = (sizes * spacings / np.asarray(plan.spacing)).prod(axis=1)
    if plan.dimension == 2:
        voxels = voxels * [math.prod(c.stored_size[:-2]) for c in fp.cases]
    return int(voxels.sum() * (4 * fp.channel_count + 1))
