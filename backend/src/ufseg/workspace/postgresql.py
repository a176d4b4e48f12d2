"""A workspace's database in PostgreSQL: for a department that has a server; the files stay in the folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from ufseg.errors import ConflictError, InputError, StorageError, UfsegError
from ufseg.workspace.sqlite import WAIT_SECONDS, WRITING

DRIVER = "postgresql+psycopg"
# Two kinds of advisory locks, one key for each workspace, which is a schema of its own.
_WRITER = 0x75660001
_SERVICE = 0x75660002
_KEY = "hashtext(current_schema())"
# Classes of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_DISK_FULL = "53100"
_LOCKED = "55P03"
_CONNECTION = ("08", "57P")
_DENIED = ("42501", "25006", "28")


class Postgresql:
    """PostgreSQL with one writer at a time, as SQLite has it.

    Args:
        folder: the workspace, for messages.
        url: ``postgresql+psycopg://user@host/database``.

    Raises:
        InputError: psycopg is not installed.
    """

    def __init__(self, folder: Path, url: URL) -> None:
        self._folder = folder
        self.shown = url.render_as_string(hide_password=True)
        try:
            # Before use a connection is tried, for a server may have been started again since.
            self.engine: Engine = create_engine(
                url, pool_size=10, max_overflow=40, pool_pre_ping=True, hide_parameters=True
            )
        except ModuleNotFoundError as error:
            raise InputError(
                f"The database {self.shown} needs the package {error.name}, which is not installed. "
                'Install it: pip install "ufseg[postgresql]".'
            ) from error
        event.listen(self.engine, "connect", _prepare_connection)
        event.listen(self.engine, "begin", _begin)

    def try_service_lock(self) -> Connection | None:
        """Hold the lock of the service until `release_service_lock` or the process's end; None if another holds it."""
        connection = self.engine.execution_options(isolation_level="AUTOCOMMIT").connect()
        if connection.execute(text(f"SELECT pg_try_advisory_lock({_SERVICE}, {_KEY})")).scalar():
            return connection
        connection.close()
        return None

    def release_service_lock(self, connection: Connection) -> None:
        """Let another service have the workspace, at once: the server ends a closed connection only a while later."""
        with suppress(DBAPIError):  # one that was lost holds nothing
            connection.execute(text(f"SELECT pg_advisory_unlock({_SERVICE}, {_KEY})"))
        # Not back into the pool, where it would live on.
        connection.invalidate()
        connection.close()

    def explained(self, error: Exception) -> UfsegError | None:
        """The driver's error in words, None where it is none of those that are known."""
        import psycopg  # which is there: the error is its own

        state = str(getattr(error, "sqlstate", None) or "")
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        if "append-only" in reason or "never" in reason:
            return ConflictError(f"The change was refused: {reason}. Make a new entry instead.")
        if state == _DISK_FULL:
            return StorageError(
                f"The disk of the database {self.shown} is full ({reason}). Nothing that was saved before is affected. "
                "Free some space on the server and try again."
            )
        if state == _LOCKED:
            return StorageError(
                f"Another program kept the database {self.shown} locked for {WAIT_SECONDS} seconds. "
                "End it and try again."
            )
        if state.startswith(_DENIED):
            return StorageError(
                f"The database {self.shown} refused access ({reason}). Check user, password (PGPASSWORD or ~/.pgpass) "
                "and the user's rights."
            )
        if state.startswith(_CONNECTION) or (not state and isinstance(error, psycopg.OperationalError)):
            return StorageError(
                f"The database server of {self.shown} cannot be reached ({reason}). Check that it runs, and the "
                "address."
            )
        if isinstance(error, psycopg.DataError):
            return InputError(f"The database cannot keep this text ({reason}). Leave out control characters.")
        return None


def parse_url(text_: str) -> URL:
    """A database URL for psycopg; raises InputError for anything else."""
    try:
        url = make_url(text_)
    except (ArgumentError, ValueError) as error:
        raise InputError(
            f"The database is not a URL. Give one such as {DRIVER}://user@host/database, or none for SQLite."
        ) from error
    if url.drivername not in (DRIVER, "postgresql"):
        raise InputError(
            f"The database {url.render_as_string(hide_password=True)} is of an unknown kind. Give a URL such as "
            f"{DRIVER}://user@host/database, or none for SQLite in the workspace's folder."
        )
    if "password" in url.query:  # it would be written into the folder, and into messages
        raise InputError(
            "The database's URL has a password among its options. Give it in PGPASSWORD or ~/.pgpass instead."
        )
    return url.set(drivername=DRIVER)


def durability_problem(connection: Connection) -> str | None:
    """Why a commit on this server may not survive a power cut; None if it does."""
    for setting in ("fsync", "full_page_writes"):
        if connection.execute(text(f"SHOW {setting}")).scalar() == "off":
            return (
                f"The database server runs with {setting}=off, so that a power cut can lose what was acknowledged. "
                "Switch it on in postgresql.conf."
            )
    return None


def _prepare_connection(connection: Any, record: Any) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone()[0] == "off":  # stronger settings than ours stay
            cursor.execute("SET synchronous_commit = on")
    connection.autocommit = False


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    if options.get(WRITING, False):
        # With the default isolation, what is read after this lock is what the writer before has committed.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER}, {_KEY})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
