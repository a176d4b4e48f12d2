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
from ufseg.training.prepare import PreparedCase, prepare_cases
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
    cut = np.stack([c.image[0] for c in part]).reshape(6, 10, 10)
    np.testing.assert_allclose(cut, whole[3:9, 2:12, 1:11], atol=1e-5)
    if dimension == 2:
        assert [c.id for c in part] == [f"one#{k}" for k in range(3, 9)]


def test_only_the_annotated_region_is_used(tmp_path: Path, plan: Plan) -> None:
    files = case_files(tmp_path, "one", (10, 12, 14))
    region = files.model_copy(update={"region": Region(start=(1, 2, 3), stop=(11, 12, 9))})
    assert prepare_cases([region], plan, CLASSES)[0].label.shape == (6, 10, 10)


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
