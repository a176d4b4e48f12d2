from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from workspace_samples import CLASSES, GRID, add_case, add_label, add_task, fill, sample

from ufseg.errors import ConflictError, GeometryError, InputError, LabelError, NotFoundError
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.workspace import Workspace
from ufseg.workspace.membership import membership_of
from ufseg.workspace.revisions import RevisionRequest
from ufseg.workspace.tables import ClassRow


def test_a_task_keeps_what_it_was_given(workspace: Workspace) -> None:
    task = workspace.tasks.create(" Knee ", "MRI", ["t1", "t2"], CLASSES, 0.3)
    assert workspace.tasks.get(task.id) == task
    assert (task.name, task.modality, task.channels, task.validation_fraction) == ("Knee", "MRI", ("t1", "t2"), 0.3)
    assert task.class_table == CLASSES
    assert task.promoted is None
    assert workspace.tasks.all() == [task]
    assert workspace.tasks.find("Knee") == workspace.tasks.find(task.id) == task


def test_names_of_tasks_are_unique(workspace: Workspace) -> None:
    add_task(workspace, "Knee")
    with pytest.raises(ConflictError, match="'Knee' already"):
        add_task(workspace, "Knee")


def test_an_unknown_task_name_lists_those_that_exist(workspace: Workspace) -> None:
    add_task(workspace, "Knee")
    with pytest.raises(NotFoundError, match=r"'Hip'.*'Knee'"):
        workspace.tasks.find("Hip")


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_outside_its_range_is_refused(workspace: Workspace, fraction: float) -> None:
    with pytest.raises(InputError, match="fraction"):
        workspace.tasks.create("Knee", "MRI", ["t1"], CLASSES, fraction)


@pytest.mark.parametrize("channels", [[], ["a", "a"], ["a", " "]])
def test_channels_need_different_names(workspace: Workspace, channels: list[str]) -> None:
    with pytest.raises(InputError, match="channels"):
        workspace.tasks.create("Knee", "MRI", channels, CLASSES)


def test_new_names_have_no_control_characters(workspace: Workspace) -> None:
    broken = ClassTable.of({"two\nlines": 1})
    for name, channel, classes in (("a\x1bb", "t1", CLASSES), ("Knee", "t\x07", CLASSES), ("Knee", "t1", broken)):
        with pytest.raises(InputError, match="control character"):
            workspace.tasks.create(name, "MRI", [channel], classes)
    task = add_task(workspace)
    with pytest.raises(InputError, match=r"The class 'two\\nlines' cannot be taken: character 4"):
        workspace.tasks.add_class(task.id, "two\nlines")
    assert workspace.tasks.all() == [task]


def test_a_class_named_before_that_stays_of_use(workspace: Workspace) -> None:
    task = add_task(workspace)
    with workspace._database.writing() as session:
        session.add(ClassRow(task=task.id, value=9, name="two\nlines"))
    table = workspace.tasks.get(task.id).class_table
    assert table.names == ["organ", "lesion", "two\nlines"]
    request = RevisionRequest(label="0" * 64, classes={"organ": 1, "two\nlines": 9}, author="reader")
    assert table.value_of("two\nlines") == request.classes["two\nlines"] == 9


def test_a_class_can_be_added_and_the_others_keep_their_values(workspace: Workspace) -> None:
    task = add_task(workspace)
    table = workspace.tasks.add_class(task.id, "vessel", color=(1, 2, 3)).class_table
    assert {e.name: e.value for e in table.entries} == {"organ": 1, "lesion": 3, "vessel": 4}
    assert table.entries[-1].color == (1, 2, 3)
    assert workspace.tasks.add_class(task.id, "cyst", 2).class_table.value_of("cyst") == 2


@pytest.mark.parametrize(("name", "value"), [("organ", 9), ("new", 3)])
def test_a_class_cannot_take_a_name_or_value_in_use(workspace: Workspace, name: str, value: int) -> None:
    task = add_task(workspace)
    with pytest.raises(LabelError, match="never change"):
        workspace.tasks.add_class(task.id, name, value)
    assert workspace.tasks.get(task.id).class_table == CLASSES


def test_the_same_images_are_the_same_case(workspace: Workspace) -> None:
    task = add_task(workspace)
    case = add_case(workspace, task, 0, "s")
    again, new = workspace.cases.add(task.id, "another name", "s", case.images)
    assert not new
    assert again == case
    assert len(workspace.cases.of_task(task.id)) == 1


