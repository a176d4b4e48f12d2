from pathlib import Path

import numpy as np
import pytest

from ufseg.errors import CancelledError, ImageError, LabelError, PlanError
from ufseg.images.case_files import CaseFiles, Region
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.writing import write_image, write_label_map
from ufseg.plans.fingerprint import Fingerprint, fingerprint
from ufseg.progress import Progress

CLASSES = ClassTable.of({"a": 1, "b": 5})
# Sagittal storage: the image axes i, j, k run along P, S, L.
SAGITTAL = Geometry(size=(6, 7, 8), spacing=(1, 2, 3), origin=(0, 0, 0), direction=(0, 0, 1, 1, 0, 0, 0, 1, 0))


def case(
    folder: Path, name: str, geometry: Geometry = SAGITTAL, channels: int = 1, labelled: bool = True, seed: int = 0
) -> CaseFiles:
    values = np.random.default_rng(seed).normal(40, 10, (channels, *geometry.array_shape))
    label = np.zeros(geometry.array_shape, np.uint8)
    label.reshape(-1)[:30] = 1
    label.reshape(-1)[30:40] = 5
    values[:, label == 0] = -1000
    write_image(folder / f"{name}.nrrd", Image(values.astype(np.int16), geometry))
    path = folder / f"{name}-label.nrrd"
    write_label_map(path, LabelMap(label, geometry))
    return CaseFiles(id=name, subject=name, images=(folder / f"{name}.nrrd",), label=path if labelled else None)


def test_sizes_are_canonical_and_intensities_are_those_of_labelled_voxels(tmp_path: Path) -> None:
    reports: list[Progress] = []
    cases = [case(tmp_path, "x"), case(tmp_path, "y", labelled=False)]
    fp = fingerprint(cases, CLASSES, "CT", progress=reports.append)
    assert fp.dimension == 3
    assert [c.id for c in fp.cases] == ["x", "y"]
    assert fp.cases[0].size == (7, 6, 8)
    assert fp.cases[0].spacing == (2, 1, 3)
    assert fp.cases[0].class_voxels == {"a": 30, "b": 10}
    assert fp.cases[1].class_voxels == {}
    (intensity,) = fp.channels
    assert intensity.minimum > -100
    assert intensity.mean == pytest.approx(40, abs=5)
    assert intensity.minimum <= intensity.percentile_00_5 < intensity.percentile_99_5 <= intensity.maximum
    assert [r.fraction for r in reports] == [0.5, 1.0]
    assert Fingerprint.model_validate_json(fp.model_dump_json()) == fp


def test_only_the_annotated_region_is_measured(tmp_path: Path) -> None:
    files = case(tmp_path, "x").model_copy(update={"region": Region(start=(0, 0, 0), stop=(6, 5, 1))})
    fp = fingerprint([files], CLASSES, "CT")
    assert fp.cases[0].class_voxels == {"a": 30, "b": 0}
    # But the network is made for whole images: one annotated slice makes no 2D task of volumes.
    assert fp.cases[0].size == fingerprint([case(tmp_path, "y")], CLASSES, "CT").cases[0].size
    assert fp.dimension == 3


def test_every_case_weighs_alike(tmp_path: Path) -> None:
    big = Geometry(size=(64, 64, 40), spacing=(1, 1, 1), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    files = []
    for name, value, share in (("x", 0, 1.0), ("y", 100, 0.1)):
        label = np.zeros(big.array_shape, np.uint8)
        label.reshape(-1)[: int(label.size * share)] = 1
        write_image(tmp_path / f"{name}.nrrd", Image(np.full((1, *big.array_shape), value, np.int16), big))
        write_label_map(tmp_path / f"{name}-label.nrrd", LabelMap(label, big))
        images = (tmp_path / f"{name}.nrrd",)
        files.append(CaseFiles(id=name, subject=name, images=images, label=tmp_path / f"{name}-label.nrrd"))
    assert fingerprint(files, CLASSES, "CT").channels[0].mean == pytest.approx(50, abs=5)


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(size=(6, 8), spacing=(0.5, 0.7), origin=(0, 0), direction=(1, 0, 0, 1)),
        SAGITTAL.model_copy(update={"size": (6, 8, 1)}),
    ],
    ids=["picture", "single slice"],
)
def test_single_slices_are_two_dimensional(tmp_path: Path, geometry: Geometry) -> None:
    fp = fingerprint([case(tmp_path, "x", geometry)], CLASSES, "MRI")
    assert fp.dimension == 2
    assert fp.cases[0].size[-2:] == (8, 6)


def test_mixed_cases_are_refused(tmp_path: Path) -> None:
    slice_ = SAGITTAL.model_copy(update={"size": (6, 8, 1)})
    with pytest.raises(PlanError, match=r"1 of 2 cases are single slices \(such as y\), .* \(such as x\)"):
        fingerprint([case(tmp_path, "x"), case(tmp_path, "y", slice_)], CLASSES, "MRI")
    with pytest.raises(PlanError, match="Case y has 2 channels, but x has 1"):
        fingerprint([case(tmp_path, "x"), case(tmp_path, "y", channels=2)], CLASSES, "MRI")
    with pytest.raises(PlanError, match="no cases"):
        fingerprint([], CLASSES, "MRI")


def test_unlabelled_data_has_no_intensities(tmp_path: Path) -> None:
    assert fingerprint([case(tmp_path, "x", labelled=False)], CLASSES, "CT").channels == ()


def test_bad_cases_are_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"x-label\.nrrd holds the value 5"):
        fingerprint([case(tmp_path, "x")], ClassTable.of({"a": 1}), "CT")
    files = case(tmp_path, "z").model_copy(update={"images": (tmp_path / "absent.nrrd",)})
    with pytest.raises(ImageError, match=r"absent\.nrrd"):
        fingerprint([files], CLASSES, "CT")


def test_cancelling_stops_before_the_next_case(tmp_path: Path) -> None:
    reports: list[Progress] = []
    with pytest.raises(CancelledError):
        fingerprint(
            [case(tmp_path, "x"), case(tmp_path, "y")],
            CLASSES,
            "CT",
            progress=reports.append,
            cancelled=lambda: len(reports) == 1,
        )
    assert len(reports) == 1
