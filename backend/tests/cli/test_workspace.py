"""``ufseg workspace``: check, backup, repair."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from whole_workspace import fill_with_everything, flip_a_bit, records, stored
from workspace_samples import add_task

from ufseg.workspace import Workspace
from ufseg.workspace.schema import HEAD

from .conftest import Run


def test_check_backup_and_repair_say_what_they_did(ufseg: Run, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    with Workspace(folder) as workspace:
        task = fill_with_everything(workspace)
        before = records(workspace)
        label = stored(workspace, workspace.revisions.latest(task.id, "training")[0].label)
    done = ufseg("workspace", "check", "--workspace", folder)
    assert (done.returncode, "is whole" in done.stdout) == (0, True), done.stderr
    done = ufseg("workspace", "backup", tmp_path / "backup", "--workspace", folder)
    assert (done.returncode, "is whole" in done.stdout) == (0, True), done.stderr
    flip_a_bit(label)
    done = ufseg("workspace", "check", "--workspace", folder)
    assert done.returncode == 1
    assert "is damaged: its content has the hash" in done.stderr
    done = ufseg("workspace", "check", "--json", "--workspace", folder)
    assert done.returncode == 1
    assert [p["kind"] for p in json.loads(done.stdout)["problems"]] == ["damaged file"]
    done = ufseg("workspace", "repair", "--from", tmp_path / "backup", "--workspace", folder)
    assert (done.returncode, "was restored from" in done.stdout) == (0, True), done.stderr
    with Workspace(folder) as workspace:
        assert records(workspace) == before


def test_refusals_are_sentences(ufseg: Run, tmp_path: Path) -> None:
    done = ufseg("workspace", "check", "--workspace", tmp_path / "nothing")
    assert done.returncode == 1
    assert "holds no workspace" in done.stderr
    done = ufseg("workspace", "create", "--database", "mysql://host/name", "--workspace", tmp_path / "new")
    assert done.returncode == 1
    assert "of an unknown kind" in done.stderr
    with Workspace(tmp_path / "workspace"):
        pass
    done = ufseg("workspace", "backup", tmp_path / "workspace" / "copy", "--workspace", tmp_path / "workspace")
    assert done.returncode == 1
    assert "neither in the workspace" in done.stderr


def test_an_older_workspace_is_brought_up_to_date_only_when_asked(ufseg: Run, tmp_path: Path) -> None:
    dump = Path(__file__).parents[1] / "workspace" / "versions" / "2.sql"
    with closing(sqlite3.connect(tmp_path / "workspace.sqlite")) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    done = ufseg("workspace", "check", "--workspace", tmp_path)
    assert done.returncode == 1
    assert "ufseg workspace migrate" in done.stderr
    done = ufseg("workspace", "migrate", "--workspace", tmp_path)
    assert (done.returncode, f"schema version {HEAD}" in done.stdout) == (0, True), done.stderr


def test_clean_removes_what_ended_jobs_left(ufseg: Run, tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        task = add_task(workspace)
        job = workspace.jobs.create(task.id, "training", {})
        workspace.jobs.save(job.model_copy(update={"state": "failed"}))
        workspace.job_folder(job.id).mkdir(parents=True)
    done = ufseg("workspace", "clean", "--workspace", tmp_path)
    assert (done.returncode, "Removed 1 folders of ended jobs" in done.stdout) == (0, True), done.stderr
    assert not list((tmp_path / "jobs").iterdir())


def test_a_task_gets_a_rule_of_its_own(ufseg: Run, tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        add_task(workspace)
    change = ("--min-cases", "8", "--max-surface-drop", "-1", "--author", "me", "--note", "noisy")
    done = ufseg("tasks", "gate", "Squares", *change, "--workspace", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "min_cases: 8",
        "max_class_drop: 0.02",
        "max_surface_drop: any",
        "margin: 0.0",
        "max_p: any",
    ]
    assert "\tme\tnoisy\t8\t" in lines[-1]
    done = ufseg("tasks", "gate", "Squares", "--max-class-drop", "2", "--workspace", tmp_path)
    assert done.returncode == 1
    assert "max_class_drop 2.0: Input should be less than or equal to 1." in done.stderr


def test_a_password_on_the_command_line_is_refused(ufseg: Run, tmp_path: Path) -> None:
    url = "postgresql+psycopg://reader:planted@127.0.0.1:1/x"
    done = ufseg("serve", "--workspace", tmp_path / "w", "--database", url)
    assert done.returncode == 2
    assert "PGPASSWORD" in done.stderr
    done = ufseg("serve", "--workspace", tmp_path / "w", UFSEG_DATABASE=url)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    done = ufseg("serve", "--workspace", tmp_path / "w", UFSEG_DATABASE="postgresql://a@b/c?password=planted")
    assert "among its options" in done.stderr
    assert "planted" not in done.stderr
    assert not list((tmp_path / "w").glob("database.json"))
