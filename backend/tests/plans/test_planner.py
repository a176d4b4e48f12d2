import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ufseg.errors import PlanError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.datasets import read_dataset
from ufseg.images.reading import read_label_map
from ufseg.plans.fingerprint import CaseFingerprint, Fingerprint, ForegroundIntensity, fingerprint
from ufseg.plans.memory import DEFAULT_BUDGETS, Budget, training_gb
from ufseg.plans.plan import Architecture, HuWindow, Plan, ZScore
from ufseg.plans.planner import make_plan

CLASSES = ClassTable.of({"a": 1, "b": 2})
INTENSITY = ForegroundIntensity(percentile_00_5=-120, percentile_99_5=240, mean=60, std=40, minimum=-900, maximum=900)


def measured(
    *cases: tuple[tuple[int, ...], tuple[float, ...]], modality: str = "MRI", channels: int = 1
) -> Fingerprint:
    return Fingerprint.model_validate(
        {
            "modality": modality,
            "dimension": 2 if len(cases[0][0]) == 2 else 3,
            "channel_count": channels,
            "cases": [
                CaseFingerprint(id=str(n), size=size, spacing=spacing, class_voxels={})
                for n, (size, spacing) in enumerate(cases)
            ],
            "channels": [INTENSITY] * channels,
        }
    )


def total_stride(plan: Plan) -> list[int]:
    return [math.prod(s[a] for s in plan.strides) for a in range(plan.dimension)]


def test_small_isotropic_volumes_are_seen_whole() -> None:
    plan = make_plan(measured(((36, 50, 35), (1.0, 1.0, 1.0))), CLASSES)
    assert plan.patch_size == (40, 56, 40)
    assert plan.features == (16, 32, 64, 128)
    assert plan.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    assert plan.kernel_sizes == ((3, 3, 3),) * 4
    assert (plan.batch_size, plan.classes, plan.dimension) == (2, 3, 3)
    assert plan.normalisation == (ZScore(),)


def test_thick_slices_wait_with_strides_and_kernels_until_they_are_isotropic() -> None:
    plan = make_plan(measured(((24, 256, 256), (6.0, 1.0, 1.0))), CLASSES)
    spacing = list(plan.spacing)
    waited = 0
    for stride, kernel in zip(plan.strides, plan.kernel_sizes, strict=True):
        spacing = [s * f for s, f in zip(spacing, stride, strict=True)]
        if spacing[0] >= 2 * spacing[1]:
            assert stride[0] == 1
            assert kernel == (1, 3, 3)
            waited += 1
        else:
            assert kernel == (3, 3, 3)
    assert waited == 2


def test_spacing_is_the_median_and_the_finer_tenth_where_one_axis_is_thick() -> None:
    plain = make_plan(measured(*[((60, 60, 60), (s, 1.0, 1.0)) for s in (1.0, 1.2, 2.0)]), CLASSES)
    assert plain.spacing == (1.2, 1.0, 1.0)
    thick = make_plan(measured(*[((20, 300, 300), (s, 0.7, 0.7)) for s in (1.0, 5.0, 5.0, 5.0, 5.0)]), CLASSES)
    assert thick.spacing[0] == pytest.approx(2.6)
    assert thick.spacing[1:] == (0.7, 0.7)


def test_float32_spacing_is_rounded() -> None:
    assert make_plan(
        measured(
            ((40, 40, 40), (0.99999994, 1.0000001, 7.499999046)),
        ),
        CLASSES,
    ).spacing == (1, 1, 7.5)


def test_large_volumes_get_a_patch_that_tends_to_a_cube_of_space() -> None:
    plan = make_plan(measured(((300, 512, 512), (1.5, 0.8, 0.8)), modality="CT"), CLASSES)
    extent = [p * s for p, s in zip(plan.patch_size, plan.spacing, strict=True)]
    assert max(extent) / min(extent) < 1.5
    assert math.prod(plan.patch_size) > 80**3
    assert training_gb(plan) <= 4


def test_more_memory_gives_larger_patches() -> None:
    case = measured(((300, 400, 400), (1.0, 1.0, 1.0)))
    volumes = [math.prod(make_plan(case, CLASSES, gb).patch_size) for gb in (1, 4, 16)]
    assert volumes[0] < volumes[1] < volumes[2]


def test_memory_that_holds_no_patch_is_said() -> None:
    with pytest.raises(PlanError, match="smallest patch"):
        make_plan(measured(((300, 400, 400), (1.0, 1.0, 1.0))), CLASSES, memory_gb=0.00001)


