from __future__ import annotations

from pathlib import Path

import pytest
from raw_sql import run_sql
from whole_workspace import fill_with_everything, unprotected
from workspace_samples import CLASSES, add_task

from ufseg.errors import ConflictError, InputError, NotFoundError, StorageError
from ufseg.plans.plan import Plan, ZScore
from ufseg.workspace import ModelVersion, Task, Workspace
from ufseg.workspace.models import NewVersion
from ufseg.workspace.records import Loss, Scores, VersionScores

PLAN = Plan(
    dimension=2, modality="other", spacing=(1, 1), patch_size=(8, 8), batch_size=1, features=(4, 8),
    kernel_sizes=((3, 3), (3, 3)), strides=((1, 1), (2, 2)), normalisation=(ZScore(),), classes=3,
)  # fmt: skip


@pytest.fixture
def task(workspace: Workspace) -> Task:
    return add_task(workspace)


def _add(workspace: Workspace, task: Task, promote: bool = True, compared_with: str | None = None) -> ModelVersion:
    new = NewVersion(
        task=task.id,
        parent=compared_with,
        weights=workspace.store.add_bytes(b"weights", ".safetensors"),
        description=workspace.store.add_bytes(b"{}", ".json"),
        plan=PLAN,
        classes=CLASSES.entries,
        trained_on=("r1", "r2"),
        loss=Loss(name="asymmetric-unified-focal", options={"weight": 0.5}),
        scores=VersionScores(validation=Scores(cases=3, mean=0.8, per_class={"organ": 0.9, "lesion": None})),
        gate={"outcome": "promote", "reason": "better"},
        notes=("a note",),
    )
    return workspace.models.add(new, "better" if promote else None, compared_with)[0]


def _statuses(workspace: Workspace, task: Task) -> list[str]:
    return [v.status for v in workspace.models.of_task(task.id)]


def test_a_version_keeps_what_it_was_given(workspace: Workspace, task: Task) -> None:
    version = _add(workspace, task)
    assert workspace.models.get(version.id) == version
    assert (version.number, version.status, version.plan, version.trained_on) == (1, "promoted", PLAN, ("r1", "r2"))
    assert version.classes == CLASSES.entries
    assert version.loss.options == {"weight": 0.5}
    assert workspace.tasks.get(task.id).promoted == version.id
    assert workspace.models.find(task.id, "1") == workspace.models.find(task.id, version.id) == version


def test_a_gates_promotion_is_logged(workspace: Workspace, task: Task) -> None:
    version = _add(workspace, task)
    (promotion,) = workspace.models.promotions(task.id)
    assert (promotion.model_version, promotion.author, promotion.reason) == (version.id, "gate", "better")


def test_candidate_promoted_retired(workspace: Workspace, task: Task) -> None:
    first = _add(workspace, task)
    second = _add(workspace, task, promote=False)
    assert _statuses(workspace, task) == ["promoted", "candidate"]
    workspace.models.promote(task.id, second.id, "I looked at it", "me")
    assert _statuses(workspace, task) == ["retired", "promoted"]
    assert workspace.models.promoted(task.id) == workspace.models.get(second.id)
    assert workspace.models.get(first.id).number == 1


def test_a_comparison_with_a_version_no_longer_in_use_promotes_nothing(workspace: Workspace, task: Task) -> None:
    first = _add(workspace, task)
    second = _add(workspace, task, compared_with=first.id)
    third = _add(workspace, task, compared_with=first.id)
    assert workspace.models.get(third.id).status == "candidate"
    assert workspace.tasks.get(task.id).promoted == second.id


def test_rollback_goes_back_step_by_step(workspace: Workspace, task: Task) -> None:
    first = _add(workspace, task)
    second = _add(workspace, task, compared_with=first.id)
    third = _add(workspace, task, compared_with=second.id)
    assert workspace.models.rollback(task.id, "worse", "me").model_version == second.id
    assert workspace.models.rollback(task.id, "worse", "me").model_version == first.id
    with pytest.raises(ConflictError, match="no earlier model"):
        workspace.models.rollback(task.id, "worse", "me")
    workspace.models.promote(task.id, third.id, "after all", "me")
    assert workspace.models.rollback(task.id, "no", "me").model_version == first.id
    log = workspace.models.promotions(task.id)
    assert [p.rollback for p in log] == [False, False, False, True, True, False, True]


def test_rollback_goes_by_what_is_left_of_the_log(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        task = fill_with_everything(workspace)
        first, second = workspace.models.of_task(task.id)
        workspace.models.rollback(task.id, "worse", "me")
    unprotected(tmp_path, "DELETE FROM promotions WHERE NOT rollback")
    with Workspace(tmp_path) as workspace:
        with pytest.raises(ConflictError, match="its first one is in use"):
            workspace.models.rollback(task.id, "", "me")
        workspace.models.promote(task.id, second.id, "after all", "me")
        assert workspace.models.rollback(task.id, "no", "me").model_version == first.id


def test_rollback_without_a_model_is_refused(workspace: Workspace, task: Task) -> None:
    with pytest.raises(ConflictError, match="none was promoted"):
        workspace.models.rollback(task.id, "", "me")


def test_promoting_the_version_in_use_or_of_another_task_is_refused(workspace: Workspace, task: Task) -> None:
    version = _add(workspace, task)
    with pytest.raises(ConflictError, match="in use already"):
        workspace.models.promote(task.id, version.id, "", "me")
    other = add_task(workspace, "Other")
    with pytest.raises(InputError, match="another task"):
        workspace.models.promote(other.id, version.id, "", "me")
    with pytest.raises(NotFoundError):
        workspace.models.promote(task.id, "nobody", "", "me")
    assert len(workspace.models.promotions(task.id)) == 1


def test_without_a_model_the_next_step_is_told(workspace: Workspace, task: Task) -> None:
    with pytest.raises(ConflictError, match=r"'Squares' has no model yet\. Train one first"):
        workspace.models.require_promoted(task.id)


@pytest.mark.parametrize("table", ["model_versions", "promotions"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET task = task"])
def test_versions_and_promotions_cannot_be_changed(
    workspace: Workspace, task: Task, table: str, statement: str
) -> None:
    _add(workspace, task)
    with pytest.raises(ConflictError, match="append-only"):
        run_sql(workspace, statement.format(table))


def test_the_model_folder_is_made_of_the_stored_files(workspace: Workspace, task: Task) -> None:
    version = _add(workspace, task)
    folder = workspace.model_folder(version.id)
    assert (folder / "weights.safetensors").read_bytes() == b"weights"
    assert (folder / "model.json").read_bytes() == b"{}"
    assert workspace.model_folder(version.id) == folder


def test_damaged_weights_are_not_handed_out(workspace: Workspace, task: Task) -> None:
    version = _add(workspace, task)
    workspace.store.path(version.weights, ".safetensors").write_bytes(b"wrights")
    with pytest.raises(StorageError, match="damaged"):
        workspace.model_folder(version.id)
