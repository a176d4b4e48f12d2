from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from workspace_samples import add_case, add_task, fill

from ufseg.errors import StorageError
from ufseg.workspace import Workspace
from ufseg.workspace.database import SCHEMA_VERSION
from ufseg.workspace.tables import APPEND_ONLY


def _connect(workspace: Workspace) -> sqlite3.Connection:
    return sqlite3.connect(workspace.folder / "workspace.sqlite")


def test_commits_are_durable(workspace: Workspace) -> None:
    with _connect(workspace) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with workspace.tasks._database.reading() as session:
        assert session.connection().exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert session.connection().exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.parametrize("table", [t for t in APPEND_ONLY if t not in ("model_versions", "promotions")])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid"])
def test_history_cannot_be_changed_even_by_plain_sql(workspace: Workspace, table: str, statement: str) -> None:
    fill(workspace, training=1, validation=0)
    with _connect(workspace) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement.format(table))


@pytest.mark.parametrize("column", ["membership = 'validation'", "subject = 'other'", "images_key = 'x'"])
def test_what_decides_about_a_case_cannot_be_changed(workspace: Workspace, column: str) -> None:
    fill(workspace, training=1, validation=0)
    with _connect(workspace) as connection, pytest.raises(sqlite3.IntegrityError, match="never change"):
        connection.execute(f"UPDATE cases SET {column}")


def test_cases_and_tasks_cannot_be_deleted(workspace: Workspace) -> None:
    add_case(workspace, add_task(workspace), 0, "s")
    for table in ("cases", "tasks"):
        with _connect(workspace) as connection, pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            connection.execute(f"DELETE FROM {table}")


def test_an_unknown_schema_version_is_refused(workspace: Workspace) -> None:
    with _connect(workspace) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StorageError, match=f"schema version 99, and this ufseg reads version {SCHEMA_VERSION}"):
        Workspace(workspace.folder)


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "workspace.sqlite") as connection:
        connection.execute("CREATE TABLE other (x)")
    with pytest.raises(StorageError, match="not one of ufseg"):
        Workspace(tmp_path)
    with sqlite3.connect(tmp_path / "workspace.sqlite") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("other",)]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "workspace.sqlite").write_bytes(b"nothing of the kind " * 100)
    with pytest.raises(StorageError, match="not a readable database"):
        Workspace(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is a file"):
        Workspace(tmp_path / "file")


def test_an_error_leaves_no_half_of_a_transaction(workspace: Workspace) -> None:
    task = add_task(workspace)

    def fail_half_way() -> None:
        with workspace.tasks._database.writing() as session:
            session.connection().exec_driver_sql("INSERT INTO schema_version VALUES (7)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with _connect(workspace) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
    assert workspace.tasks.get(task.id) == task


def test_a_workspace_reopens_as_it_was(workspace: Workspace) -> None:
    task = fill(workspace)
    with Workspace(workspace.folder) as again:
        assert again.tasks.get(task.id) == workspace.tasks.get(task.id)
        assert again.cases.of_task(task.id) == workspace.cases.of_task(task.id)
        assert again.revisions.latest(task.id, "training") == workspace.revisions.latest(task.id, "training")
