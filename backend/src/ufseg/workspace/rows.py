"""Moving records between databases: into a backup, and back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Select, Table, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ufseg.workspace import protection
from ufseg.workspace.database import Database
from ufseg.workspace.sqlite import WRITING, Sqlite, copy_database
from ufseg.workspace.tables import AlembicVersionRow, Base, IdentityRow, SchemaVersionRow

_BATCH = 500
_OF_THE_DATABASE = {row.__tablename__ for row in (AlembicVersionRow, SchemaVersionRow, IdentityRow)}


def take_snapshot(database: Database, folder: Path) -> None:
    """Write one consistent state of the records as ``workspace.sqlite`` into `folder`; others may go on writing."""
    if isinstance(database.kind, Sqlite):
        with database.translated_errors():
            copy_database(database.kind.path, folder / database.kind.path.name)
        return
    copy = Sqlite(folder)
    with database.reading() as session, copy.engine.execution_options(**{WRITING: True}).begin() as target:
        Base.metadata.create_all(target)
        for table in Base.metadata.sorted_tables:
            for rows in session.execute(_ordered(table)).mappings().partitions(_BATCH):
                target.execute(insert(table), [dict(row) for row in rows])
        protection.install(target)
    copy.engine.dispose()


def add_missing(source: Session, target: Session) -> tuple[dict[str, int], list[str]]:
    """Add the records that only `source`, an earlier state of the same workspace, has.

    Returns:
        Table → number of added rows, and sentences about those that contradict what `target` has.
    """
    added: dict[str, int] = {}
    refused = []
    for table in Base.metadata.sorted_tables:
        if table.name in _OF_THE_DATABASE:
            continue
        keys = tuple(table.primary_key.columns)
        known = set(map(tuple, target.execute(select(*keys))))
        for row in source.execute(_ordered(table)).mappings():
            key = tuple(row[column.name] for column in keys)
            if key in known:
                continue
            try:
                with target.begin_nested():
                    target.execute(insert(table).values(**row))
                added[table.name] = added.get(table.name, 0) + 1
            except IntegrityError as error:
                refused.append(
                    f"The entry {', '.join(map(str, key))} of the backup's table {table.name} contradicts the records "
                    f"of the workspace ({str(error.orig).splitlines()[0]})."
                )
    if target.connection().dialect.name == "postgresql":
        for name in added.keys() & {"promotions", "gate_rules", "audit_entries"}:
            sequence = f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"
            target.execute(text(sequence))
    return added, refused


def lacking(source: Session, target: Session) -> int:
    """How many label revisions, model versions, promotions and audit entries `source` has that `target` lacks."""
    count = 0
    for name in ("label_revisions", "model_versions", "promotions", "audit_entries"):
        table = Base.metadata.tables[name]
        count += len(set(source.scalars(select(table.c.id))) - set(target.scalars(select(table.c.id))))
    return count


def _ordered(table: Table) -> Select[Any]:
    """All rows of a table, each after those it refers to: what has a parent has a higher number."""
    order = [table.c[name] for name in ("number",) if name in table.c]
    return select(table).order_by(*order, *table.primary_key.columns)
