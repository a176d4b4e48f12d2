"""The workspace's database: opening, durability, transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from ufseg.errors import ConflictError, StorageError, UfsegError
from ufseg.workspace.disk import full_disk, storage_errors
from ufseg.workspace.tables import Base, SchemaVersionRow

SCHEMA_VERSION = 2
_WAIT_SECONDS = 15
_WRITING = "ufseg_writing"


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(timezone.utc)


class Database:
    """SQLite in WAL mode; every commit is on the disk when it returns (``synchronous=FULL``).

    Args:
        folder: the workspace; its ``workspace.sqlite`` is made if absent.

    Raises:
        StorageError: the file is no database, is damaged, or was written by another version of ufseg.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "workspace.sqlite"
        self._engine: Engine = create_engine(
            f"sqlite:///{self._path}", connect_args={"timeout": _WAIT_SECONDS}, pool_size=10, max_overflow=40
        )
        event.listen(self._engine, "connect", _prepare_connection)
        event.listen(self._engine, "begin", _begin)
        with self._translated_errors():
            self._create_or_check()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state."""
        with self._translated_errors(), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are committed, durably and all at once, unless an error leaves the block.

        It takes the write lock at its beginning, so that what it reads is still true when it writes.
        """
        engine = self._engine.execution_options(**{_WRITING: True})
        with self._translated_errors(), Session(engine) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections; the last one folds the write-ahead log into the file."""
        self._engine.dispose()

    def _create_or_check(self) -> None:
        with self._engine.execution_options(**{_WRITING: True}).begin() as connection:
            tables = inspect(connection).get_table_names()
            if not tables:
                Base.metadata.create_all(connection)
                connection.execute(insert(SchemaVersionRow).values(version=SCHEMA_VERSION))
                return
            if SchemaVersionRow.__tablename__ not in tables:
                raise StorageError(
                    f"{self._path} is a database, but not one of ufseg. Choose another folder as workspace."
                )
            version = connection.execute(select(SchemaVersionRow.version)).scalar()
        if version != SCHEMA_VERSION:
            raise StorageError(
                f"The workspace {self._folder} has schema version {version}, and this ufseg reads version "
                f"{SCHEMA_VERSION}. Open it with the ufseg that wrote it last, or install a newer one."
            )

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            with storage_errors(self._folder):
                yield
        except DatabaseError as error:
            raise self._explained(str(error.orig)) or error from error
        except sqlite3.DatabaseError as error:  # from `_prepare_connection`, which SQLAlchemy does not wrap
            raise self._explained(str(error)) or error from error

    def _explained(self, reason: str) -> UfsegError | None:
        # By SQLite's texts: Python 3.10 does not give its error codes.
        if "is full" in reason:
            return full_disk(self._folder, None)
        if "not a database" in reason or "malformed" in reason:
            return StorageError(
                f"{self._path} is not a readable database ({reason}). Restore it from a backup, or choose another "
                "folder as workspace; the files beside it are not affected."
            )
        if "is locked" in reason:
            return StorageError(
                f"Another program kept the database {self._path} locked for {_WAIT_SECONDS} seconds. "
                "End it and try again."
            )
        if "unable to open" in reason or "readonly" in reason or "I/O error" in reason:
            return StorageError(
                f"The database {self._path} cannot be read or written ({reason}). Check the folder's permissions "
                "and free space."
            )
        if "append-only" in reason or "never" in reason:
            return ConflictError(f"The change was refused: {reason}. Make a new entry instead.")
        return None


def _prepare_connection(connection: sqlite3.Connection, record: Any) -> None:
    # Transactions are begun below, not by the driver, whose implicit ones leave out reads and table changes.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
