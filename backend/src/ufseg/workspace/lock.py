"""One process at a time runs the jobs of a workspace."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sqlalchemy import Connection

from ufseg.errors import ConflictError, StorageError
from ufseg.workspace.database import Database
from ufseg.workspace.disk import storage_errors
from ufseg.workspace.postgresql import Postgresql

if sys.platform == "win32":
    import msvcrt

    # Windows locks are mandatory, so the locked byte lies beyond the process id that others read.
    _LOCKED_BYTE = 1 << 20

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class WorkspaceLock:
    """Holds the file ``lock`` of a workspace until `release`, or until the process ends in whatever way.

    On a database server a lock there is held as well: machines may share the database and not see each other's locks
    on files.

    Args:
        folder: the workspace.
        database: its database, if the lock is to hold there too.

    Raises:
        ConflictError: another process holds it; its process id is named.
        StorageError: the folder or the server cannot be used.
    """

    def __init__(self, folder: Path, database: Database | None = None) -> None:
        path = folder / "lock"
        with storage_errors(folder):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            free = _try_lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise StorageError(
                f"The disk of the workspace {folder} does not keep locks ({error.strerror}), so two services could "
                "run on it at once. Put the workspace on a local disk, or mount the share with locks."
            ) from error
        if not free:
            os.lseek(descriptor, 0, os.SEEK_SET)
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ConflictError(
                f"The workspace {folder} is in use by another ufseg process (process id {owner}). "
                "Use that one, or end it first."
            )
        with storage_errors(folder):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        self._descriptor: int | None = descriptor
        self._on_server: tuple[Postgresql, Connection] | None = None
        if database is not None and isinstance(database.kind, Postgresql):
            try:
                with database.translated_errors():
                    connection = database.kind.try_service_lock()
                    self._on_server = None if connection is None else (database.kind, connection)
            finally:
                if self._on_server is None:
                    self.release()
            if self._on_server is None:
                raise ConflictError(
                    f"The workspace's database {database.kind.shown} is in use by another ufseg service, on this or "
                    "another machine. Use that one, or end it first."
                )

    def release(self) -> None:
        """Let another process have the workspace; a second call does nothing."""
        if self._on_server is not None:
            server, connection = self._on_server
            server.release_service_lock(connection)
            self._on_server = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
