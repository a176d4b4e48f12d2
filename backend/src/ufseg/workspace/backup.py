"""A second copy of a workspace, made while the first is in use."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

from ufseg.errors import ConflictError, InputError
from ufseg.progress import Progress, ProgressCallback, ignore_progress
from ufseg.workspace.checking import CheckReport, Problem, check_workspace
from ufseg.workspace.database import Database
from ufseg.workspace.disk import PRIVATE, make_folder, storage_errors
from ufseg.workspace.location import MARKER, is_workspace
from ufseg.workspace.lock import WorkspaceLock
from ufseg.workspace.records import Record
from ufseg.workspace.references import needed_files
from ufseg.workspace.rows import lacking, take_snapshot
from ufseg.workspace.sqlite import FILE, copy_database
from ufseg.workspace.store import ContentStore, DamagedFileError, StoredFile
from ufseg.workspace.workspace import Workspace

_SNAPSHOT = "snapshot-"


class BackupReport(Record):
    """What a backup did.

    Args:
        target: its folder, a workspace with its records in SQLite.
        copied: files that were copied this time.
        copied_bytes: how much that was.
        kept: files that were there already.
        problems: files that could not be copied.
        check: of the backup afterwards.
    """

    target: str
    copied: int
    copied_bytes: int
    kept: int
    problems: tuple[Problem, ...]
    check: CheckReport

    @property
    def whole(self) -> bool:
        """Whether everything is in the backup, unharmed."""
        return not self.problems and self.check.whole


def back_up(workspace: Workspace, target: Path, progress: ProgressCallback = ignore_progress) -> BackupReport:
    """Copy a workspace; what the copy held before stays valid until the new state is complete.

    The records are read first, at one moment; every file that they name was stored before them and is never removed,
    so that all of them can be copied afterwards. Only files that the target lacks are copied.

    Args:
        workspace: open workspace, which may be in use.
        target: an empty or absent folder, or an earlier backup of this workspace.
        progress: is told the share of files.

    Raises:
        InputError: the target is no place for a backup.
        ConflictError: it holds another workspace, or one with records of its own, or is in use.
        StorageError: it is full, or cannot be written.
    """
    target = _checked_target(workspace, target)
    with storage_errors(target):
        make_folder(target, PRIVATE)
    lock = WorkspaceLock(target)
    try:
        store = ContentStore(target)
        for left in (target / "incoming").glob(f"{_SNAPSHOT}*"):  # by a backup that was ended
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=_SNAPSHOT, dir=target / "incoming") as name:
            with storage_errors(target):
                take_snapshot(workspace.database, Path(name))
            needed = _needed(Path(name))
            _require_earlier_state(target, Path(name), workspace)
            copied, size, problems = _copy_files(workspace, store, needed, progress)
            with storage_errors(target):
                copy_database(Path(name) / FILE, target / FILE)
        with Workspace(target) as copy:
            report = check_workspace(copy, progress)
            damaged = {p.file for p in report.problems if p.kind == "damaged file"}
            again = {file: words for file, words in needed.items() if file.name in damaged}
            if again:
                more, more_size, problems = _copy_files(workspace, store, again, progress, anew=True)
                copied, size = copied + more, size + more_size
                report = check_workspace(copy, progress)
    finally:
        lock.release()
    return BackupReport(
        target=str(target),
        copied=copied,
        copied_bytes=size,
        kept=max(len(needed) - copied - len(problems), 0),
        problems=tuple(problems),
        check=report,
    )


def _checked_target(workspace: Workspace, target: Path) -> Path:
    target = target.expanduser().resolve()
    if target == workspace.folder or workspace.folder in target.parents or target in workspace.folder.parents:
        raise InputError(
            f"The backup cannot be made in {target}: it must be neither in the workspace {workspace.folder} nor around "
            "it. Choose a folder on another disk."
        )
    if target.exists() and not target.is_dir():
        raise InputError(f"The backup cannot be made in {target}, which is a file. Choose a folder.")
    if (target / MARKER).exists():
        raise InputError(f"The folder {target} is a workspace with a database on a server. Choose another folder.")
    if target.is_dir() and any(target.iterdir()) and not is_workspace(target) and not (target / "lock").exists():
        raise InputError(f"The folder {target} is not empty and holds no backup of a workspace. Choose an empty one.")
    return target


def _needed(snapshot: Path) -> dict[StoredFile, str]:
    with closing(Database(snapshot)) as records, records.reading() as session:
        return needed_files(session)


def _require_earlier_state(target: Path, snapshot: Path, workspace: Workspace) -> None:
    """The target may only hold what the workspace has too: it will be replaced."""
    if not (target / FILE).exists():
        return
    with closing(Database(target)) as old, closing(Database(snapshot)) as new:
        if old.workspace_id != workspace.database.workspace_id:
            raise ConflictError(f"The folder {target} is a backup of another workspace. Choose another folder.")
        with old.reading() as before, new.reading() as after:
            extra = lacking(before, after)
    if extra:
        raise ConflictError(
            f"The folder {target} has {extra} records that the workspace {workspace.folder} lacks: somebody worked in "
            "the backup, or the workspace has lost something ('ufseg workspace check' tells). Choose another folder."
        )


def _copy_files(
    workspace: Workspace,
    store: ContentStore,
    needed: dict[StoredFile, str],
    progress: ProgressCallback,
    *,
    anew: bool = False,
) -> tuple[int, int, list[Problem]]:
    copied, size, problems = 0, 0, []
    for number, (file, words) in enumerate(sorted(needed.items())):
        progress(Progress(number / len(needed), "copying files"))
        source, place = workspace.store.place(file), store.place(file)
        try:
            expected = source.stat().st_size
            # Its content is looked at by the check that follows.
            if not anew and place.exists() and place.stat().st_size == expected:
                continue
            store.add_copy(source, file)
        except FileNotFoundError:
            sentence = f"The file {file.name}, {words}, is missing from the workspace, so it could not be copied."
            problems.append(Problem(kind="missing file", sentence=sentence, file=file.name))
        except DamagedFileError as error:
            sentence = f"{words[0].upper()}{words[1:]} was not copied. {error}"
            problems.append(Problem(kind="damaged file", sentence=sentence, file=file.name))
        else:
            copied, size = copied + 1, size + expected
    progress(Progress(1.0, "copying files"))
    return copied, size, problems
