"""Whether a workspace is whole: every file as it was stored, every record with all that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sqlalchemy import func, select, text

from ufseg.errors import StorageError
from ufseg.networks.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE
from ufseg.progress import Progress, ProgressCallback, ignore_progress
from ufseg.workspace import protection
from ufseg.workspace.location import is_workspace
from ufseg.workspace.postgresql import durability_problem
from ufseg.workspace.records import Record
from ufseg.workspace.references import broken_references, needed_files
from ufseg.workspace.sqlite import Sqlite
from ufseg.workspace.store import StoredFile, sha256_of
from ufseg.workspace.tables import Base, ModelVersionRow
from ufseg.workspace.workspace import Workspace

ProblemKind = Literal["missing file", "damaged file", "database", "record", "protection"]
RESTORE = "Restore it: 'ufseg workspace repair --from BACKUP'."


class Problem(Record):
    """Something that is wrong.

    Args:
        kind: of the problem.
        sentence: what is wrong and what to do.
        file: path below the workspace, None where no file is concerned.
    """

    kind: ProblemKind
    sentence: str
    file: str | None = None


class CheckReport(Record):
    """The outcome of a check.

    Args:
        workspace: its folder.
        database: its database.
        files: how many stored files were read.
        bytes: how much that was.
        records: table → number of rows.
        problems: what is wrong; empty of a whole workspace.
        notes: what is harmless but worth knowing.
        orphans: stored files that no record names, such as uploads that were never finished.
    """

    workspace: str
    database: str
    files: int
    bytes: int
    records: dict[str, int]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    orphans: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def require_workspace(folder: Path) -> Path:
    """The folder, resolved; raises StorageError if there is no workspace in it."""
    folder = folder.expanduser().resolve()
    if not is_workspace(folder):
        raise StorageError(f"The folder {folder} holds no workspace. Give the folder of one with --workspace.")
    return folder


def check_folder(
    folder: Path, database: str | None = None, progress: ProgressCallback = ignore_progress
) -> CheckReport:
    """Check a workspace that may be so damaged that it cannot be opened; changes nothing.

    Args:
        folder: the workspace; a service may be running on it.
        database: see `Workspace`.
        progress: is told the share of bytes that were read.

    Raises:
        StorageError: there is no workspace in the folder.
    """
    folder = require_workspace(folder)
    try:
        with Workspace(folder, database, migrate=False) as workspace:
            return check_workspace(workspace, progress)
    except StorageError as error:
        return CheckReport(
            workspace=str(folder),
            database="cannot be opened",
            files=0,
            bytes=0,
            records={},
            problems=(Problem(kind="database", sentence=str(error)),),
            notes=("No file was checked, since the database says which files there must be.",),
            orphans=(),
        )


def check_workspace(workspace: Workspace, progress: ProgressCallback = ignore_progress) -> CheckReport:
    """Check an open workspace: hashes, references, and the database itself. Changes nothing.

    It may be in use: what is stored while the check runs is not looked at.
    """
    database = workspace.database
    problems = [*_database_problems(workspace)]
    # First the records: each of them was made after its files.
    with database.reading() as session:
        needed = needed_files(session)
        problems += [Problem(kind="record", sentence=f"{s} {RESTORE}") for s in broken_references(session)]
        records = {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }
    problems += [Problem(kind="record", sentence=f"{s} {RESTORE}") for s in _unreadable(workspace)]
    present, strangers = workspace.store.present()
    wrong, size = _check_files(workspace, needed, present, progress)
    problems += wrong
    problems += [
        Problem(
            kind="damaged file",
            sentence=f"The file {name}, a copy for the workers, is not what was stored. 'ufseg workspace repair' puts "
            "it aside; it is made again when it is needed.",
            file=name,
        )
        for name in damaged_model_folders(workspace)
    ]
    orphans = tuple(sorted(file.name for file in present - set(needed)))
    notes = []
    if orphans:
        notes.append(
            f"{len(orphans)} stored file{'s belong' if len(orphans) > 1 else ' belongs'} to no record, as when an "
            "upload was not finished. They take space and do no harm."
        )
    if strangers:
        notes.append(f"Not ufseg's own: {', '.join(strangers)}.")
    if list((workspace.folder / "quarantine").glob("*")):
        notes.append("Earlier repairs put damaged files into the folder quarantine; nothing there is used.")
    return CheckReport(
        workspace=str(workspace.folder),
        database=database.kind.shown,
        files=len(present),
        bytes=size,
        records=records,
        problems=tuple(problems),
        notes=tuple(notes),
        orphans=orphans,
    )


def damaged_model_folders(workspace: Workspace) -> list[str]:
    """Files under ``models``, with slashes, that are neither links to the stored ones nor whole copies."""
    found = []
    with workspace.database.reading() as session:
        columns = (ModelVersionRow.id, ModelVersionRow.weights, ModelVersionRow.description)
        versions = session.execute(select(*columns).order_by(ModelVersionRow.id)).all()
    for version, weights, description in versions:
        stored = {
            WEIGHTS_FILE: StoredFile(weights, ".safetensors"),
            DESCRIPTION_FILE: StoredFile(description, ".json"),
        }
        for name, file in stored.items():
            path = workspace.folder / "models" / version / name
            original = workspace.store.place(file)
            if not path.exists() or (original.exists() and path.samefile(original)):
                continue
            if sha256_of(path) != file.sha256:
                found.append(f"models/{version}/{name}")
    return found


def _check_files(
    workspace: Workspace, needed: dict[StoredFile, str], present: set[StoredFile], progress: ProgressCallback
) -> tuple[list[Problem], int]:
    problems = [
        Problem(
            kind="missing file",
            sentence=f"The file {file.name}, {needed[file]}, is missing. {RESTORE}",
            file=file.name,
        )
        for file in sorted(set(needed) - present)
    ]
    paths = {file: workspace.store.place(file) for file in sorted(present)}
    total = sum(path.stat().st_size for path in paths.values())
    read = 0
    for file, path in paths.items():
        progress(Progress(read / max(total, 1), "reading files"))
        try:
            found: str | None = sha256_of(path)
        except OSError:  # a bad sector is a damage like any other
            found = None
        if found != file.sha256:
            what = needed.get(file, "which no record names")
            has = "cannot be read" if found is None else f"is damaged: its content has the hash {found}"
            then = RESTORE if file in needed else "'ufseg workspace repair' puts it aside."
            problems.append(
                Problem(kind="damaged file", sentence=f"The file {file.name}, {what}, {has}. {then}", file=file.name)
            )
        read += path.stat().st_size
    progress(Progress(1.0, "reading files"))
    return problems, total


def _database_problems(workspace: Workspace) -> list[Problem]:
    database = workspace.database
    found = []
    with database.reading() as session:
        connection = session.connection()
        if isinstance(database.kind, Sqlite):
            for (line,) in connection.execute(text("PRAGMA integrity_check")):
                if line != "ok":
                    sentence = f"The database {database.kind.shown} is damaged: {line}. {RESTORE}"
                    found.append(Problem(kind="database", sentence=sentence))
        elif (problem := durability_problem(connection)) is not None:
            found.append(Problem(kind="database", sentence=problem))
        missing = protection.missing_triggers(connection)
    if missing:
        found.append(
            Problem(
                kind="protection",
                sentence=f"The database lacks what keeps its history from being changed: {', '.join(missing)}. "
                "'ufseg workspace repair' puts it back.",
            )
        )
    return found


def _unreadable(workspace: Workspace) -> list[str]:
    """Sentences about records that cannot be read as what they are."""
    found = []
    try:
        tasks = workspace.tasks.all()
    except ValueError as error:
        return [f"A task or a class cannot be read ({_first_line(error)})."]
    try:
        workspace.tokens.all()
        last = 0
        while entries := workspace.audit.entries(last):
            last = entries[-1].id
    except ValueError as error:
        found.append(f"An entry of the audit log or an access token cannot be read ({_first_line(error)}).")
    for task in tasks:
        try:
            for case in workspace.cases.of_task(task.id):
                workspace.revisions.of_case(case.id)
            workspace.models.of_task(task.id)
            workspace.models.promotions(task.id)
            workspace.jobs.all(task.id)
        except ValueError as error:  # pydantic's ValidationError is one
            found.append(f"The task {task.id} has a record that cannot be read ({_first_line(error)}).")
    return found


def _first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0]
