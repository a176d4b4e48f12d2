from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from whole_workspace import flip_a_bit, stored
from workspace_samples import CLASSES, GRID, add_case, add_label, add_task, sample

from ufseg.errors import ConflictError, InputError, NotFoundError, StorageError
from ufseg.evaluation.dice import dice_per_class
from ufseg.images.case_files import Region
from ufseg.images.image import Image, LabelMap
from ufseg.workspace import Case, Workspace
from ufseg.workspace.revisions import RevisionRequest

_LABELS = arrays(np.uint8, GRID.array_shape, elements=st.sampled_from([0, 1, 3]), fill=st.just(0))


@pytest.fixture
def case(workspace: Workspace) -> Case:
    return add_case(workspace, add_task(workspace), 0, "s")


def test_a_diff_counts_voxels_and_scores_against_the_parent(workspace: Workspace, case: Case) -> None:
    old = np.zeros(GRID.array_shape, np.uint8)
    old[2:6, 3:10] = 1
    new = old.copy()
    new[4, 8:12] = 3  # j, i
    first = add_label(workspace, case, old)
    file = workspace.files.add_image(Image(new[np.newaxis], GRID))
    classes = {"organ": 1, "lesion": 3}
    request = RevisionRequest(label=file.sha256, classes=classes, author="b", origin="corrected", parent=first.id)
    second = workspace.revisions.submit(case.id, request)
    diff = workspace.history.diff(second.id)
    assert (diff.revision, diff.against, diff.changed) == (second.id, first.id, 4)
    assert diff.region == Region(start=(8, 4), stop=(12, 5))
    organ, lesion = diff.per_class["organ"], diff.per_class["lesion"]
    assert (organ.before, organ.voxels, organ.added, organ.removed) == (28, 26, 0, 2)
    assert organ.dice == 52 / 54
    assert (lesion.before, lesion.voxels, lesion.added, lesion.removed, lesion.dice) == (0, 4, 4, 0, 0.0)


def test_without_a_parent_it_is_the_revision_before(workspace: Workspace, case: Case) -> None:
    first, second, third = (add_label(workspace, case, sample(n).label) for n in (0, 1, 0))
    assert workspace.history.diff(third.id).against == second.id
    same = workspace.history.diff(third.id, first.id)
    assert (same.changed, same.region) == (0, None)
    assert all(change.dice == 1 for change in same.per_class.values())
    alone = workspace.history.diff(first.id)
    assert alone.against is None
    assert alone.changed == np.count_nonzero(sample(0).label)


@settings(max_examples=8, deadline=None)
@given(
    labels=st.tuples(*[arrays(np.uint8, GRID.array_shape, elements=st.sampled_from([0, 1, 3]), fill=st.just(0))] * 2)
)
def test_dice_is_the_one_of_evaluation(
    tmp_path_factory: pytest.TempPathFactory, labels: tuple[NDArray[np.uint8], ...]
) -> None:
    with Workspace(tmp_path_factory.mktemp("workspace")) as workspace:
        case = add_case(workspace, add_task(workspace), 0, "s")
        first, second = (add_label(workspace, case, label) for label in labels)
        diff = workspace.history.diff(second.id, first.id)
    wanted = dice_per_class(LabelMap(labels[1], GRID), LabelMap(labels[0], GRID), CLASSES)
    for name, change in diff.per_class.items():
        assert math.isnan(wanted[name]) if change.dice is None else change.dice == wanted[name]
    assert diff.changed == np.count_nonzero(labels[0] != labels[1])


def test_restoring_adds_a_revision_that_says_what_it_was(workspace: Workspace, case: Case) -> None:
    first, second = (add_label(workspace, case, sample(n).label) for n in (0, 1))
    restored = workspace.history.restore(first.id, "reader", "the second was the other knee")
    assert (restored.number, restored.origin, restored.restored_from) == (3, "restored", first.id)
    assert (restored.parent, restored.label, restored.classes) == (second.id, first.label, first.classes)
    assert (restored.author, restored.note) == ("reader", "the second was the other knee")
    assert workspace.revisions.of_case(case.id) == [first, second, restored]
    assert workspace.history.diff(restored.id).against == second.id
    assert workspace.history.diff(restored.id, first.id).changed == 0


def test_the_newest_is_not_restored_again(workspace: Workspace, case: Case) -> None:
    first = add_label(workspace, case, sample(0).label)
    with pytest.raises(ConflictError, match="nothing was changed"):
        workspace.history.restore(first.id, "reader")
    assert workspace.revisions.of_case(case.id) == [first]


def test_a_damaged_label_map_is_not_restored(workspace: Workspace, case: Case) -> None:
    first, second = (add_label(workspace, case, sample(n).label) for n in (0, 1))
    flip_a_bit(stored(workspace, first.label))
    with pytest.raises(StorageError, match="damaged"):
        workspace.history.restore(first.id, "reader")
    assert workspace.revisions.of_case(case.id) == [first, second]


def test_revisions_of_different_cases_are_not_compared(workspace: Workspace, case: Case) -> None:
    other = add_case(workspace, workspace.tasks.get(case.task), 1, "t")
    one, two = (add_label(workspace, c, sample(0).label) for c in (case, other))
    with pytest.raises(InputError, match="different cases"):
        workspace.history.diff(one.id, two.id)
    with pytest.raises(NotFoundError):
        workspace.history.diff(one.id, "nobody")
    with pytest.raises(NotFoundError):
        workspace.history.restore("nobody", "reader")


def test_nobody_can_submit_a_revision_as_restored() -> None:
    with pytest.raises(ValueError, match="origin"):
        RevisionRequest.model_validate({"label": "x", "classes": {"a": 1}, "author": "b", "origin": "restored"})


def test_cases_are_found_by_id_or_by_a_name_that_is_theirs_alone(workspace: Workspace, case: Case) -> None:
    assert workspace.cases.find(case.id) == workspace.cases.find(case.name) == case
    add_case(workspace, add_task(workspace, "Other"), 0, "s")
    with pytest.raises(InputError, match=f"2 cases are named.*{case.id}"):
        workspace.cases.find(case.name)
    assert workspace.cases.find(case.id) == case
    with pytest.raises(NotFoundError, match="nobody"):
        workspace.cases.find("nobody")
