"""Plans in words."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from ufseg.images.class_table import ClassTable
from ufseg.plans.explain import explain
from ufseg.plans.fingerprint import CaseFingerprint, Fingerprint, ForegroundIntensity
from ufseg.plans.memory import DEFAULT_BUDGETS
from ufseg.plans.objects import ObjectSizes
from ufseg.plans.plan import Architecture
from ufseg.plans.planner import make_plan

CLASSES = ClassTable.of({"organ": 1, "lesion": 2})
INTENSITY = ForegroundIntensity(percentile_00_5=-120, percentile_99_5=240, mean=60, std=40, minimum=-900, maximum=900)


def volumes(
    size: tuple[int, ...], spacing: tuple[float, ...], count: int = 3, modality: str = "MRI", **changes: Any
) -> Fingerprint:
    case = {
        "size": size,
        "spacing": spacing,
        "stored_size": size,
        "stored_spacing": spacing,
        "class_voxels": {"organ": 900, "lesion": 10},
        "annotated_voxels": 10_000,
        "dtype": "int16",
    }
    return Fingerprint.model_validate(
        {
            "modality": modality,
            "dimension": 3 if len(size) == 3 else 2,
            "channel_count": 1,
            "cases": [CaseFingerprint.model_validate(case | {"id": str(n)}) for n in range(count)],
            "channels": [INTENSITY],
        }
        | changes
    )


def starting(sentences: list[str], word: str) -> str:
    (found,) = [s for s in sentences if s.startswith(word)]
    return found


def test_every_decision_has_its_numbers() -> None:
    fp = volumes((36, 50, 35), (1.0, 1.0, 1.0))
    said = explain(fp, make_plan(fp, CLASSES), 4)
    assert starting(said, "Data") == "Data: 3 cases of 36 × 50 × 35 voxels each, 1 channel, stored as int16."
    assert "0.10% of the annotated voxels are lesion (the rarest class), which occurs in 3 of 3" in starting(
        said, "Cla"
    )
    assert "36 slices in the median" in starting(said, "Dimension 3")
    assert starting(said, "Spacing") == "Spacing 1 × 1 × 1 mm: the median of 3 cases, all alike."
    assert "36 × 50 × 35 voxels, rounded up to multiples of 8 × 8 × 8, fits whole" in starting(said, "Patch")
    assert "Levels: 4, down to 5 × 7 × 5 positions" in starting(said, "Levels")
    assert "16-32-64-128 features, 1.4 million weights" in starting(said, "Network")
    assert "0.22 GB, with the program itself (0.7 GB) 0.92 GB of the 4 GB allowed" in starting(said, "Memory")
    assert "own mean and deviation" in starting(said, "Normalisation")
    assert all(s.endswith(".") for s in said)


@pytest.mark.parametrize("dimension", [2, 3])
def test_objects_of_volumes_have_a_volume_also_slice_by_slice(dimension: Literal[2, 3]) -> None:
    lesion = {"lesion": ObjectSizes(count=1, smallest_voxels=20, median_voxels=20.0)}
    fp = volumes((40, 64, 64), (3.0, 1.0, 1.0))
    fp = fp.model_copy(update={"cases": tuple(c.model_copy(update={"objects": lesion}) for c in fp.cases)})
    said = starting(explain(fp, make_plan(fp, CLASSES, dimension=dimension), 4), "Smallest object")
    assert said == "Smallest object: the lesion of 20 voxels or 60 mm³ in case 0, which at the plan's spacing makes 20."


def test_thick_slices_windows_and_cut_patches_are_explained() -> None:
    fp = volumes((40, 512, 512), (5.0, 0.8, 0.8), modality="CT")
    plan = make_plan(fp, CLASSES, DEFAULT_BUDGETS["cpu"])
    said = explain(fp, plan, DEFAULT_BUDGETS["cpu"])
    assert "along k, 6.25 times as coarse as the finest axis, the first 2 levels neither halve nor mix" in starting(
        said, "Lev"
    )
    assert "clipped to -120 to 240 (0.5th and 99.5th percentile of labelled voxels), minus 60" in starting(said, "Norm")
    assert "do not fit the budget" in starting(said, "Patch")
    assert "at most 220000 voxels a step" in starting(said, "Memory")


def test_changes_by_hand_are_told_from_rules() -> None:
    fp = volumes((36, 50, 35), (1.0, 1.0, 1.0), modality="CT")
    plan = make_plan(fp, CLASSES)
    window = plan.normalisation[0].model_copy(update={"low": -50.0})
    changed = plan.model_copy(update={"spacing": (2.0, 1.0, 1.0), "normalisation": (window,)})
    said = explain(fp, changed)
    assert "set by hand; the rules give 1 × 1 × 1 mm" in starting(said, "Spacing")
    assert starting(said, "Normalisation").endswith("set by hand.")
    assert not any("set by hand" in s for s in explain(fp, plan))


@pytest.mark.parametrize(
    ("changes", "word", "said"),
    [
        (
            {"patch_size": (32, 32, 32)},
            "Patch",
            "Patch 32 × 32 × 32 voxels (32 × 32 × 32 mm): {}; the rules give 40 × 56 × 40.",
        ),
        ({"batch_size": 1}, "Batch", "Batch 1: {}; the rules give 2."),
        (
            {"features": (8, 16, 32, 64)},
            "Network",
            "Network: dynunet, 8-16-32-64 features, 0.4 million weights: {}; the rules give 16-32-64-128.",
        ),
        (
            {"kernel_sizes": ((1, 3, 3), *((3, 3, 3),) * 3)},
            "Levels",
            "Levels: 4, down to 5 × 7 × 5 positions: {}; the rules give strides 1 × 1 × 1, 2 × 2 × 2, 2 × 2 × 2, "
            "2 × 2 × 2 and kernels 3 × 3 × 3, 3 × 3 × 3, 3 × 3 × 3, 3 × 3 × 3.",
        ),
    ],
)
def test_steps_and_network_by_hand_are_told_from_rules(changes: dict[str, Any], word: str, said: str) -> None:
    fp = volumes((36, 50, 35), (1.0, 1.0, 1.0))
    plan = make_plan(fp, CLASSES, 4)
    sentences = explain(fp, plan.model_copy(update=changes), 4)
    assert starting(sentences, word) == said.format("set by hand, or for another memory")
    assert [s for s in sentences if "by hand" in s] == [starting(sentences, word)]
    assert "more than the 0.8 GB allowed" in starting(explain(fp, plan, 0.8), "Memory")


def test_a_batch_that_the_budget_bounds_is_said_to_be() -> None:
    fp = volumes((584, 565), (1.0, 1.0))
    budget = DEFAULT_BUDGETS["cpu"]
    plan = make_plan(fp, CLASSES, budget)
    assert starting(explain(fp, plan, budget), "Batch") == "Batch 2: as many patches as the budget holds."


@pytest.mark.parametrize(
    ("dataset", "size", "spacing", "patch", "planned"),
    [
        ("KiTS19", (100, 512, 512), (3.0, 0.8, 0.8), (80, 160, 160), (3.22, 1.62, 1.62)),
        ("brats20", (155, 240, 240), (1.0, 1.0, 1.0), (96, 96, 96), (1.0, 1.0, 1.0)),
        ("DRIVE", (584, 565), (1.0, 1.0), (512, 512), (1.1406, 1.1035)),
        ("CVC-ClinicDB", (288, 384), (1.0, 1.0), (288, 384), (1.0, 1.0)),
        ("BUS2017", (570, 760), (0.1, 0.1), (128, 128), (0.44531, 0.59375)),
    ],
)
def test_the_papers_settings(
    dataset: str, size: tuple[int, ...], spacing: tuple[float, ...], patch: tuple[int, ...], planned: tuple[float, ...]
) -> None:
    fp = volumes(size, spacing, modality="CT" if dataset == "KiTS19" else "other", dataset=dataset)
    plan = make_plan(fp, CLASSES, 16, architecture="paper")
    assert plan.patch_size == patch
    assert plan.spacing == pytest.approx(planned, rel=1e-4)
    assert (plan.batch_size, plan.features) == (2, (32, 64, 128, 256, 512))
    said = explain(fp, plan, 16)
    assert "as published for" in starting(said, "Spacing")
    if dataset == "KiTS19":
        assert "clipped to -79 to 304 (published for KiTS19)" in starting(said, "Normalisation")
    ours = make_plan(fp, CLASSES, 16)
    assert ours.spacing == spacing, "the default architecture goes by the data"
    small = make_plan(fp, CLASSES, DEFAULT_BUDGETS["cpu"], architecture="paper")
    assert small.spacing == plan.spacing


@pytest.mark.parametrize("architecture", ["dynunet", "paper"])
def test_every_plan_can_be_explained(architecture: Architecture) -> None:
    for size, spacing in (((1, 64, 64), (1.0, 1.0, 1.0)), ((30, 64, 64), (1.0, 1.0, 1.0)), ((64, 64), (1.0, 2.0))):
        fp = volumes(size, spacing, dimension=2 if size[0] == 1 or len(size) == 2 else 3)
        for dimension in (2, 3) if fp.dimension == 3 else (2,):
            plan = make_plan(fp, CLASSES, 4, dimension, architecture)  # type: ignore[arg-type]
            assert len(explain(fp, plan, 4)) >= 10
