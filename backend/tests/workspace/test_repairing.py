from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from raw_sql import run_sql
from whole_workspace import fill_with_everything, flip_a_bit, records, stored, unprotected
from workspace_samples import add_label, sample

from ufseg.errors import ConflictError, StorageError
from ufseg.workspace import Workspace, protection
from ufseg.workspace.audit import Actor, acting
from ufseg.workspace.backup import back_up
from ufseg.workspace.records import AuditEntry
from ufseg.workspace.repairing import repair_folder


def _paths(folder: Path) -> set[bytes]:
    """The contents of all files below a folder."""
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def hurt(tmp_path: Path) -> Path:
    """A closed workspace ``workspace`` with a backup ``backup`` beside it."""
    with Workspace(tmp_path / "workspace") as workspace:
        fill_with_everything(workspace)
        back_up(workspace, tmp_path / "backup")
    return tmp_path / "workspace"


def test_a_whole_workspace_is_left_as_it_is(workspace: Workspace, tmp_path: Path) -> None:
    fill_with_everything(workspace)
    before = records(workspace)
    report = repair_folder(workspace.folder)
    assert report.done == ()
    assert report.check.whole
    assert records(workspace) == before


def test_damaged_and_missing_files_come_back_from_the_backup(workspace: Workspace, tmp_path: Path) -> None:
    task = fill_with_everything(workspace)
    back_up(workspace, tmp_path / "backup")
    damaged, missing = (r.label for r in workspace.revisions.latest(task.id, "training"))
    flip_a_bit(stored(workspace, damaged))
    hurt = stored(workspace, damaged).read_bytes()
    stored(workspace, missing).unlink()
    without = repair_folder(workspace.folder)
    assert not without.check.whole
    assert any("was found neither in the workspace" in sentence for sentence in without.done)
    assert hurt in _paths(workspace.folder / "quarantine"), "nothing is ever deleted"
    report = repair_folder(workspace.folder, backup=tmp_path / "backup")
    assert report.check.whole, report
    assert sum("was restored from" in sentence for sentence in report.done) == 2


def test_weights_come_back_from_the_workers_copy(workspace: Workspace) -> None:
    task = fill_with_everything(workspace)
    version = workspace.models.require_promoted(task.id)
    workspace.model_folder(version.id)
    flip_a_bit(stored(workspace, version.weights, ".safetensors"))
    assert repair_folder(workspace.folder).check.whole
    assert stored(workspace, version.weights, ".safetensors").read_bytes() == b"second"


def test_a_damaged_workers_copy_is_made_again(workspace: Workspace) -> None:
    version = workspace.models.require_promoted(fill_with_everything(workspace).id)
    flip_a_bit(workspace.model_folder(version.id) / "weights.safetensors")
    assert repair_folder(workspace.folder).check.whole
    assert (workspace.model_folder(version.id) / "weights.safetensors").read_bytes() == b"second"


def test_protection_is_put_back(workspace: Workspace) -> None:
    fill_with_everything(workspace)
    with workspace.database.writing() as session:
        protection.remove(session.connection())
    report = repair_folder(workspace.folder)
    assert report.check.whole
    with pytest.raises(ConflictError, match="append-only"):
        run_sql(workspace, "DELETE FROM label_revisions")


def test_lost_records_come_back_and_later_ones_stay(hurt: Path) -> None:
    with Workspace(hurt) as workspace:
        task = workspace.tasks.find("Squares")
        case = workspace.cases.of_task(task.id)[0]
        add_label(workspace, case, sample(9).label)
        before = records(workspace)
    unprotected(hurt, "DELETE FROM label_revisions WHERE number = 1", "DELETE FROM promotions WHERE id = 1")
    report = repair_folder(hurt, backup=hurt.parent / "backup")
    assert report.check.whole
    assert any("2 in label_revisions, 1 in promotions" in sentence for sentence in report.done)
    with Workspace(hurt) as workspace:
        assert records(workspace) == before


def test_records_of_files_are_made_again_from_the_files(hurt: Path) -> None:
    with Workspace(hurt) as workspace:
        before = records(workspace)
        shas = {case.images[0] for case in workspace.cases.of_task(workspace.tasks.find("Squares").id)}
        files = {sha: workspace.files.get(sha) for sha in shas}
    unprotected(hurt, "DELETE FROM files")
    report = repair_folder(hurt)
    assert report.check.whole
    with Workspace(hurt) as workspace:
        assert records(workspace) == before
        assert {sha: workspace.files.get(sha) for sha in shas} == files


