"""A workspace's database in SQLite: in the folder itself, with nothing to set up."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from ufseg.errors import ConflictError, StorageError, UfsegError
from ufseg.workspace.disk import full_disk, sync_file, sync_folder

FILE = "workspace.sqlite"
WAIT_SECONDS = 15
WRITING = "ufseg_writing"


class Sqlite:
    """SQLite in WAL mode; every commit is on the disk when it returns (``synchronous=FULL``).

    Args:
        folder: the workspace; its ``workspace.sqlite`` is made if absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / FILE
        self.shown = str(self.path)
        self.engine: Engine = create_engine(
            f"sqlite:///{self.path}",
            connect_args={"timeout": WAIT_SECONDS},
            pool_size=10,
            max_overflow=40,
            hide_parameters=True,  # names of patients, which an error's text would bring into the log
        )
        event.listen(self.engine, "connect", _prepare_connection)
        event.listen(self.engine, "begin", _begin)

    def explained(self, error: Exception) -> UfsegError | None:
        """The driver's error in words, None where it is none of those that are known."""
        # By SQLite's texts: Python 3.10 does not give its error codes.
        reason = str(error)
        if "is full" in reason:
            return full_disk(self._folder, None)
        if "not a database" in reason or "malformed" in reason:
            return StorageError(
                f"{self.path} is not a readable database ({reason}). Run 'ufseg workspace repair' on this workspace, "
                "with a backup if there is one; the files beside it are not affected."
            )
        if "is locked" in reason:
            return StorageError(
                f"Another program kept the database {self.path} locked for {WAIT_SECONDS} seconds. "
                "End it and try again."
            )
        if "unable to open" in reason or "readonly" in reason or "I/O error" in reason:
            return StorageError(
                f"The database {self.path} cannot be read or written ({reason}). Check the folder's permissions "
                "and free space."
            )
        if "append-only" in reason or "never" in reason:
            return ConflictError(f"The change was refused: {reason}. Make a new entry instead.")
        return None


def copy_database(source: Path, target: Path) -> None:
    """Make `target` a copy of one consistent state of `source`, which may be in use; all of it or nothing.

    A database that lies at `target` is replaced within one transaction. When this returns the copy is on the disk.

    Raises:
        sqlite3.DatabaseError: one of them is damaged.
    """
    with closing(sqlite3.connect(source, timeout=WAIT_SECONDS)) as old:
        with closing(sqlite3.connect(target, timeout=WAIT_SECONDS)) as new:
            new.execute("PRAGMA synchronous=FULL")
            old.backup(new)
        sync_file(target)
        sync_folder(target.parent)


def database_files(folder: Path) -> list[Path]:
    """The database of a workspace folder with its write-ahead log, as far as they exist."""
    return [path for end in ("", "-wal", "-shm") if (path := folder / f"{FILE}{end}").exists()]


def _prepare_connection(connection: sqlite3.Connection, record: Any) -> None:
    # Transactions are begun below, not by the driver, whose implicit ones leave out reads and table changes.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
