"""Plans of other data are refused with the numbers."""

from __future__ import annotations

from typing import Any

import pytest

from ufseg.errors import PlanError
from ufseg.images.class_table import ClassTable
from ufseg.plans.fingerprint import CaseFingerprint, Fingerprint
from ufseg.plans.fit import check_fits
from ufseg.plans.plan import HuWindow, Plan, ZScore
from ufseg.plans.planner import make_plan

CLASSES = ClassTable.of({"a": 1, "b": 2})


def volumes(**changes: Any) -> Fingerprint:
    return Fingerprint.model_validate(
        {
            "modality": "MRI",
            "dimension": 3,
            "channel_count": 1,
            "cases": [CaseFingerprint(id="x", size=(40, 40, 40), spacing=(1, 1, 1), class_voxels={})],
            "channels": [],
            "channel_modalities": ("MRI",),
        }
        | changes
    )


PLAN = make_plan(volumes(), CLASSES)
WINDOW = HuWindow(low=-100, high=200, mean=40, std=30)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"normalisation": (ZScore(), ZScore())}, "it normalises 2 channels, but the images have 1"),
        ({"classes": 5}, "it has 5 classes, but the data set has 3 with background: a, b"),
        ({"normalisation": (WINDOW,)}, "clips channel 1 to -100 to 200 HU, but that channel's modality is MRI"),
        ({"modality": "CT"}, r"it is for CT, but the images are MRI \(modality\)"),
        ({"spacing": (0.001, 0.001, 0.001)}, r"median case has 6\.4e\+13 voxels, 2\.6e\+05 GB \(spacing\)"),
        ({"patch_size": (8, 8, 8)}, r"a single position on the lowest level.*\(patch_size\)"),
        (
            {"features": (8, 8), "kernel_sizes": ((3, 3, 3),) * 2, "strides": ((1, 1, 1), (2, 2, 2))},
            "2 levels, but the network needs 3",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], match: str) -> None:
    plan = Plan.model_validate(PLAN.model_dump() | changes)
    with pytest.raises(PlanError, match=f"The plan mine.json does not fit the data: .*{match}"):
        check_fits(plan, volumes(), CLASSES, "The plan mine.json")


def test_all_differences_are_said_at_once() -> None:
    slices = CaseFingerprint(id="s", size=(1, 40, 40), spacing=(1, 1, 1), class_voxels={})
    pictures = volumes(dimension=2, cases=[slices], channel_count=3)
    with pytest.raises(PlanError, match=r"1 channel, but the images have 3.*; it is for volumes, but all 1 cases are"):
        check_fits(PLAN, pictures, CLASSES)


def test_2d_plans_fit_volumes_and_own_plans_fit() -> None:
    check_fits(PLAN, volumes(), CLASSES)
    check_fits(make_plan(volumes(), CLASSES, dimension=2), volumes(), CLASSES)