CASES = st.integers(2, 3).flatmap(
    lambda n: st.lists(
        st.tuples(st.tuples(*[st.integers(1, 600)] * n), st.tuples(*[st.floats(0.1, 12)] * n)), min_size=1, max_size=4
    )
)


@given(CASES, st.sampled_from([4.0, 24.0, *DEFAULT_BUDGETS.values()]), st.sampled_from(["dynunet", "paper"]))
def test_every_plan_is_consistent_and_within_its_budget(
    cases: list[tuple[tuple[int, ...], tuple[float, ...]]], budget: float | Budget, architecture: Architecture
) -> None:
    plan = make_plan(measured(*cases), CLASSES, budget, architecture=architecture)
    allowed = budget if isinstance(budget, Budget) else Budget(budget)
    assert training_gb(plan) <= allowed.gb
    assert plan.batch_size * math.prod(plan.patch_size) <= (allowed.voxels or math.inf)
    assert all(p % t == 0 for p, t in zip(plan.patch_size, total_stride(plan), strict=True))
    assert 3 <= len(plan.features) <= 6
    assert plan.features[0] == (32 if architecture == "paper" else 16)
    assert max(plan.features) <= (512 if plan.dimension == 2 or architecture == "paper" else 256)
    # The bottleneck keeps several positions, or instance normalisation would erase everything.
    assert math.prod(p // t for p, t in zip(plan.patch_size, total_stride(plan), strict=True)) > 1
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_pictures_get_a_2d_network_with_more_levels() -> None:
    plan = make_plan(measured(((565, 584), (1.0, 1.0)), modality="other", channels=3), CLASSES)
    assert plan.dimension == 2
    assert plan.features == (16, 32, 64, 128, 256, 512)
    assert plan.patch_size == (576, 608)
    assert len(plan.normalisation) == 3


def test_ct_gets_a_window_from_labelled_voxels() -> None:
    plan = make_plan(measured(((60, 60, 60), (1.0, 1.0, 1.0)), modality="CT"), CLASSES)
    assert plan.normalisation == (HuWindow(low=-120, high=240, mean=60, std=40),)


def test_ct_without_labelled_voxels_or_contrast_is_refused() -> None:
    case = measured(((60, 60, 60), (1.0, 1.0, 1.0)), modality="CT")
    with pytest.raises(PlanError, match="None of the 1 cases has a labelled voxel"):
        make_plan(case.model_copy(update={"channels": ()}), CLASSES)
    flat = INTENSITY.model_copy(update={"std": 0.0})
    with pytest.raises(PlanError, match="same intensity, 60"):
        make_plan(case.model_copy(update={"channels": (flat,)}), CLASSES)


def test_hippocampus(shared_data: Path) -> None:
    dataset = read_dataset(shared_data / "hippocampus_mri")
    for cases in (dataset.cases[:4], dataset.cases[::20]):
        plan = make_plan(fingerprint(cases, dataset.classes, "MRI"), dataset.classes)
        assert plan.spacing == (1, 1, 1)
        assert plan.patch_size == (40, 56, 40)
        assert plan.batch_size == 2
        assert plan.features == (16, 32, 64, 128)
        assert plan.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
        assert plan.normalisation == (ZScore(),)


def test_torso_ct(shared_data: Path) -> None:
    label = shared_data / "torso_ct" / "example_seg_model_output.nii.gz"
    classes = ClassTable.of({f"class {v}": v for v in read_label_map(label).values() if v})
    case = CaseFiles(id="t", subject="t", images=(shared_data / "torso_ct" / "example_ct.nii.gz",), label=label)
    plan = make_plan(fingerprint([case], classes, "CT"), classes)
    assert plan.spacing == (3, 3, 3)
    assert training_gb(plan) <= 4
    assert min(plan.patch_size) >= 64
    assert plan.features == (16, 32, 64, 128, 256)
    window = plan.normalisation[0]
    assert isinstance(window, HuWindow)
    assert -1100 < window.low < window.mean < window.high < 2000


def test_stacked_slices_of_unknown_spacing(shared_data: Path) -> None:
    dataset = read_dataset(shared_data / "lgg_flair_mri")
    plan = make_plan(fingerprint(dataset.cases[::8], dataset.classes, "MRI"), dataset.classes)
    assert plan.dimension == 3
    assert plan.patch_size[0] < 64 <= min(plan.patch_size[1:])
    assert training_gb(plan) <= 4
