from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from workspace_samples import CLASSES, GRID, add_task, sample

from ufseg.errors import InputError, LabelError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.image import Image, LabelMap
from ufseg.images.reading import read_image, read_label_map
from ufseg.images.writing import write_image, write_label_map
from ufseg.workspace import Workspace
from ufseg.workspace.importing import import_case


@pytest.fixture
def files(tmp_path: Path) -> CaseFiles:
    """A case whose label map has lesion = 1 and organ = 2."""
    label = sample(0).label
    theirs = np.select([label == 3, label == 1], [1, 2], 0).astype(np.uint8)
    write_image(tmp_path / "image.nrrd", Image(sample(0).image, GRID))
    write_label_map(tmp_path / "label.nrrd", LabelMap(theirs, GRID))
    return CaseFiles(id="c", subject="s", images=(tmp_path / "image.nrrd",), label=tmp_path / "label.nrrd")


def test_an_imported_case_is_as_it_was_with_the_tasks_values(workspace: Workspace, files: CaseFiles) -> None:
    task = add_task(workspace)
    case, revision = import_case(workspace, task.id, files, ClassTable.of({"lesion": 1, "organ": 2}), "me")
    assert revision is not None
    assert (case.name, case.subject, case.revisions, revision.origin) == ("c", "s", 1, "imported")
    image = read_image(workspace.files.path(case.images[0]))
    np.testing.assert_array_equal(image.array, sample(0).image)
    assert image.geometry.difference(GRID) is None
    stored = read_label_map(workspace.files.path(revision.label), CLASSES, case.geometry)
    np.testing.assert_array_equal(stored.array, sample(0).label)


def test_values_that_a_layout_replaces_are_stored_replaced(workspace: Workspace, files: CaseFiles) -> None:
    task = add_task(workspace)
    organ_only = files.model_copy(update={"relabel": ((2, 7),)})
    case, revision = import_case(workspace, task.id, organ_only, ClassTable.of({"organ": 7}), "me")
    assert revision is not None
    stored = read_label_map(workspace.files.path(revision.label), CLASSES, case.geometry)
    np.testing.assert_array_equal(stored.array, np.where(sample(0).label == 1, 1, 0))


def test_importing_twice_adds_nothing(workspace: Workspace, tmp_path: Path, files: CaseFiles) -> None:
    task = add_task(workspace)
    write_label_map(tmp_path / "same.nrrd", LabelMap(sample(0).label, GRID))
    files = files.model_copy(update={"label": tmp_path / "same.nrrd"})
    import_case(workspace, task.id, files, CLASSES, "me")
    case, revision = import_case(workspace, task.id, files, CLASSES, "me")
    assert revision is None
    assert case.revisions == 1


def test_a_class_that_the_task_lacks_is_refused(workspace: Workspace, files: CaseFiles) -> None:
    task = add_task(workspace)
    with pytest.raises(LabelError, match="no class named 'tumour'"):
        import_case(workspace, task.id, files, ClassTable.of({"tumour": 1, "organ": 2}), "me")


def test_a_case_without_a_label_has_no_side(workspace: Workspace, files: CaseFiles) -> None:
    task = add_task(workspace)
    case, revision = import_case(workspace, task.id, files.model_copy(update={"label": None}), CLASSES, "me")
    assert revision is None
    assert case.membership is None


def test_known_images_of_another_subject_are_refused(workspace: Workspace, files: CaseFiles) -> None:
    task = add_task(workspace)
    first, _ = import_case(workspace, task.id, files.model_copy(update={"label": None}), CLASSES, "me")
    with pytest.raises(InputError, match=r"'s', but the dataset says 'other'"):
        import_case(workspace, task.id, files.model_copy(update={"subject": "other", "label": None}), CLASSES, "me")
    assert workspace.cases.of_task(task.id) == [first]
