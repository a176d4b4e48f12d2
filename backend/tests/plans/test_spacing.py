"""Target spacing and what it leaves of small objects."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ufseg.plans.fingerprint import CaseFingerprint, Fingerprint
from ufseg.plans.objects import ObjectSizes
from ufseg.plans.spacing import smallest_objects, target_spacing


def case(
    name: str, size: tuple[int, ...], spacing: tuple[float, ...], smallest: int | None = None, lesion: str = "lesion"
) -> CaseFingerprint:
    objects = {} if smallest is None else {lesion: ObjectSizes(count=1, smallest_voxels=smallest, median_voxels=9)}
    return CaseFingerprint(
        id=name,
        size=size,
        spacing=spacing,
        class_voxels={},
        stored_size=size,
        stored_spacing=spacing,
        objects=objects,
    )


def of(*cases: CaseFingerprint) -> Fingerprint:
    return Fingerprint(modality="MRI", dimension=3, channel_count=1, cases=cases, channels=())


def test_one_resolution_is_kept_however_small_the_objects() -> None:
    fp = of(*[case(n, (30, 30, 30), (1.0, 1.0, 1.0), smallest=1) for n in "abc"])
    assert target_spacing(fp, 3).values == (1, 1, 1)
    assert "all alike" in target_spacing(fp, 3).reason


def test_small_objects_of_fine_volumes_make_the_spacing_finer() -> None:
    coarse = [case(n, (30, 30, 30), (2.0, 2.0, 2.0), smallest=50) for n in "abc"]
    fine = [case(n, (60, 60, 60), (1.0, 1.0, 1.0), smallest=6) for n in "de"]
    rule = target_spacing(of(*coarse, *fine), 3)
    # 6 mm³ are .75 voxels at 2 mm; 4 voxels of 1.5 mm³ are wanted.
    assert math.prod(rule.values) == pytest.approx(1.5, rel=1e-3)
    assert "the smallest lesion (case d, 6 voxels) would shrink to 0.75 voxels" in rule.reason
    assert target_spacing(of(*coarse, case("d", (60, 60, 60), (1.0, 1.0, 1.0), smallest=300)), 3).values == (2, 2, 2)


def test_refinement_stops_at_half_the_median_and_at_the_finer_cases() -> None:
    coarse = [case(n, (30, 30, 30), (3.0, 3.0, 3.0)) for n in "abc"]
    fine = [case(n, (90, 90, 90), (0.3, 0.3, 0.3), smallest=1) for n in "de"]
    rule = target_spacing(of(*coarse, *fine), 3)
    assert rule.values == (1.5, 1.5, 1.5)
    (small,) = smallest_objects(of(*coarse, *fine), 3, rule.values)
    assert (small.case, small.voxels, small.class_name) == ("d", 1, "lesion")
    assert small.kept == pytest.approx((0.3 / 1.5) ** 3)
    assert (small.extent, small.unit) == (pytest.approx(0.027), "mm³")


def test_slices_are_measured_as_they_are_stored() -> None:
    turned = CaseFingerprint(
        id="a",
        size=(40, 50, 60),
        spacing=(3, 2, 1),
        class_voxels={},
        stored_size=(60, 40, 50),
        stored_spacing=(1, 3, 2),
    )
    assert target_spacing(of(turned), 2).values == (3, 2)
    assert target_spacing(of(turned), 3).values == (3, 2, 1)


SPACINGS = st.tuples(*[st.floats(0.3, 10)] * 3)


@given(st.lists(st.tuples(SPACINGS, st.integers(1, 5000)), min_size=1, max_size=6))
def test_mixed_spacings_stay_between_the_finest_and_the_coarsest(cases: list[tuple[tuple[float, ...], int]]) -> None:
    fp = of(*[case(str(n), (40, 40, 40), spacing, smallest=v) for n, (spacing, v) in enumerate(cases)])
    target = target_spacing(fp, 3).values
    for axis in range(3):
        along = [c.spacing[axis] for c in fp.cases]
        assert min(along) * 0.999 <= target[axis] <= max(along) * 1.001
