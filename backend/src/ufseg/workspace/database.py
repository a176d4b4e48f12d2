"""The workspace's database: opening, durability, transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ufseg.errors import StorageError
from ufseg.workspace import schema
from ufseg.workspace.disk import storage_errors
from ufseg.workspace.location import bind, locate, require_no_files
from ufseg.workspace.references import needed_files
from ufseg.workspace.sqlite import WRITING, Sqlite, copy_database
from ufseg.workspace.tables import IdentityRow


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(timezone.utc)


class Database:
    """SQLite in the workspace's folder, or PostgreSQL; what is committed is on the disk when the commit returns.

    A database of an older ufseg is brought up to date: all of it or nothing, after a copy of an SQLite file was made
    under ``backups``.

    Args:
        folder: the workspace; its ``workspace.sqlite`` is made if absent.
        url: of a PostgreSQL database, made ready if empty; see `locate`.
        migrate: whether an older database may be brought up to date.
        lost: id of the workspace whose lost database an empty one is to replace; without it an empty database is
            refused for a folder that has files.

    Raises:
        StorageError: the file is no database, is damaged, or was written by another version of ufseg.
        ConflictError: folder and database belong to different workspaces.
    """

    def __init__(self, folder: Path, url: str | None = None, *, migrate: bool = True, lost: str | None = None) -> None:
        self._folder = folder
        self.kind = locate(folder, url)
        with self.translated_errors():
            new = self._create_or_migrate(migrate, lost)
        with self.reading() as session:
            found = session.scalar(select(IdentityRow.id))
        if found is None:
            raise StorageError(
                f"The workspace's database {self.kind.shown} has lost its id. Restore it: 'ufseg workspace repair "
                "--from BACKUP'."
            )
        self.workspace_id: str = found
        bind(folder, self.kind, self.workspace_id, ours=lambda: new or self._names_only_what_is_here())

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state."""
        with self.translated_errors(), Session(self.kind.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are committed, durably and all at once, unless an error leaves the block.

        It takes the write lock at its beginning, so that what it reads is still true when it writes.
        """
        engine = self.kind.engine.execution_options(**{WRITING: True})
        with self.translated_errors(), Session(engine) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections; the last one to SQLite folds the write-ahead log into the file."""
        self.kind.engine.dispose()

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """The drivers' errors as sentences."""
        try:
            with storage_errors(self._folder):
                yield
        except DBAPIError as error:
            cause = error.orig
            raise (self.kind.explained(cause) if isinstance(cause, Exception) else None) or error from error
        except sqlite3.DatabaseError as error:  # from preparing a connection, which SQLAlchemy does not wrap
            raise self.kind.explained(error) or error from error

    def _names_only_what_is_here(self) -> bool:
        """Whether the folder has every file that the records name, so that it must be theirs."""
        with self.reading() as session:
            needed = needed_files(session)
        return bool(needed) and all((self._folder / file.name).is_file() for file in needed)

    def _create_or_migrate(self, migrate: bool, lost: str | None) -> bool:
        with self._begin() as connection:
            found = schema.revision(connection, self.kind.shown)
            if found is None:
                if lost is None:
                    require_no_files(self._folder, self.kind)
                schema.create(connection, lost)
                return True
        if found == schema.HEAD:
            return False
        if not migrate:
            raise StorageError(
                f"The workspace's database {self.kind.shown} has schema version {found}, and this ufseg uses "
                f"{schema.HEAD}. Bring it up to date first: 'ufseg workspace migrate'."
            )
        if isinstance(self.kind, Sqlite):
            backups = self._folder / "backups"
            backups.mkdir(exist_ok=True)
            # A name of its own for each try, for a copy that was made may never be overwritten.
            copy_database(self.kind.path, backups / f"before-{schema.HEAD}-{now():%Y%m%dT%H%M%S%f}.sqlite")
        with self._begin() as connection:
            found = schema.revision(connection, self.kind.shown)  # another process may have been quicker
            if found not in (None, schema.HEAD):
                schema.upgrade(connection, self._folder, str(found))
        return False

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with self.kind.engine.execution_options(**{WRITING: True}).begin() as connection:
            yield connection
