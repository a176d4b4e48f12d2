"""A task's cases as a dataset folder, and back into another workspace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ufseg.errors import ConflictError, InputError
from ufseg.exchange.datasets import Exported, Layout, export_cases
from ufseg.images.class_table import ClassEntry, ClassTable
from ufseg.images.datasets import read_dataset
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.reading import read_label_map, read_whole_case
from ufseg.workspace.importing import import_case
from ufseg.workspace.records import LabelRevision, Task
from ufseg.workspace.revisions import RevisionRequest
from ufseg.workspace.workspace import Workspace

SPACE = Geometry(
    size=(6, 5, 4), spacing=(0.7, 1.1, 2.5), origin=(-3.5, 8.25, 100.0),
    direction=(0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0),
)  # fmt: skip
FLAT = Geometry(size=(6, 5), spacing=(0.5, 0.5), origin=(3, 4), direction=(1, 0, 0, 1))
TABLE = ClassTable.of({"organ": 1, "lesion": 3})
CLASSES = {"organ": 1, "lesion": 3}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "workspace") as opened:
        yield opened


def label_of(number: int, grid: Geometry) -> LabelMap:
    array = np.zeros(grid.array_shape, np.uint8)
    array[1, 1:3] = 1
    array[2, number % 3 :] = 3
    return LabelMap(array, grid)


def fill(workspace: Workspace, channels: list[str], grid: Geometry, labelled: int = 3) -> tuple[Task, dict[str, Image]]:
    """Four cases of two subjects, the last ones without a label map."""
    task = workspace.tasks.create("Liver lesions", "MRI", channels, TABLE, 0.5)
    images = {}
    for number in range(4):
        array = np.random.default_rng(number).integers(-500, 500, (len(channels), *grid.array_shape)).astype(np.int16)
        name = f"case_{number}"
        images[name] = Image(array, grid)
        stored = [workspace.files.add_image(Image(channel[np.newaxis], grid)).sha256 for channel in array]
        case, _ = workspace.cases.add(task.id, name, f"subject {number // 2}", stored)
        if number < labelled:
            submit(workspace, case.id, label_of(number, grid))
    return task, images


def submit(workspace: Workspace, case: str, label: LabelMap) -> LabelRevision:
    file = workspace.files.add_label_map(label, TABLE)
    return workspace.revisions.submit(case, RevisionRequest(label=file.sha256, classes=CLASSES, author="reader"))


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("channels", [["T1"], ["T1", "FLAIR"]])
@pytest.mark.parametrize("grid", [SPACE, FLAT], ids=["volume", "flat"])
def test_a_dataset_comes_back_as_it_was(
    workspace: Workspace, tmp_path: Path, layout: Layout, channels: list[str], grid: Geometry
) -> None:
    task, images = fill(workspace, channels, grid)
    done = export_cases(workspace, task.id, tmp_path / "dataset", layout)
    assert done == Exported(labelled=3, unlabelled=1)
    assert workspace.audit.entries()[-1].action == "cases exported"
    found = read_dataset(tmp_path / "dataset")
    assert (found.name, found.channel_names, found.modality) == ("Liver lesions", channels, "MRI")
    assert found.classes.names == ["organ", "lesion"]
    assert found.classes.values == ([1, 2] if layout is Layout.NNUNET else [1, 3])
    assert found.warnings == []
    assert {c.id: c.subject for c in [*found.cases, *found.test]} == {
        f"case_{n}": f"subject {n // 2}" for n in range(4)
    }
    assert [c.id for c in found.test] == ["case_3"]
    with Workspace(tmp_path / "other") as other:
        again = other.tasks.create("again", "MRI", channels, TABLE, 0.5)
        for files in found.cases:
            assert len(files.images) == (len(channels) if layout is Layout.NNUNET else 1)
            read, _ = read_whole_case(files)
            np.testing.assert_array_equal(read.array, images[files.id].array)
            assert read.geometry.difference(grid) is None
            case, revision = import_case(other, again.id, files, found.classes, "importer")
            assert case.subject == files.subject
            assert revision is not None
            label = read_label_map(other.files.path(revision.label))
            np.testing.assert_array_equal(label.array, label_of(int(files.id[-1]), grid).array)


def test_monai_reads_several_channels_of_a_decathlon_dataset(workspace: Workspace, tmp_path: Path) -> None:
    from monai.data import load_decathlon_datalist
    from monai.transforms import LoadImage

    task, images = fill(workspace, ["T1", "FLAIR"], SPACE)
    export_cases(workspace, task.id, tmp_path / "dataset", Layout.DECATHLON)
    listed = load_decathlon_datalist(str(tmp_path / "dataset" / "dataset.json"), True, "training")
    found = np.asarray(LoadImage(image_only=True, ensure_channel_first=True)(listed[0]["image"]))
    np.testing.assert_array_equal(found.transpose(0, 3, 2, 1), images["case_0"].array)


def test_the_newest_revision_is_written_or_the_one_that_is_named(workspace: Workspace, tmp_path: Path) -> None:
    task, _ = fill(workspace, ["T1"], SPACE, labelled=1)
    case = workspace.cases.of_task(task.id)[0]
    (first,) = workspace.revisions.of_case(case.id)
    submit(workspace, case.id, label_of(2, SPACE))
    export_cases(workspace, task.id, tmp_path / "newest", Layout.DECATHLON)
    export_cases(workspace, task.id, tmp_path / "first", Layout.DECATHLON, [first.id])
    for folder, number in (("newest", 2), ("first", 0)):
        label = read_label_map(tmp_path / folder / "labelsTr" / "case_0.nii.gz")
        np.testing.assert_array_equal(label.array, label_of(number, SPACE).array)


def test_what_a_layout_cannot_say_is_said(workspace: Workspace, tmp_path: Path) -> None:
    task, _ = fill(workspace, ["T1"], SPACE)
    workspace.tasks.add_class(task.id, "vessel", 7, None, None)
    done = export_cases(workspace, task.id, tmp_path / "dataset", Layout.NNUNET)
    assert len(done.warnings) == 3
    assert "does not know the classes vessel" in done.warnings[0]


def test_names_that_are_paths_or_alike_stay_in_the_folder(workspace: Workspace, tmp_path: Path) -> None:
    task = workspace.tasks.create("Names", "CT", ["CT"], TABLE, 0.5)
    for number, name in enumerate(["../../a b", "a b", "a/b", "x_0000", "…"]):
        image = Image(np.full((1, *SPACE.array_shape), number, np.int16), SPACE)
        case, _ = workspace.cases.add(task.id, name, name, [workspace.files.add_image(image).sha256])
        submit(workspace, case.id, label_of(number, SPACE))
    export_cases(workspace, task.id, tmp_path / "out" / "dataset", Layout.NNUNET)
    assert len(read_dataset(tmp_path / "out" / "dataset").cases) == 5
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["dataset"]


def test_nothing_is_overwritten_or_left_half_done(workspace: Workspace, tmp_path: Path) -> None:
    task, _ = fill(workspace, ["T1"], SPACE)
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="exists already"):
        export_cases(workspace, task.id, tmp_path / "there", Layout.NNUNET)
    empty = workspace.tasks.create("Empty", "CT", ["CT"], ClassTable(entries=(ClassEntry(value=1, name="o"),)), 0.5)
    with pytest.raises(ConflictError, match="no case"):
        export_cases(workspace, empty.id, tmp_path / "empty", Layout.NNUNET)
    image = workspace.cases.of_task(task.id)[-1].images[0]
    workspace.files.path(image).write_bytes(b"damaged")
    with pytest.raises(Exception, match="damaged"):
        export_cases(workspace, task.id, tmp_path / "broken", Layout.NNUNET)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there", "workspace"]
