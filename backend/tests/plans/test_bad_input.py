"""Data as they come: each gets a sensible plan or a clear sentence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from plan_cases import write_case

from ufseg.errors import ImageError, LabelError, PlanError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.reading import read_whole_case
from ufseg.networks.build import build_network
from ufseg.plans.explain import explain
from ufseg.plans.fingerprint import Fingerprint, fingerprint
from ufseg.plans.plan import HuWindow, Plan, ZScore
from ufseg.plans.planner import make_plan
from ufseg.plans.preprocessing import preprocess_image, preprocess_label
from ufseg.plans.warnings import plan_warnings

CLASSES = ClassTable.of({"organ": 1, "lesion": 2})
ORGAN = np.s_[2:10, 2:10, 2:10]
VOXEL = np.s_[5:6, 5:6, 5:6]
SIZE = (16, 16, 16)
MM = (1.0, 1.0, 1.0)


def warned(fp: Fingerprint, plan: Plan) -> str:
    return "\n".join(plan_warnings(fp, plan))


def test_one_case(tmp_path: Path) -> None:
    fp = fingerprint([write_case(tmp_path, "only", SIZE, MM, {1: ORGAN})], CLASSES, "MRI")
    plan = make_plan(fp, CLASSES)
    assert plan.patch_size == (16, 16, 16)
    assert "There is one case only" in warned(fp, plan)
    assert explain(fp, plan)[0] == "Data: 1 case of 16 × 16 × 16 voxels, 1 channel, stored as int16."


def test_classes_that_most_cases_lack(tmp_path: Path) -> None:
    cases = [
        write_case(tmp_path, n, SIZE, MM, {1: ORGAN, **({2: VOXEL} if n == "c3" else {})}) for n in ("c1", "c2", "c3")
    ]
    classes = ClassTable.of({"organ": 1, "lesion": 2, "vessel": 3})
    fp = fingerprint(cases, classes, "CT")
    plan = make_plan(fp, classes)
    assert plan.classes == 4
    assert "lesion occurs in 1 of 3 labelled cases only (c3)" in warned(fp, plan)
    assert "vessel occurs in none of the 3 labelled cases: it cannot be learned." in warned(fp, plan)
    assert "organ occurs" not in warned(fp, plan)


def test_lesions_of_one_voxel_keep_their_voxel(tmp_path: Path) -> None:
    cases = [write_case(tmp_path, n, SIZE, MM, {1: ORGAN, 2: VOXEL}) for n in ("a", "b")]
    fp = fingerprint(cases, CLASSES, "MRI")
    plan = make_plan(fp, CLASSES)
    assert plan.spacing == MM
    assert "The smallest lesion (case a) has 1 voxel (1 mm³); whether" in warned(fp, plan)
    assert any("rarest class" in s and "lesion" in s for s in explain(fp, plan))
    _, label = read_whole_case(cases[0], CLASSES)
    assert label is not None
    assert (preprocess_label(label, plan, CLASSES) == 2).sum() == 1


def test_spacings_from_a_third_to_ten_millimetres(tmp_path: Path) -> None:
    lesion = {1: np.s_[1:4, 2:30, 2:30], 2: np.s_[2:4, 4:6, 4:6]}
    spacings = [(0.3, 0.3, 0.3), (1.0, 0.5, 0.5), (3.0, 0.8, 0.8), (10.0, 0.9, 0.9)]
    cases = [write_case(tmp_path, f"case{n}", (6, 32, 32), s, lesion) for n, s in enumerate(spacings)]
    fp = fingerprint(cases, CLASSES, "MRI")
    plan = make_plan(fp, CLASSES)
    assert plan.dimension == 3
    assert 0.3 <= plan.spacing[0] <= 2
    text = warned(fp, plan)
    assert "Along k spacings range from 0.3 mm (case0) to 10 mm (case3)" in text
    assert re.search(r"The smallest lesion \(case case0\) has 8 voxels \(0\.216 mm³\) and keeps [\d.]+ of them", text)
    for files in cases:
        image, _ = read_whole_case(files, CLASSES)
        array, geometry = preprocess_image(image, plan)
        assert array.shape[1:] == geometry.array_shape
        assert np.isfinite(array).all()


def test_types_may_differ_but_not_the_number_of_channels(tmp_path: Path) -> None:
    types = {"a": np.uint8, "b": np.float32, "c": np.int16}
    cases = [write_case(tmp_path, n, SIZE, MM, {1: ORGAN}, dtype=t) for n, t in types.items()]
    fp = fingerprint(cases, CLASSES, "MRI")
    assert "stored as float32, int16, uint8" in explain(fp, make_plan(fp, CLASSES))[0]
    mixed = [CaseFiles(id="ab", subject="ab", images=(*cases[0].images, *cases[1].images), label=cases[0].label)]
    assert fingerprint(mixed, CLASSES, "MRI").cases[0].dtype == "float32"
    with pytest.raises(PlanError, match="Case ab has 2 channels, but a has 1"):
        fingerprint([*cases, *mixed], CLASSES, "MRI", skip_unreadable=True)


def test_float_labels(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a", SIZE, MM, {1: ORGAN})
    label = sitk.ReadImage(str(case.label))
    sitk.WriteImage(sitk.Cast(label, sitk.sitkFloat32), str(tmp_path / "whole.nrrd"))
    sitk.WriteImage(sitk.Cast(label, sitk.sitkFloat32) * 0.5, str(tmp_path / "half.nrrd"))
    whole = case.model_copy(update={"label": tmp_path / "whole.nrrd"})
    assert fingerprint([whole], CLASSES, "MRI").cases[0].class_voxels == {"organ": 512, "lesion": 0}
    with pytest.raises(LabelError, match=r"half\.nrrd holds 512 fractional values \(0\.5\)"):
        fingerprint([case.model_copy(update={"label": tmp_path / "half.nrrd"})], CLASSES, "MRI")


def test_constant_images(tmp_path: Path) -> None:
    flat = write_case(tmp_path, "flat", SIZE, MM, {1: ORGAN}, constant=True)
    good = write_case(tmp_path, "good", SIZE, MM, {1: ORGAN})
    fp = fingerprint([flat, good], CLASSES, "MRI")
    assert "1 of 2 images is constant (flat)" in warned(fp, make_plan(fp, CLASSES))
    image, _ = read_whole_case(flat, CLASSES)
    assert not preprocess_image(image, make_plan(fp, CLASSES))[0].any()
    for modality in ("MRI", "CT"):
        with pytest.raises(PlanError, match=r"All 1 images \(such as flat\) have one value everywhere"):
            make_plan(fingerprint([flat], CLASSES, modality), CLASSES)  # type: ignore[arg-type]


def test_a_corrupt_case_is_named_and_skipped_only_if_asked(tmp_path: Path) -> None:
    cases = [write_case(tmp_path, n, SIZE, MM, {1: ORGAN}) for n in ("a", "b", "c", "d", "e")]
    cases[0].images[0].write_bytes(cases[0].images[0].read_bytes()[:300])
    (tmp_path / "b.nrrd").unlink()
    write_case(tmp_path, "other", (8, 8, 8), MM, {})
    cases[2] = cases[2].model_copy(update={"label": tmp_path / "other-label.nrrd"})
    with pytest.raises(ImageError, match=r"a\.nrrd"):
        fingerprint(cases, CLASSES, "MRI")
    fp = fingerprint(cases, CLASSES, "MRI", skip_unreadable=True)
    assert [c.id for c in fp.cases] == ["d", "e"]
    assert [s.id for s in fp.skipped] == ["a", "b", "c"]
    assert [name in s.reason for name, s in zip(("a.nrrd", "b.nrrd", "other-label"), fp.skipped, strict=True)] == [
        True
    ] * 3
    plan = make_plan(fp, CLASSES)
    assert "Case b was left out: There is no file" in warned(fp, plan)
    with pytest.raises(PlanError, match=r"None of the 2 cases can be read.*a\.nrrd"):
        fingerprint(cases[:2], CLASSES, "MRI", skip_unreadable=True)


def test_ct_beside_mri_is_normalised_channel_by_channel(tmp_path: Path) -> None:
    ct, mr = (write_case(tmp_path, n, SIZE, MM, {1: ORGAN}) for n in ("ct", "mr"))
    both = CaseFiles(id="x", subject="x", images=(*ct.images, *mr.images), label=ct.label)
    fp = fingerprint([both], CLASSES, "CT", channel_names=["CT", "T1"])
    plan = make_plan(fp, CLASSES)
    assert [type(n) for n in plan.normalisation] == [HuWindow, ZScore]
    assert any("channel 1 Hounsfield units clipped" in s and "channel 2 each image by" in s for s in explain(fp, plan))


@pytest.mark.parametrize(
    ("size", "spacing", "dimension", "reason"),
    [
        ((3, 40, 40), MM, 2, "3 slices in the median, fewer than the 4"),
        ((20, 40, 40), (10.0, 0.5, 0.5), 2, "slices are 20 times as thick"),
        ((20, 40, 40), (5.0, 0.5, 0.5), 3, "10 times as thick as their pixels"),
    ],
)
def test_few_or_thick_slices_are_taken_one_by_one(
    tmp_path: Path, size: tuple[int, ...], spacing: tuple[float, ...], dimension: int, reason: str
) -> None:
    fp = fingerprint([write_case(tmp_path, "a", size, spacing, {1: np.s_[1:2, 5:9, 5:9]})], CLASSES, "MRI")
    plan = make_plan(fp, CLASSES)
    assert plan.dimension == dimension
    assert plan.spacing == spacing[-dimension:]
    assert any(reason in sentence for sentence in explain(fp, plan))
    forced = make_plan(fp, CLASSES, dimension=2 if dimension == 3 else 3)
    assert any("set by hand" in sentence for sentence in explain(fp, forced))


def test_single_slices_have_no_3d_plan(tmp_path: Path) -> None:
    fp = fingerprint([write_case(tmp_path, "a", (1, 40, 40), MM, {1: np.s_[0:1, 5:9, 5:9]})], CLASSES, "MRI")
    with pytest.raises(PlanError, match=r"3D plan was asked for, but all 1 cases are single slices \(such as a\)"):
        make_plan(fp, CLASSES, dimension=3)


@pytest.mark.parametrize("size", [(2, 3, 2), (1, 2), (5, 300), (4, 4, 9)])
@pytest.mark.parametrize("architecture", ["dynunet", "paper"])
def test_tiny_images_get_a_network_that_can_be_trained(
    tmp_path: Path, size: tuple[int, ...], architecture: str
) -> None:
    files = write_case(tmp_path, "a", size, (1.0,) * len(size), {1: (slice(0, 1),) * len(size)}, channels=2)
    fp = fingerprint([files], CLASSES, "MRI")
    if all(c.constant_channels for c in fp.cases):
        pytest.skip("a single voxel is constant")
    plan = make_plan(fp, CLASSES, architecture=architecture)  # type: ignore[arg-type]
    network = build_network(plan, 2).train()
    assert network(torch.randn(1, 2, *plan.patch_size)).shape == (1, 3, *plan.patch_size)
