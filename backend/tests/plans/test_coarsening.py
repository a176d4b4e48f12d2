"""When a plan is made coarser to save time."""

from __future__ import annotations

import math

import pytest

from ufseg.plans.coarsening import PATCHES_PER_CASE
from ufseg.plans.detail import FACTORS
from ufseg.plans.fingerprint import CaseFingerprint, Fingerprint
from ufseg.plans.objects import ObjectSizes
from ufseg.plans.spacing import target_spacing

PATCH = 48**3
GOOD, POOR = (1.0, 0.99, 0.98, 0.97), (0.99, 0.9, 0.8, 0.5)


def _fingerprint(
    size: tuple[int, ...] = (100, 256, 256),
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
    detail: tuple[float, ...] = GOOD,
    median_voxels: float = 30_000,
) -> Fingerprint:
    cases = [
        CaseFingerprint(
            id=name,
            size=size,
            spacing=spacing,
            class_voxels={"organ": 30_000},
            stored_size=size,
            stored_spacing=spacing,
            objects={"organ": ObjectSizes(count=1, smallest_voxels=4, median_voxels=median_voxels)},
            detail={"organ": detail},
        )
        for name in "abc"
    ]
    return Fingerprint(modality="MRI", dimension=3, channel_count=1, cases=tuple(cases), channels=())


def test_a_large_case_is_seen_coarser_until_few_patches_cover_it() -> None:
    rule = target_spacing(_fingerprint(), 3, patch_voxels=PATCH)
    assert rule.values == (3.0, 3.0, 3.0)
    assert "59 patches" in rule.reason
    patches = 100 * 256 * 256 / math.prod(rule.values) / PATCH
    assert patches <= PATCHES_PER_CASE
    assert f"leaves {patches:.0f}" in rule.reason


def test_thick_slices_keep_their_spacing() -> None:
    rule = target_spacing(_fingerprint((40, 512, 512), (4.0, 0.8, 0.8)), 3, patch_voxels=PATCH)
    assert rule.values[0] == 4.0
    assert rule.values[1] == rule.values[2] > 1.5


@pytest.mark.parametrize(
    ("fingerprint", "patch"),
    [
        (_fingerprint(), None),
        (_fingerprint((60, 64, 64)), PATCH),
        (_fingerprint(detail=POOR), PATCH // 50),
        (_fingerprint(median_voxels=30), PATCH),
    ],
    ids=["time is no matter", "small cases", "fine shapes", "small objects"],
)
def test_otherwise_the_resolution_stays(fingerprint: Fingerprint, patch: int | None) -> None:
    rule = target_spacing(fingerprint, 3, patch_voxels=patch)
    expected = FACTORS[0] if fingerprint.cases[0].detail["organ"] == POOR else 1.0
    assert rule.values == (expected,) * 3


def test_two_dimensional_plans_stay() -> None:
    assert target_spacing(_fingerprint(), 2, patch_voxels=1000).values == (1.0, 1.0)
