"""Which database a workspace's folder belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import URL

from ufseg.errors import ConflictError, StorageError
from ufseg.workspace.disk import storage_errors, sync_file, sync_folder
from ufseg.workspace.postgresql import Postgresql, parse_url
from ufseg.workspace.sqlite import FILE, Sqlite

MARKER = "database.json"


class Marker(BaseModel):
    """The file ``database.json`` of a workspace whose database is on a server.

    Args:
        workspace: id of the workspace, which the database has too.
        url: of the database, without a password.
    """

    model_config = ConfigDict(extra="forbid")

    workspace: str
    url: str


def locate(folder: Path, url: str | None) -> Sqlite | Postgresql:
    """The database of a workspace.

    Args:
        folder: the workspace.
        url: of a database server; None takes the one that the folder names, and SQLite where it names none.

    Raises:
        InputError: the URL is none of PostgreSQL.
        ConflictError: the folder has its records in SQLite, or in another database.
        StorageError: the database of a folder with files is missing.
    """
    marker = read_marker(folder)
    if url is None and marker is None:
        kind = Sqlite(folder)
        if not kind.path.exists():
            require_no_files(folder, kind)
        return kind
    if url is None and marker is not None:
        return Postgresql(folder, parse_url(marker.url))
    wanted = parse_url(url or "")
    if (folder / FILE).exists():
        raise ConflictError(
            f"The workspace {folder} keeps its records in {FILE} in that folder. Leave the database's URL out "
            "(--database, UFSEG_DATABASE), or choose another folder for a workspace on a server."
        )
    if marker is not None and not _same_place(parse_url(marker.url), wanted):
        raise ConflictError(
            f"The workspace {folder} keeps its records in {marker.url}, not in "
            f"{wanted.render_as_string(hide_password=True)}. Give that database; if it has moved, correct {MARKER} "
            "in the folder."
        )
    return Postgresql(folder, wanted)


def bind(folder: Path, kind: Sqlite | Postgresql, workspace_id: str, *, ours: Callable[[], bool]) -> None:
    """Make sure that folder and database are of one workspace, and note in a new folder where its database is.

    Args:
        folder: the workspace.
        kind: its database.
        workspace_id: the id that the database has.
        ours: whether the database was made just now, or can only be this folder's.

    Raises:
        ConflictError: they belong to different workspaces.
    """
    if isinstance(kind, Sqlite):
        return
    marker = read_marker(folder)
    if marker is None and (not _has_files(folder) or ours()):
        url = kind.engine.url.set(password=None).render_as_string()
        _write_marker(folder, Marker(workspace=workspace_id, url=url))
    elif marker is None or marker.workspace != workspace_id:
        raise ConflictError(
            f"The database {kind.shown} is the one of another workspace than the folder {folder}. "
            "Give folder and database that belong together."
        )


def require_no_files(folder: Path, kind: Sqlite | Postgresql) -> None:
    """Raise StorageError if a folder with files is about to get an empty database."""
    # A workspace without a record of a person's labels would look as if they had never been made.
    if _has_files(folder):
        raise StorageError(
            f"The workspace {folder} has files, but its database {kind.shown} is empty or missing. Put it back, or "
            "restore it with 'ufseg workspace repair --from BACKUP'; if the records are on another server, give that "
            "database's URL."
        )


def is_workspace(folder: Path) -> bool:
    """Whether there is a workspace in the folder, be it damaged."""
    return (folder / FILE).exists() or (folder / MARKER).exists() or _has_files(folder)


def read_marker(folder: Path) -> Marker | None:
    """What the folder says about its database, None if nothing; raises StorageError if that is unreadable."""
    path = folder / MARKER
    try:
        return Marker.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise StorageError(
            f"The file {path}, which says where the workspace's database is, is damaged. Remove it, and give the "
            "database's URL with the next command (--database or UFSEG_DATABASE)."
        ) from error


def _write_marker(folder: Path, marker: Marker) -> None:
    unfinished = folder / f".{MARKER}"
    with storage_errors(folder):
        unfinished.write_text(marker.model_dump_json(indent=2) + "\n", encoding="utf-8")
        sync_file(unfinished)
        os.replace(unfinished, folder / MARKER)
        sync_folder(folder)


def _same_place(one: URL, other: URL) -> bool:
    """Whether two URLs lead to one database, whoever logs in."""
    return one.set(username=None, password=None) == other.set(username=None, password=None)


def _has_files(folder: Path) -> bool:
    stored = folder / "files"
    return stored.is_dir() and any(stored.iterdir())