@pytest.mark.parametrize("page", range(2, 12, 3))
def test_a_damaged_page_of_the_database_loses_only_what_the_backup_lacks(hurt: Path, page: int) -> None:
    with Workspace(hurt) as workspace:
        before = records(workspace)
    path = hurt / "workspace.sqlite"
    content = bytearray(path.read_bytes())
    content[4096 * page : 4096 * (page + 1)] = b"\xff" * 4096
    path.write_bytes(content)
    report = repair_folder(hurt, backup=hurt.parent / "backup")
    assert report.check.whole, report
    with Workspace(hurt) as workspace:
        assert records(workspace) == before
    assert bytes(content) in _paths(hurt / "quarantine")


def test_a_lost_database_comes_back_from_the_backup(hurt: Path) -> None:
    with Workspace(hurt) as workspace:
        before = records(workspace)
    (hurt / "workspace.sqlite").write_bytes(b"nothing of the kind " * 100)
    with pytest.raises(StorageError, match=r"nothing can be read.*--from BACKUP"):
        repair_folder(hurt)
    report = repair_folder(hurt, backup=hurt.parent / "backup")
    assert report.check.whole
    with Workspace(hurt) as workspace:
        assert records(workspace) == before


def test_a_repair_that_was_ended_before_its_last_step_is_finished(hurt: Path) -> None:
    with Workspace(hurt) as workspace:
        before = records(workspace)
    shutil.move(hurt / "workspace.sqlite", hurt / "rebuilt.sqlite")
    assert repair_folder(hurt).check.whole
    with Workspace(hurt) as workspace:
        assert records(workspace) == before


def test_records_of_another_workspace_are_not_taken(hurt: Path, tmp_path: Path) -> None:
    with Workspace(tmp_path / "other") as other:
        other.tasks.all()
    report = repair_folder(tmp_path / "other", backup=hurt)
    assert any("another workspace" in sentence for sentence in report.done)
    with Workspace(tmp_path / "other") as other:
        assert other.tasks.all() == []


def test_mended_files_are_in_the_audit_log(workspace: Workspace, tmp_path: Path) -> None:
    task = fill_with_everything(workspace)
    back_up(workspace, tmp_path / "backup")
    before = workspace.audit.entries()[-1].id
    repair_folder(workspace.folder)
    assert workspace.audit.entries(before) == [], "nothing was mended"
    damaged, missing = (r.label for r in workspace.revisions.latest(task.id, "training"))
    version = workspace.models.require_promoted(task.id)
    flip_a_bit(workspace.model_folder(version.id) / "weights.safetensors")
    flip_a_bit(stored(workspace, damaged))
    stored(workspace, missing).unlink()
    with acting(Actor("local:admin", "maintainer")):
        repair_folder(workspace.folder, backup=tmp_path / "backup")
    entries = workspace.audit.entries(before)
    assert [(e.action, e.subject) for e in entries] == [
        ("file set aside", damaged),
        *(("file restored", sha256) for sha256 in sorted((damaged, missing))),
        ("model folder set aside", version.id),
    ]
    assert {(e.actor, e.role, e.request, e.task) for e in entries} == {("local:admin", "maintainer", None, None)}


def test_mended_records_are_in_the_audit_log(hurt: Path) -> None:
    with Workspace(hurt) as workspace:
        before, identity = workspace.audit.entries(), workspace.database.workspace_id
    unprotected(hurt, "DELETE FROM files", "DELETE FROM audit_entries WHERE id > 3")
    repair_folder(hurt, backup=hurt.parent / "backup")
    assert _log(hurt)[: len(before)] == before, "the backup's entries have their numbers back"
    later = [(e.action, e.subject) for e in _log(hurt)[len(before) :]]
    assert later == [("protection restored", identity), ("records restored", identity)]
    unprotected(hurt, "DELETE FROM files")
    repair_folder(hurt)
    assert {e.action for e in _log(hurt)[-2:]} == {"file record restored"}


def test_a_rebuilt_database_is_in_the_audit_log(hurt: Path) -> None:
    before = _log(hurt)
    (hurt / "workspace.sqlite").write_bytes(b"nothing of the kind " * 100)
    repair_folder(hurt, backup=hurt.parent / "backup")
    assert _log(hurt)[:-1] == before
    assert _log(hurt)[-1].action == "database rebuilt"
    assert _log(hurt)[-1].actor.startswith("local:")


def _log(folder: Path) -> list[AuditEntry]:
    with Workspace(folder) as workspace:
        return workspace.audit.entries()


def test_a_workspace_that_is_served_is_not_repaired(workspace: Workspace) -> None:
    fill_with_everything(workspace)
    lock = workspace.lock()
    with pytest.raises(ConflictError, match="in use"):
        repair_folder(workspace.folder)
    lock.release()
    assert repair_folder(workspace.folder).check.whole