def _written_elsewhere(image: NDArray[Any], geometry: Geometry) -> bytes:
    """A 2D NRRD file with the header of another writer than ours."""
    kind = {"float32": "float", "float64": "double"}[image.dtype.name]
    step = [f"({s},0)" if axis == 0 else f"(0,{s})" for axis, s in enumerate(geometry.spacing)]
    header = (
        f"NRRD0004\n# written elsewhere\ntype: {kind}\ndimension: 2\nspace dimension: 2\n"
        f"sizes: {geometry.size[0]} {geometry.size[1]}\nspace directions: {' '.join(step)}\nkinds: domain domain\n"
        f"endian: little\nencoding: raw\nspace origin: ({geometry.origin[0]},{geometry.origin[1]})\n\n"
    )
    return header.encode() + image.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_study_from_another_program_is_the_same_case(workspace: Workspace, dtype: type[np.generic]) -> None:
    task = add_task(workspace)
    case = add_case(workspace, task, 0, "imported")
    path = workspace.files.temporary()
    path.write_bytes(_written_elsewhere(sample(0).image[0].astype(dtype), GRID))
    file = workspace.files.add_file(path)
    assert file.sha256 not in case.images
    again, new = workspace.cases.add(task.id, "T1", "sent by a viewer", [file.sha256])
    assert not new
    assert again == case


def test_a_study_moved_in_space_keeps_its_subject(workspace: Workspace) -> None:
    task = add_task(workspace)
    case = add_case(workspace, task, 0, "one person")
    moved = GRID.model_copy(update={"origin": (0.0, 0.0)})
    file = workspace.files.add_image(Image(sample(0).image, moved))
    again, new = workspace.cases.add(task.id, "centred", "another name", [file.sha256])
    assert new
    assert again.geometry == moved
    assert again.subject == case.subject
    other = workspace.files.add_image(Image(sample(1).image, GRID))
    assert workspace.cases.add(task.id, "other", "another name", [other.sha256])[0].subject == "another name"


def test_a_case_of_another_number_of_channels_is_refused(workspace: Workspace) -> None:
    task = add_task(workspace)
    image = workspace.files.add_image(Image(np.zeros((2, *GRID.array_shape), np.float32), GRID))
    with pytest.raises(InputError, match=r"has 2 image channels, and the task 'Squares' has 1 \(image\)"):
        workspace.cases.add(task.id, "c", "s", [image.sha256])


def test_channels_on_different_grids_are_refused(workspace: Workspace) -> None:
    task = workspace.tasks.create("Two", "MRI", ["a", "b"], CLASSES)
    other = GRID.model_copy(update={"spacing": (1.0, 1.5)})
    files = [workspace.files.add_image(Image(sample(0).image, grid)).sha256 for grid in (GRID, other)]
    with pytest.raises(GeometryError, match=r"spacing \(1, 1\) mm against \(1, 1\.5\) mm"):
        workspace.cases.add(task.id, "c", "s", files)


def test_a_case_of_a_file_that_was_never_uploaded_is_refused(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="Upload it first"):
        workspace.cases.add(add_task(workspace).id, "c", "s", ["0" * 64])


def test_cases_are_counted_by_side(workspace: Workspace) -> None:
    task = fill(workspace, training=3, validation=2)
    add_case(workspace, task, 99, "someone")
    counts = workspace.tasks.get(task.id).cases
    assert (counts.total, counts.training, counts.validation, counts.unlabelled) == (6, 3, 2, 1)


def test_membership_comes_with_the_first_label_and_by_subject(workspace: Workspace) -> None:
    task = add_task(workspace)
    cases = [add_case(workspace, task, n, "same subject") for n in range(4)]
    assert {c.membership for c in cases} == {None}
    for case in cases:
        add_label(workspace, case, sample(0).label)
    sides = {workspace.cases.get(c.id).membership for c in cases}
    assert sides == {membership_of("same subject", task.validation_fraction)}


@given(subject=st.text(min_size=1), fraction=st.floats(0, 1, exclude_max=True))
def test_membership_never_depends_on_anything_but_subject_and_fraction(subject: str, fraction: float) -> None:
    side = membership_of(subject, fraction)
    assert side == membership_of(subject, fraction)
    # A larger share only ever adds subjects to validation.
    if side == "validation":
        assert membership_of(subject, (1 + fraction) / 2) == "validation"


def test_membership_hits_its_share() -> None:
    sides = [membership_of(f"subject {n}", 0.25) for n in range(4000)]
    assert abs(sides.count("validation") / 4000 - 0.25) < 0.03


@pytest.mark.parametrize("call", ["tasks.get", "cases.get", "cases.of_task", "revisions.get", "models.get", "jobs.get"])
def test_unknown_ids_are_not_found(workspace: Workspace, call: str) -> None:
    part, method = call.split(".")
    with pytest.raises(NotFoundError, match="'nobody'"):
        getattr(getattr(workspace, part), method)("nobody")
