"""Workspaces with their records in PostgreSQL, of every released version that had that, are brought up to date."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgresql_server import PostgresqlServer
from sqlalchemy import BigInteger, Connection, Engine, MetaData, create_engine, event, func, insert, select

from ufseg.workspace import Workspace
from ufseg.workspace.checking import check_workspace
from ufseg.workspace.tables import Base

VERSIONS = Path(__file__).parent / "versions"
# PostgreSQL came with version 3.
RELEASED = sorted(path.stem for path in VERSIONS.glob("*.sql") if int(path.stem) >= 3)


@pytest.fixture
def server(postgresql: PostgresqlServer) -> Iterator[Engine]:
    engine = create_engine(postgresql.empty_database())
    yield engine
    engine.dispose()


def _layout(dump: Connection) -> MetaData:
    """The tables of a dump, in types that every database has."""
    metadata = MetaData()

    @event.listens_for(metadata, "column_reflect")
    def general(inspector: Any, table: Any, column: dict[str, Any]) -> None:
        # SQLite has one kind of whole numbers.
        column["type"] = BigInteger() if column["name"] == "size_bytes" else column["type"].as_generic()

    metadata.reflect(dump)
    return metadata


def _copy(version: str, server: Engine, folder: Path) -> dict[str, int]:
    """Make the database that `version` would have left; returns the number of rows by table."""
    path = folder / "dump.sqlite"
    with sqlite3.connect(path) as file:
        file.executescript((VERSIONS / f"{version}.sql").read_text(encoding="utf-8"))
    file.close()
    source = create_engine(f"sqlite:///{path}")
    counts = {}
    with source.connect() as dump, server.begin() as connection:
        metadata = _layout(dump)
        metadata.create_all(connection)
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in dump.execute(select(table)).mappings()]
            if rows:
                connection.execute(insert(table), rows)
            counts[table.name] = len(rows)
    source.dispose()
    path.unlink()
    return counts


@pytest.mark.parametrize("version", RELEASED)
def test_nothing_is_lost(version: str, server: Engine, tmp_path: Path) -> None:
    shutil.copytree(VERSIONS / "files", tmp_path / "files")
    counts = _copy(version, server, tmp_path)
    assert counts["label_revisions"] == 5
    with server.connect() as connection:
        own = connection.exec_driver_sql("SELECT id FROM workspace_identity").scalar()
    url = server.url.render_as_string(hide_password=False)
    (tmp_path / "database.json").write_text(json.dumps({"workspace": own, "url": url}), encoding="utf-8")
    with Workspace(tmp_path) as workspace:
        assert check_workspace(workspace).whole, check_workspace(workspace).problems
        knee = workspace.tasks.find("Knee")
        assert [p.rollback for p in workspace.models.promotions(knee.id)] == [False, False, True]
        authors = [r.author for case in workspace.cases.of_task(knee.id) for r in workspace.revisions.of_case(case.id)]
        assert authors == ["reader", "expert", "reader"]
        workspace.audit.entries(0, 10)
    with server.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        for name, count in counts.items():
            assert connection.execute(select(func.count()).select_from(Base.metadata.tables[name])).scalar() == count
