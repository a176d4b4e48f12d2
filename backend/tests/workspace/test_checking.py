from __future__ import annotations

from pathlib import Path

import pytest
from raw_sql import run_sql
from whole_workspace import fill_with_everything, flip_a_bit, records, stored, unprotected

from ufseg.errors import StorageError
from ufseg.workspace import Workspace, protection
from ufseg.workspace.backup import back_up
from ufseg.workspace.checking import check_folder, check_workspace
from ufseg.workspace.repairing import repair_folder


def test_a_whole_workspace_has_nothing_wrong(workspace: Workspace) -> None:
    fill_with_everything(workspace)
    before = records(workspace)
    report = check_workspace(workspace)
    assert report.problems == report.notes == report.orphans == ()
    assert report.whole
    # Two images, three label maps as uploaded and as stored, two versions with two files each.
    assert (report.records["label_revisions"], report.records["model_versions"]) == (3, 2)
    assert report.files == report.records["files"] + 4
    assert records(workspace) == before


def test_a_flipped_bit_is_found_and_said_with_what_it_hits(workspace: Workspace) -> None:
    task = fill_with_everything(workspace)
    revision = workspace.revisions.latest(task.id, "training")[0]
    flip_a_bit(stored(workspace, revision.label))
    (problem,) = check_workspace(workspace).problems
    assert problem.kind == "damaged file"
    assert problem.file == f"files/{revision.label[:2]}/{revision.label[2:]}.nrrd"
    assert f"the label revision {revision.id}" in problem.sentence
    assert "repair --from BACKUP" in problem.sentence


def test_missing_files_are_found(workspace: Workspace) -> None:
    version = workspace.models.of_task(fill_with_everything(workspace).id)[0]
    stored(workspace, version.weights, ".safetensors").unlink()
    (problem,) = check_workspace(workspace).problems
    assert problem.kind == "missing file"
    assert "the weights of the model version 1" in problem.sentence


def test_what_no_record_names_is_listed_and_harmless(workspace: Workspace) -> None:
    fill_with_everything(workspace)
    orphan = workspace.store.add_bytes(b"{}", ".json")
    (workspace.folder / "files" / "notes.txt").write_text("mine", encoding="utf-8")
    report = check_workspace(workspace)
    assert report.whole
    assert report.orphans == (f"files/{orphan[:2]}/{orphan[2:]}.json",)
    assert any("notes.txt" in note for note in report.notes)


def test_lost_protection_is_found(workspace: Workspace) -> None:
    fill_with_everything(workspace)
    with workspace.database.writing() as session:
        protection.remove(session.connection())
    (problem,) = check_workspace(workspace).problems
    assert problem.kind == "protection"
    assert "label_revisions_no_delete" in problem.sentence


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM label_revisions WHERE number = 1", "numbers are missing: 1"),
        ("DELETE FROM model_versions WHERE number = 1", "missing from the table model_versions"),
        ("DELETE FROM files", "missing from the table files"),
        ("DELETE FROM case_images", "but has none"),
        ("UPDATE model_versions SET trained_on = '[\"nobody\"]'", "revisions that are missing: nobody"),
        ("UPDATE model_versions SET plan = '{}'", "cannot be read"),
        ('UPDATE jobs SET result = \'{"label": "nowhere"}\'', "names the file nowhere"),
        ("DELETE FROM classes WHERE value = 3", "has classes that its task"),
        ("UPDATE classes SET value = 4 WHERE value = 3", "'lesion' = 3"),
        ("DELETE FROM jobs", "entries of the table jobs"),
        ("DELETE FROM promotions WHERE id = 1", "1 entries of the table promotions"),
        ("DELETE FROM label_revisions WHERE number = 2", "0 are there"),
    ],
)
def test_lost_and_unreadable_records_are_found(tmp_path: Path, statement: str, words: str) -> None:
    with Workspace(tmp_path) as workspace:
        fill_with_everything(workspace)
    unprotected(tmp_path, statement)
    report = check_folder(tmp_path)
    assert any(words in p.sentence for p in report.problems if p.kind == "record"), report.problems


@pytest.mark.parametrize("table", ["workspace_identity", "alembic_version"])
def test_a_database_that_does_not_say_what_it_is_is_said_and_mended(tmp_path: Path, table: str) -> None:
    with Workspace(tmp_path / "workspace") as workspace:
        fill_with_everything(workspace)
        back_up(workspace, tmp_path / "backup")
        before = records(workspace)
        identity = workspace.database.workspace_id
    unprotected(tmp_path / "workspace", f"DELETE FROM {table}")
    (problem,) = check_folder(tmp_path / "workspace").problems
    assert problem.kind == "database"
    assert "workspace repair" in problem.sentence
    report = repair_folder(tmp_path / "workspace", backup=tmp_path / "backup")
    assert report.check.whole, report
    with Workspace(tmp_path / "workspace") as workspace:
        assert records(workspace) == before
        assert workspace.database.workspace_id == identity


def test_a_damaged_database_is_said_and_not_raised(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        fill_with_everything(workspace)
    path = tmp_path / "workspace.sqlite"
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    path.write_bytes(content)
    report = check_folder(tmp_path)
    assert not report.whole
    assert any("repair" in p.sentence for p in report.problems if p.kind == "database")


def test_a_workspace_without_its_database_is_not_opened_as_an_empty_one(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        fill_with_everything(workspace)
    (tmp_path / "workspace.sqlite").unlink()
    with pytest.raises(StorageError, match=r"workspace.sqlite is empty or missing.*repair --from"):
        Workspace(tmp_path)
    assert not check_folder(tmp_path).whole
    assert not (tmp_path / "workspace.sqlite").exists()


def test_a_folder_without_a_workspace_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="holds no workspace"):
        check_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_references_are_checked_on_either_database(workspace: Workspace) -> None:
    fill_with_everything(workspace)
    run_sql(workspace, 'UPDATE jobs SET result = \'{"label" : "nowhere"}\''.replace(" :", "\\:"))
    (problem,) = check_workspace(workspace).problems
    assert "names the file nowhere" in problem.sentence
