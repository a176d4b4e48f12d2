"""Reading what is left of a damaged SQLite database."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from ufseg.workspace import protection, schema
from ufseg.workspace.sqlite import WRITING, Sqlite
from ufseg.workspace.tables import AlembicVersionRow, Base, IdentityRow, SchemaVersionRow


def damage(path: Path) -> str | None:
    """What SQLite finds wrong with a database file, None if nothing."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            lines = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            connection.execute("SELECT count(*) FROM schema_version")
            tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for name in sorted(tables & {AlembicVersionRow.__tablename__, IdentityRow.__tablename__}):
                if connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,):
                    lines = [*lines, f"the table {name} is empty"]
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if lines == ["ok"] else "; ".join(line for line in lines if line != "ok")


def identity_of(backup: Path, damaged: Path) -> str | None:
    """The id of the workspace in the database `backup`, if it has a task that can be read in `damaged`, too."""
    if {row["id"] for row in _readable(backup, "tasks")}.isdisjoint(row["id"] for row in _readable(damaged, "tasks")):
        return None
    return next((str(row["id"]) for row in _readable(backup, IdentityRow.__tablename__)), None)


def salvage(damaged: Path, folder: Path, identity: str | None = None) -> dict[str, int]:
    """Write what can be read of a damaged database as ``workspace.sqlite`` into `folder`.

    Args:
        damaged: the database.
        folder: where the copy goes.
        identity: id of the workspace if it cannot be read; None makes a new one.

    Returns:
        Table → number of rows that were read.
    """
    copy = Sqlite(folder)
    with copy.engine.execution_options(**{WRITING: True}).begin() as connection:
        Base.metadata.create_all(connection)
    read = {}
    with closing(sqlite3.connect(copy.path)) as target:  # without foreign keys: the row referred to may be lost
        for table in Base.metadata.sorted_tables:
            columns = {row[1] for row in target.execute(f'PRAGMA table_info("{table.name}")')}
            count = 0
            for row in _readable(damaged, table.name):
                kept = {name: value for name, value in row.items() if name in columns}
                names, marks = ", ".join(f'"{name}"' for name in kept), ", ".join("?" * len(kept))
                statement = f'INSERT OR IGNORE INTO "{table.name}" ({names}) VALUES ({marks})'
                count += target.execute(statement, list(kept.values())).rowcount
            read[table.name] = count
        target.commit()
    with copy.engine.execution_options(**{WRITING: True}).begin() as connection:
        _complete(connection, identity)
        protection.install(connection)
    copy.engine.dispose()
    return read


def _readable(damaged: Path, table: str) -> Iterator[dict[str, Any]]:
    """Rows of a table, from its beginning to the first damaged page and from its end back to the last one."""
    seen = set()
    for direction in ("ASC", "DESC"):
        try:
            with closing(sqlite3.connect(damaged)) as connection:
                connection.row_factory = sqlite3.Row
                query = f'SELECT rowid AS "row id", * FROM "{table}" NOT INDEXED ORDER BY rowid {direction}'
                for row in connection.execute(query):
                    values = dict(row)
                    number = values.pop("row id")
                    if number not in seen:
                        seen.add(number)
                        yield values
        except sqlite3.DatabaseError:
            continue


def _complete(connection: Connection, identity: str | None) -> None:
    if connection.execute(select(SchemaVersionRow.version)).first() is None:
        connection.execute(insert(SchemaVersionRow).values(version=schema.LAST_OWN_VERSION))
    if connection.execute(select(AlembicVersionRow.version_num)).first() is None:
        connection.execute(insert(AlembicVersionRow).values(version_num=schema.HEAD))
    if connection.execute(select(IdentityRow.id)).first() is None:
        created = datetime.now(timezone.utc)
        connection.execute(insert(IdentityRow).values(id=identity or secrets.token_hex(16), created=created))
