from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer
from pydantic import ValidationError
from raw_sql import run_sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from workspace_samples import add_case, add_task, fill

from ufseg.errors import ConflictError, StorageError
from ufseg.workspace import Workspace
from ufseg.workspace.protection import APPEND_ONLY
from ufseg.workspace.records import Case
from ufseg.workspace.schema import HEAD


def test_commits_are_durable(workspace: Workspace, database: str | None) -> None:
    settings = {"synchronous_commit": "on", "fsync": "on"}
    if database is None:
        settings = {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": 2, "PRAGMA foreign_keys": 1}  # 2 is FULL
    with workspace.database.reading() as session:
        for name, value in settings.items():
            shown = name if database is None else f"SHOW {name}"
            assert session.connection().exec_driver_sql(shown).scalar() == value


def test_an_unforeseen_error_does_not_bring_names_into_the_log(workspace: Workspace) -> None:
    with pytest.raises(DBAPIError, match="nowhere") as raised, workspace.database.writing() as session:
        session.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": "Planted^Name"})
    assert "Planted" not in str(raised.value)
    with pytest.raises(ValidationError) as unreadable:
        Case.model_validate({"name": ["Planted^Name"]})
    assert "Planted" not in str(unreadable.value)


# A statement that changes nothing in each table that `fill` puts rows into; models have tests of their own.
_COLUMNS = {"classes": "name", "label_revisions": "author", "case_images": "position", "files": "dtype"}


@pytest.mark.parametrize("table", [t for t in APPEND_ONLY if t not in ("model_versions", "promotions", "gate_rules")])
@pytest.mark.parametrize("statement", ["DELETE FROM {0}", "UPDATE {0} SET {1} = {1}"])
def test_history_cannot_be_changed_even_by_plain_sql(workspace: Workspace, table: str, statement: str) -> None:
    fill(workspace, training=1, validation=0)
    with pytest.raises(ConflictError, match="append-only"):
        run_sql(workspace, statement.format(table, _COLUMNS.get(table, "id")))


def test_history_cannot_be_truncated(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    """SQLite has no such statement."""
    with Workspace(tmp_path, postgresql.empty_database()) as workspace:
        fill(workspace, training=1, validation=0)
        for table in (*APPEND_ONLY, "cases", "tasks"):
            with pytest.raises(ConflictError, match=r"append-only|never deleted"):
                run_sql(workspace, f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("column", ["membership = 'validation'", "subject = 'other'", "images_key = 'x'"])
def test_what_decides_about_a_case_cannot_be_changed(workspace: Workspace, column: str) -> None:
    fill(workspace, training=1, validation=0)
    with pytest.raises(ConflictError, match="never change"):
        run_sql(workspace, f"UPDATE cases SET {column}")


@pytest.mark.parametrize("table", ["cases", "tasks"])
def test_cases_and_tasks_cannot_be_deleted(workspace: Workspace, table: str) -> None:
    add_case(workspace, add_task(workspace), 0, "s")
    with pytest.raises(ConflictError, match="never deleted"):
        run_sql(workspace, f"DELETE FROM {table}")


def test_an_unknown_schema_version_is_refused(workspace: Workspace) -> None:
    run_sql(workspace, "UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(StorageError, match=f"schema version 0099, and this ufseg reads versions up to {HEAD}"):
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
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="is a file"):
        Workspace(tmp_path / "file")


def test_an_error_leaves_no_half_of_a_transaction(workspace: Workspace) -> None:
    task = add_task(workspace)

    def fail_half_way() -> None:
        with workspace.database.writing() as session:
            session.connection().exec_driver_sql("INSERT INTO schema_version VALUES (7)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert run_sql(workspace, "SELECT version FROM schema_version") == [(3,)]
    assert workspace.tasks.get(task.id) == task


def test_a_workspace_reopens_as_it_was(workspace: Workspace) -> None:
    task = fill(workspace)
    with Workspace(workspace.folder) as again:
        assert again.tasks.get(task.id) == workspace.tasks.get(task.id)
        assert again.cases.of_task(task.id) == workspace.cases.of_task(task.id)
        assert again.revisions.latest(task.id, "training") == workspace.revisions.latest(task.id, "training")
