"""Only derived files are ever removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace_samples import fill

from ufseg.workspace import Workspace
from ufseg.workspace.checking import check_workspace
from ufseg.workspace.retention import Removed, remove_derived


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path) as workspace:
        yield workspace


def _folder(path: Path, *, old: bool = False) -> Path:
    path.mkdir(parents=True)
    (path / "content").write_bytes(bytes(100))
    if old:
        os.utime(path, (0, 0))
    return path


def test_what_ended_jobs_left_goes_and_all_else_stays(opened: Workspace) -> None:
    task = fill(opened, training=1, validation=1)
    ended, going_on, waiting = (opened.jobs.create(task.id, "training", {}) for _ in range(3))
    opened.jobs.save(ended.model_copy(update={"state": "failed"}))
    opened.jobs.save(going_on.model_copy(update={"state": "interrupted", "resumes": True}))
    gone = [_folder(opened.job_folder(ended.id)), _folder(opened.job_folder("0" * 16), old=True)]
    kept = [_folder(opened.job_folder(name)) for name in (going_on.id, waiting.id, "being made")]
    before = {path: path.read_bytes() for path in (opened.folder / "files").rglob("*") if path.is_file()}
    assert remove_derived(opened, days=0) == Removed(job_folders=2, bytes=200)
    assert not any(folder.exists() for folder in gone)
    assert all(folder.exists() for folder in kept)
    assert {path: path.read_bytes() for path in before} == before
    assert check_workspace(opened).whole


def test_old_copies_of_versions_go_unless_a_job_may_need_them(opened: Workspace) -> None:
    task = fill(opened, training=1, validation=1)
    old = _folder(opened.folder / "models" / ("a" * 16), old=True)
    left = _folder(opened.folder / "models" / f".{'b' * 16}-{'c' * 8}", old=True)
    new = _folder(opened.folder / "models" / ("d" * 16))
    a_persons = [_folder(opened.folder / parent / "my own", old=True) for parent in ("models", "jobs")]
    job = opened.jobs.create(task.id, "training", {})
    assert remove_derived(opened) == Removed()
    opened.jobs.save(job.model_copy(update={"state": "cancelled"}))
    assert remove_derived(opened) == Removed(model_copies=2, bytes=200)
    assert (old.exists(), left.exists(), new.exists()) == (False, False, True)
    assert all(folder.exists() for folder in a_persons)
