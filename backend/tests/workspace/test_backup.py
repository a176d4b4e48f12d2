from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from raw_sql import run_sql
from whole_workspace import fill_with_everything, flip_a_bit, records, stored
from workspace_samples import add_label, sample

from ufseg.errors import ConflictError, InputError
from ufseg.workspace import Workspace
from ufseg.workspace.backup import back_up
from ufseg.workspace.checking import check_folder


def test_a_backup_is_a_workspace_that_says_the_same(workspace: Workspace, tmp_path: Path) -> None:
    fill_with_everything(workspace)
    report = back_up(workspace, tmp_path / "backup")
    assert report.whole
    assert (report.copied, report.kept) == (report.check.files, 0)
    with Workspace(tmp_path / "backup") as copy:
        assert records(copy) == records(workspace)
        assert copy.database.workspace_id == workspace.database.workspace_id
    for path in (tmp_path / "backup" / "files").rglob("*.*"):
        assert path.stat().st_nlink == 1, "a link is no second copy"
    assert list((tmp_path / "backup" / "incoming").iterdir()) == []


def test_only_what_is_new_is_copied(workspace: Workspace, tmp_path: Path) -> None:
    task = fill_with_everything(workspace)
    first = back_up(workspace, tmp_path / "backup")
    case = workspace.cases.of_task(task.id)[0]
    add_label(workspace, case, sample(7).label)
    second = back_up(workspace, tmp_path / "backup")
    assert second.whole
    assert second.kept == first.copied
    assert 1 <= second.copied <= 2  # the label map as uploaded, and as stored where that differs
    with Workspace(tmp_path / "backup") as copy:
        assert records(copy) == records(workspace)


def test_a_file_that_was_damaged_in_the_backup_is_copied_again(workspace: Workspace, tmp_path: Path) -> None:
    task = fill_with_everything(workspace)
    back_up(workspace, tmp_path / "backup")
    label = workspace.revisions.latest(task.id, "training")[0].label
    flip_a_bit(tmp_path / "backup" / "files" / label[:2] / f"{label[2:]}.nrrd")
    report = back_up(workspace, tmp_path / "backup")
    assert (report.whole, report.copied) == (True, 1)


def test_a_damaged_file_does_not_replace_the_good_one_of_the_backup(workspace: Workspace, tmp_path: Path) -> None:
    task = fill_with_everything(workspace)
    back_up(workspace, tmp_path / "backup")
    label = workspace.revisions.latest(task.id, "training")[0].label
    path = stored(workspace, label)
    path.write_bytes(b"cut")
    report = back_up(workspace, tmp_path / "backup")
    assert [p.kind for p in report.problems] == ["damaged file"]
    assert not report.whole
    assert check_folder(tmp_path / "backup").whole


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_place_in_or_around_the_workspace_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(workspace.folder / "files")
    for target in (workspace.folder, workspace.folder / "backup", tmp_path, tmp_path / "link" / "backup"):
        with pytest.raises(InputError, match="neither in the workspace"):
            back_up(workspace, target)
    assert not (workspace.folder / "files" / "backup").exists()


def test_a_folder_with_something_else_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to my aunt.txt").write_text("dear aunt", encoding="utf-8")
    with pytest.raises(InputError, match="not empty and holds no backup"):
        back_up(workspace, tmp_path / "letters")
    assert len(list((tmp_path / "letters").iterdir())) == 1


def test_another_workspaces_backup_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with Workspace(tmp_path / "other") as other:
        fill_with_everything(other)
        before = records(other)
        with pytest.raises(ConflictError, match="another workspace"):
            back_up(workspace, tmp_path / "other")
        assert records(other) == before


def test_a_backup_in_which_somebody_worked_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    task = fill_with_everything(workspace)
    back_up(workspace, tmp_path / "backup")
    with Workspace(tmp_path / "backup") as copy:
        add_label(copy, copy.cases.of_task(task.id)[0], sample(7).label)
    with pytest.raises(ConflictError, match="has 2 records that the workspace"):
        back_up(workspace, tmp_path / "backup")


def test_a_backup_of_a_workspace_in_use_is_consistent(workspace: Workspace, tmp_path: Path) -> None:
    task = fill_with_everything(workspace)
    case = workspace.cases.of_task(task.id)[0]
    end = threading.Event()

    def work() -> None:
        number = 10
        while not end.is_set():
            add_label(workspace, case, sample(number).label)
            number += 1

    writer = threading.Thread(target=work)
    writer.start()
    try:
        counts = []
        for _ in range(3):
            before = len(workspace.revisions.of_case(case.id))
            assert back_up(workspace, tmp_path / "backup").whole
            with Workspace(tmp_path / "backup") as copy:
                counts.append(len(copy.revisions.of_case(case.id)) - before)
    finally:
        end.set()
        writer.join()
    assert all(count >= 0 for count in counts), "everything acknowledged before the backup is in it"


def test_the_log_of_promotions_goes_on_after_a_backup_was_restored(workspace: Workspace, tmp_path: Path) -> None:
    task = fill_with_everything(workspace)
    back_up(workspace, tmp_path / "backup")
    with Workspace(tmp_path / "backup") as copy:
        copy.models.rollback(task.id, "worse", "reader")
        assert [p.id for p in copy.models.promotions(task.id)] == [1, 2, 3]
    assert run_sql(workspace, "SELECT count(*) FROM promotions") == [(2,)]
