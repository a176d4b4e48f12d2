"""Reading and preprocessing cases before training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ufseg.errors import CancelledError, DatasetError, LabelError
from ufseg.images.case_files import CaseFiles, Region
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.reading import read_image
from ufseg.images.writing import write_image, write_label_map
from ufseg.networks.device import choose_device
from ufseg.plans.plan import Plan
from ufseg.progress import Progress
from ufseg.training.case_store import StoredCase
from ufseg.training.cases import IGNORED, PreparedCase
from ufseg.training.prepare import prepare_cases, with_unknown_background
from ufseg.training.settings import TrainingSettings
from ufseg.training.trainer import train

CLASSES = ClassTable.of({"organ": 2, "lesion": 5})


def case_files(folder: Path, name: str, shape: tuple[int, ...], label: bool = True) -> CaseFiles:
    """A noisy case on disk with an organ and a lesion in it."""
    rng = np.random.default_rng(len(name))
    n = len(shape)
    geometry = Geometry(
        size=tuple(reversed(shape)),
        spacing=(1.0,) * n,
        origin=(0.0,) * n,
        direction=tuple(np.eye(n).reshape(-1)),
    )
    array = np.zeros(shape, np.uint8)
    array[..., 3:9, 3:9] = 2
    array[..., 4:6, 4:6] = 5
    write_image(folder / f"{name}.nrrd", Image(rng.normal(100, 20, (1, *shape)).astype(np.float32), geometry))
    write_label_map(folder / f"{name}-label.nrrd", LabelMap(array, geometry), None)
    return CaseFiles(
        id=name,
        subject=name,
        images=(folder / f"{name}.nrrd",),
        label=folder / f"{name}-label.nrrd" if label else None,
    )


def test_arrays_and_foreground(tmp_path: Path, plan: Plan) -> None:
    reports: list[Progress] = []
    files = [case_files(tmp_path, "one", (10, 12, 14)), case_files(tmp_path, "three", (11, 12, 13))]
    first, second = prepare_cases(files, plan, CLASSES, reports.append)
    assert (first.id, second.id) == ("one", "three")
    assert first.image.shape == (1, 10, 12, 14)
    assert first.image.dtype == np.float32
    assert abs(float(first.image.mean())) < 1e-3
    assert sorted(np.unique(first.label)) == [0, 1, 2]
    assert [len(p) for p in first.foreground] == [10 * 32, 10 * 4]
    for value, positions in enumerate(first.foreground, start=1):
        assert (first.label[tuple(positions.T)] == value).all()
    assert [r.fraction for r in reports] == [0, 0.5, 1]


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_region_is_normalised_as_the_whole_image_is_when_the_model_is_used(
    tmp_path: Path, plan: Plan, plan_2d: Plan, dimension: int
) -> None:
    chosen = plan if dimension == 3 else plan_2d
    files = case_files(tmp_path, "one", (10, 12, 14))
    image = read_image(files.images[0])
    bright = image.array + 500 * (np.arange(14) < 5)  # so that regions differ
    write_image(files.images[0], Image(bright.astype(np.float32), image.geometry))
    region = files.model_copy(update={"region": Region(start=(1, 2, 3), stop=(11, 12, 9))})
    whole = np.stack([c.image[0] for c in prepare_cases([files], chosen, CLASSES)]).reshape(10, 12, 14)
    part = prepare_cases([region], chosen, CLASSES)
    if dimension == 2:
        assert [c.id for c in part] == [f"one#{k}" for k in range(3, 9)]
        whole = whole[3:9]
    kept = np.stack([c.image[0] for c in part]).reshape(whole.shape)
    np.testing.assert_allclose(kept, whole, atol=1e-5)


def test_outside_the_annotated_region_the_image_stays_and_the_label_is_ignored(tmp_path: Path, plan: Plan) -> None:
    files = case_files(tmp_path, "one", (10, 12, 14))
    whole = prepare_cases([files], plan, CLASSES)[0]
    region = files.model_copy(update={"region": Region(start=(1, 2, 3), stop=(11, 12, 9))})
    case = prepare_cases([region], plan, CLASSES)[0]
    np.testing.assert_array_equal(case.image, whole.image)
    inside = np.zeros(case.shape, bool)
    inside[3:9, 2:12, 1:11] = True
    np.testing.assert_array_equal(case.label[inside], whole.label[inside])
    assert (case.label[~inside] == IGNORED).all()
    assert case.annotated == ((3, 9), (2, 12), (1, 11))
    assert all(inside[tuple(positions.T)].all() for positions in case.foreground)
    assert case.highest == 2
    coarse = plan.model_copy(update={"spacing": (2.0, 2.0, 2.0)})
    resampled = prepare_cases([region], coarse, CLASSES)[0]
    assert (resampled.label != IGNORED).sum() == pytest.approx(inside.sum() / 8, rel=0.4)


def test_background_of_cases_annotated_without_a_class_that_others_have_is_unknown(tmp_path: Path, plan: Plan) -> None:
    old = case_files(tmp_path, "old", (10, 12, 14)).model_copy(update={"classes": ("organ",)})
    new = case_files(tmp_path, "newer", (10, 12, 14))
    assert [c.id for c in with_unknown_background([old, new], CLASSES)] == ["old"]
    first, second = prepare_cases([old, new], plan, CLASSES)
    assert set(np.unique(first.label)) == {1, 2, IGNORED}
    assert set(np.unique(second.label)) == {0, 1, 2}
    # If nobody has annotated the class yet, nothing is known of it and background stays background.
    assert with_unknown_background([old], CLASSES) == []


def test_large_datasets_are_kept_as_files_and_found_again(tmp_path: Path, plan: Plan, plan_2d: Plan) -> None:
    files = [case_files(tmp_path, name, (10, 12, 14)) for name in ("one", "three", "seventh")]
    folder = tmp_path / "prepared"
    for chosen in (plan, plan_2d):
        plain = prepare_cases(files, chosen, CLASSES)
        limit = sum(c.bytes for c in plain if isinstance(c, PreparedCase)) // 2
        kept = prepare_cases(files, chosen, CLASSES, folder=folder, memory_bytes=limit)
        assert all(isinstance(c, StoredCase) for c in kept)
        assert len({c.folder for c in kept if isinstance(c, StoredCase)}) == 3
        for case, stored in zip(plain, kept, strict=True):
            assert (case.id, case.shape, case.channels) == (stored.id, stored.shape, stored.channels)
            assert (case.annotated, case.highest, case.checksum) == (stored.annotated, stored.highest, stored.checksum)
            np.testing.assert_array_equal(case.image, stored.image)
            np.testing.assert_array_equal(case.label, stored.label)
            for mine, theirs in zip(case.foreground, stored.foreground, strict=True):
                np.testing.assert_array_equal(mine, theirs)
            with pytest.raises(ValueError, match="read-only"):
                stored.image[...] = 0
    assert len(list(folder.iterdir())) == 6
    written = [p.stat().st_mtime_ns for p in sorted(folder.rglob("*.npy"))]
    prepare_cases(files, plan, CLASSES, folder=folder, memory_bytes=0)
    assert [p.stat().st_mtime_ns for p in sorted(folder.rglob("*.npy"))] == written


def test_small_datasets_stay_in_memory(tmp_path: Path, plan: Plan) -> None:
    case = prepare_cases([case_files(tmp_path, "one", (10, 12, 14))], plan, CLASSES, folder=tmp_path / "prepared")[0]
    assert isinstance(case, PreparedCase)
    assert list((tmp_path / "prepared").iterdir()) == []


def test_a_case_that_changed_is_prepared_again(tmp_path: Path, plan: Plan) -> None:
    files = case_files(tmp_path, "one", (10, 12, 14))
    folder = tmp_path / "prepared"
    first = prepare_cases([files], plan, CLASSES, folder=folder, memory_bytes=0)[0]
    image = read_image(files.images[0])
    write_image(files.images[0], Image(image.array[:, ::-1].copy(), image.geometry))
    second = prepare_cases([files], plan, CLASSES, folder=folder, memory_bytes=0)[0]
    assert not np.array_equal(first.image, second.image)
    region = files.model_copy(update={"region": Region(start=(1, 2, 3), stop=(11, 12, 9))})
    assert prepare_cases([region], plan, CLASSES, folder=folder, memory_bytes=0)[0].annotated != second.annotated
    assert len(list(folder.iterdir())) == 3


def test_a_2d_plan_takes_images_and_the_slices_of_volumes(tmp_path: Path, plan_2d: Plan) -> None:
    files = [
        case_files(tmp_path, "flat", (20, 24)),
        case_files(tmp_path, "slice", (1, 20, 24)),
        case_files(tmp_path, "volume", (3, 20, 24)),
    ]
    cases = prepare_cases(files, plan_2d, CLASSES)
    assert [c.id for c in cases] == ["flat", "slice", "volume#0", "volume#1", "volume#2"]
    assert {c.label.shape for c in cases} == {(20, 24)}
    assert train(cases, plan_2d, TrainingSettings(epochs=1), device=choose_device("cpu")).steps == 10


def test_foreground_positions_are_limited_but_spread() -> None:
    label = np.zeros((40, 40, 40), np.uint8)
    label[2:38] = 1
    case = PreparedCase.of("large", np.zeros((1, 40, 40, 40), np.float32), label)
    assert len(case.foreground[0]) == 20_000
    assert case.foreground[0][:, 0].min() == 2
    assert case.foreground[0][:, 0].max() == 37


def test_refusals(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(DatasetError, match="no labelled case"):
        prepare_cases([], plan, CLASSES)
    with pytest.raises(DatasetError, match="Case bare has no label map"):
        prepare_cases([case_files(tmp_path, "bare", (10, 12, 14), label=False)], plan, CLASSES)
    with pytest.raises(LabelError, match="5"):
        prepare_cases([case_files(tmp_path, "one", (10, 12, 14))], plan, ClassTable.of({"organ": 2}))
    with pytest.raises(CancelledError):
        prepare_cases([case_files(tmp_path, "one", (10, 12, 14))], plan, CLASSES, cancelled=lambda: True)
