"""Faults around the workspace: each ends in a sentence, and nothing is lost. A full disk has a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from raw_sql import run_sql
from small_disk import read_only, small_disk_at
from whole_workspace import add_version, fill_with_everything, records
from workspace_samples import GRID, add_case, add_label, add_task, sample

from ufseg.errors import StorageError
from ufseg.images.image import Image
from ufseg.workspace import Workspace, history, models, postgresql, revisions, sqlite
from ufseg.workspace.checking import check_workspace


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", "8m") as folder:
        yield folder


def test_a_disk_that_becomes_read_only_is_said_and_loses_nothing(disk: Path) -> None:
    with Workspace(disk / "workspace") as workspace:
        task = fill_with_everything(workspace)
        before = records(workspace)
    with read_only(disk), pytest.raises(StorageError, match="cannot be"):
        Workspace(disk / "workspace")
    with Workspace(disk / "workspace") as workspace:
        assert records(workspace) == before
        case = workspace.cases.of_task(task.id)[0]
        with read_only(workspace.folder / "incoming"), pytest.raises(StorageError, match="mounted read-only"):
            add_label(workspace, case, sample(5).label)
        assert records(workspace) == before
        assert add_label(workspace, case, sample(5).label).number == 3


def test_a_database_that_stays_locked_is_said(
    tmp_path: Path, database: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sqlite, postgresql):
        monkeypatch.setattr(module, "WAIT_SECONDS", 1)
    with Workspace(tmp_path, database) as workspace, Workspace(tmp_path) as other:
        task = add_task(workspace)
        with other.database.writing() as session:
            session.connection()
            with pytest.raises(StorageError, match="locked for 1 seconds"):
                add_task(workspace, "Another")
            assert workspace.tasks.all() == [task], "reading goes on"
        assert add_task(workspace, "Another") in workspace.tasks.all()


def test_a_clock_that_jumps_back_changes_no_order(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    task = add_task(workspace)
    case = add_case(workspace, task, 0, "s")
    made = [add_label(workspace, case, sample(0).label)]
    versions = [add_version(workspace, task, b"first")]
    for module in (revisions, models, history):
        monkeypatch.setattr(module, "now", lambda: datetime.now(timezone.utc) - timedelta(days=4000))
    made.append(add_label(workspace, case, sample(1).label))
    versions.append(add_version(workspace, task, b"second", versions[0].id))
    made.append(workspace.history.restore(made[0].id, "reader"))
    assert workspace.revisions.of_case(case.id) == made
    membership = workspace.cases.get(case.id).membership
    assert membership is not None
    assert workspace.revisions.latest(task.id, membership) == made[-1:]
    assert workspace.models.require_promoted(task.id).id == versions[1].id
    assert workspace.models.rollback(task.id, "worse", "reader").model_version == versions[0].id
    assert check_workspace(workspace).whole


def test_what_a_dead_process_left_half_written_is_no_part_of_the_workspace(workspace: Workspace) -> None:
    fill_with_everything(workspace)
    before = records(workspace)
    workspace.files.temporary().write_bytes(b"NRRD0004\nhalf a head")

    def fail_half_way() -> None:
        with workspace.database.writing() as session:
            session.connection().exec_driver_sql("DELETE FROM jobs")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert records(workspace) == before
    report = check_workspace(workspace)
    assert (report.whole, report.orphans) == (True, ())
    assert run_sql(workspace, "SELECT count(*) FROM jobs") == [(1,)]


def test_a_damaged_file_does_not_pass_for_a_new_one(workspace: Workspace) -> None:
    """The same label map is uploaded again after the stored one was damaged: it must be stored anew."""
    add_task(workspace)
    image = Image(np.zeros((1, *GRID.array_shape), np.uint8), GRID)
    file = workspace.files.add_image(image)
    path = workspace.files.path(file.sha256)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\1")
    assert workspace.files.add_image(image) == file
    assert path.read_bytes() == content
