from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray
from workspace_samples import CLASSES, GRID, add_case, add_label, add_task, sample, subjects

from ufseg.errors import GeometryError, InputError, LabelError, NotFoundError, UfsegError
from ufseg.images.case_files import Region
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.images.reading import read_label_map
from ufseg.workspace import Case, Workspace
from ufseg.workspace.patches import require_base
from ufseg.workspace.revisions import RevisionRequest
from ufseg.workspace.tables import CaseRow


@pytest.fixture
def case(workspace: Workspace) -> Case:
    return add_case(workspace, add_task(workspace), 0, "s")


def _request(
    workspace: Workspace, array: NDArray[np.generic], grid: Geometry = GRID, **fields: object
) -> RevisionRequest:
    file = workspace.files.add_image(Image(array[np.newaxis], grid))
    return RevisionRequest.model_validate(
        {"label": file.sha256, "classes": {"organ": 1, "lesion": 3}, "author": "reader", **fields}
    )


def _refused(workspace: Workspace, case: Case, request: RevisionRequest, error: type[UfsegError], words: str) -> None:
    with pytest.raises(error, match=words):
        workspace.revisions.submit(case.id, request)
    assert workspace.revisions.of_case(case.id) == []
    assert workspace.cases.get(case.id).membership is None


def test_classes_travel_by_name(workspace: Workspace, case: Case) -> None:
    label = sample(0).label
    theirs = np.select([label == 1, label == 3], [7, 2], 0).astype(np.uint16)
    revision = workspace.revisions.submit(case.id, _request(workspace, theirs, classes={"lesion": 2, "organ": 7}))
    stored = read_label_map(workspace.files.path(revision.label), CLASSES, GRID)
    np.testing.assert_array_equal(stored.array, label)
    assert revision.classes == {"organ": 1, "lesion": 3}


def test_revisions_are_numbered_and_kept(workspace: Workspace, case: Case) -> None:
    first = add_label(workspace, case, sample(0).label, "a")
    request = _request(
        workspace, sample(1).label, author="b", note="larger", origin="corrected", parent=first.id,
        region={"start": (0, 0), "stop": (40, 20)},
    )  # fmt: skip
    second = workspace.revisions.submit(case.id, request)
    assert [r.number for r in workspace.revisions.of_case(case.id)] == [1, 2]
    assert workspace.revisions.get(first.id) == first
    assert (second.author, second.note, second.origin, second.parent) == ("b", "larger", "corrected", first.id)
    assert second.region == Region(start=(0, 0), stop=(40, 20))
    assert workspace.cases.get(case.id).revisions == 2


def test_only_the_newest_revision_of_each_case_is_used(workspace: Workspace) -> None:
    task = add_task(workspace)
    cases = [add_case(workspace, task, n, s) for n, s in enumerate(subjects("training", 2))]
    add_label(workspace, cases[0], sample(5).label)
    expected = [add_label(workspace, c, sample(n).label) for n, c in enumerate(cases)]
    assert workspace.revisions.latest(task.id, "training") == expected
    assert workspace.revisions.latest(task.id, "validation") == []


def test_another_size_is_refused_with_the_numbers(workspace: Workspace, case: Case) -> None:
    grid = GRID.model_copy(update={"size": (39, 32)})
    request = _request(workspace, np.zeros(grid.array_shape, np.uint8), grid)
    _refused(workspace, case, request, GeometryError, r"size \(39, 32\) against \(40, 32\)")


@pytest.mark.parametrize(
    ("field", "value"),
    [("spacing", (1.0, 1.1)), ("origin", (5.0, 7.0)), ("direction", (0.0, 1.0, 1.0, 0.0))],
)
def test_another_grid_is_refused(workspace: Workspace, case: Case, field: str, value: tuple[float, ...]) -> None:
    request = _request(workspace, sample(0).label, GRID.model_copy(update={field: value}))
    _refused(workspace, case, request, GeometryError, field)


def test_an_unknown_class_is_refused(workspace: Workspace, case: Case) -> None:
    request = _request(workspace, sample(0).label, classes={"organ": 1, "tumour": 3})
    _refused(workspace, case, request, LabelError, "no class named 'tumour'; the classes are organ, lesion")


def test_a_value_without_a_name_is_refused(workspace: Workspace, case: Case) -> None:
    request = _request(workspace, sample(0).label, classes={"organ": 1})
    _refused(workspace, case, request, LabelError, r"values \[3\]")


def test_an_image_in_place_of_a_label_map_is_refused(workspace: Workspace, case: Case) -> None:
    request = _request(workspace, sample(0).image[0])
    _refused(workspace, case, request, LabelError, "fractional")


@pytest.mark.parametrize("stop", [(41, 32), (0, 32), (40,)])
def test_a_region_outside_the_image_is_refused(workspace: Workspace, case: Case, stop: tuple[int, ...]) -> None:
    request = _request(workspace, sample(0).label, region={"start": (0, 0), "stop": stop})
    _refused(workspace, case, request, GeometryError, "does not lie in the image")


def test_a_parent_of_another_case_is_refused(workspace: Workspace, case: Case) -> None:
    other = add_case(workspace, workspace.tasks.get(case.task), 1, "t")
    parent = add_label(workspace, other, sample(0).label)
    _refused(workspace, case, _request(workspace, sample(0).label, parent=parent.id), InputError, "another case")


@pytest.mark.parametrize("field", ["label", "parent", "model_version"])
def test_unknown_references_are_not_found(workspace: Workspace, case: Case, field: str) -> None:
    request = _request(workspace, sample(0).label).model_copy(update={field: "nobody"})
    _refused(workspace, case, request, NotFoundError, "nobody")


def test_many_readers_at_once_lose_nothing(workspace: Workspace, case: Case) -> None:
    def submit(reader: int) -> None:
        for _ in range(3):
            add_label(workspace, case, sample(reader).label, f"reader {reader}")

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    revisions = workspace.revisions.of_case(case.id)
    assert [r.number for r in revisions] == list(range(1, 19))
    for n in range(6):
        own = [r for r in revisions if r.author == f"reader {n}"]
        assert len(own) == 3
        np.testing.assert_array_equal(read_label_map(workspace.files.path(own[0].label)).array, sample(n).label)


def test_a_patch_lies_over_a_label_map_of_its_case(workspace: Workspace) -> None:
    task = add_task(workspace)
    case, other = add_case(workspace, task, 0, "a"), add_case(workspace, task, 1, "b")
    revision = add_label(workspace, case, sample(0).label)
    jobs = [workspace.jobs.create(task.id, "prediction", {"case": case.id}) for _ in range(2)]
    workspace.jobs.save(jobs[0].model_copy(update={"state": "succeeded", "result": {"label": "1" * 64}}))
    for base, found in ((revision.label, True), ("1" * 64, True), ("2" * 64, False)):
        for owner in (case, other):
            with workspace.database.reading() as session:
                row = session.get_one(CaseRow, owner.id)
                if found and owner is case:
                    require_base(session, row, base)
                else:
                    with pytest.raises(InputError, match="neither that of a revision"):
                        require_base(session, row, base)
