from __future__ import annotations

import json
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer
from raw_sql import run_sql
from whole_workspace import fill_with_everything, records
from workspace_samples import add_case, add_task

from ufseg.errors import ConflictError, InputError, StorageError
from ufseg.workspace import Workspace
from ufseg.workspace.backup import back_up
from ufseg.workspace.location import MARKER
from ufseg.workspace.repairing import repair_folder


def test_a_folder_remembers_its_database_without_the_password(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    url = postgresql.empty_database().replace("ufseg@", "ufseg:a secret@")
    with Workspace(tmp_path, url) as workspace:
        fill_with_everything(workspace)
        before = records(workspace)
        assert "a secret" not in workspace.database.kind.shown
    assert not (tmp_path / "workspace.sqlite").exists()
    assert all(b"a secret" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with Workspace(tmp_path) as workspace:
        assert records(workspace) == before


def test_folder_and_database_belong_together(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    first, second = postgresql.empty_database(), postgresql.empty_database()
    for name, url in (("first", first), ("second", second)):
        with Workspace(tmp_path / name, url) as workspace:
            fill_with_everything(workspace)
    with pytest.raises(ConflictError, match="keeps its records in"):
        Workspace(tmp_path / "first", second)
    marker = tmp_path / "first" / MARKER
    content = json.loads(marker.read_text(encoding="utf-8"))
    marker.write_text(json.dumps(content | {"url": second}), encoding="utf-8")
    with pytest.raises(ConflictError, match="of another workspace"):
        Workspace(tmp_path / "first")
    marker.write_text("{", encoding="utf-8")
    with pytest.raises(StorageError, match="is damaged"):
        Workspace(tmp_path / "first")
    marker.unlink()
    with pytest.raises(StorageError, match=r"workspace.sqlite is empty or missing.*URL"):
        Workspace(tmp_path / "first")
    with Workspace(tmp_path / "second") as workspace:
        add_case(workspace, workspace.tasks.all()[0], 9, "somebody")
    with pytest.raises(ConflictError, match="of another workspace"):
        Workspace(tmp_path / "first", second)
    with Workspace(tmp_path / "first", first) as workspace:  # as the damaged file's message says
        before = records(workspace)
    with Workspace(tmp_path / "first") as workspace:
        assert records(workspace) == before


def test_a_workspace_in_sqlite_stays_there(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    Workspace(tmp_path).close()
    with pytest.raises(ConflictError, match="Leave the database's URL out"):
        Workspace(tmp_path, postgresql.empty_database())


@pytest.mark.parametrize("url", ["sqlite:///x", "mysql://user@host/name", "nothing", "postgresql+asyncpg://host/name"])
def test_other_databases_are_refused_with_an_example(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="postgresql\\+psycopg://user@host/database"):
        Workspace(tmp_path / "new", url)


def test_a_server_that_does_not_answer_is_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"ufseg:\*\*\*@127.0.0.1:1/x cannot be reached") as caught:
        Workspace(tmp_path / "new", "postgresql+psycopg://ufseg:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)


def test_a_server_that_was_started_again_is_found_again(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    with Workspace(tmp_path, postgresql.empty_database()) as workspace:
        task = add_task(workspace)
        run_sql(workspace, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert workspace.tasks.get(task.id) == task


def test_what_the_database_cannot_keep_is_refused_in_words(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    with Workspace(tmp_path, postgresql.empty_database()) as workspace:
        task = add_task(workspace)
        with pytest.raises(InputError, match=r"database cannot keep this text .* Leave out control characters"):
            workspace.tasks.add_class(task.id, "cyst", terminology="a\0b")
        assert workspace.tasks.all() == [task]


def test_file_sizes_have_no_limit(workspace: Workspace) -> None:
    add_case(workspace, add_task(workspace), 0, "s")
    columns = "channels, dtype, geometry, voxels, created FROM files"
    run_sql(workspace, f"INSERT INTO files SELECT '{'0' * 64}', 8589934592, {columns}")
    assert workspace.files.get("0" * 64).size_bytes == 8 << 30


def test_records_of_a_lost_server_come_back_from_a_backup(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    """Into a new database; the folder of the files is still there."""
    folder = tmp_path / "workspace"
    with Workspace(folder, postgresql.empty_database()) as workspace:
        fill_with_everything(workspace)
        before = records(workspace)
        back_up(workspace, tmp_path / "backup")
        workspace_id = workspace.database.workspace_id
    (folder / MARKER).unlink()
    report = repair_folder(folder, postgresql.empty_database(), tmp_path / "backup")
    assert report.check.whole, report
    with Workspace(folder) as workspace:
        assert workspace.database.workspace_id == workspace_id
        assert records(workspace) == before
        task = workspace.tasks.find("Squares")
        workspace.models.rollback(task.id, "the log goes on", "reader")
        assert [p.id for p in workspace.models.promotions(task.id)] == [1, 2, 3]
